"""Reading of objects: what is missing, newer or hostile must not break the plugin."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_qm import views, workers
from kubectl_qm.access.document import Document
from quartermaster.api.meta import JOB_UID_LABEL
from quartermaster.api.training_job_status import State, TrainingJobStatus
from tests.support import qm_make as make

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def test_fields_of_a_newer_operator_are_passed_over() -> None:
    status = make.running_status(profile={"bound": "Compute"}, stages=[{"name": "prune"}])
    assert views.job(make.training_job(status=status)).state == "Running"


@given(JSON, st.sampled_from(list(make.running_status())))
def test_no_shape_of_a_status_field_breaks_the_reading(value: Any, field: str) -> None:
    views.job(make.training_job(status=make.running_status(**{field: value})))


@given(JSON)
def test_no_shape_of_an_object_breaks_the_reading(value: Any) -> None:
    for read in (views.job, views.event, views.pool, workers.worker):
        read(value)
        read({"metadata": value, "spec": value, "status": value})


def test_control_characters_never_reach_the_terminal() -> None:
    document = Document({"a": "x\x1b[2Jy\x9bz\r\x07", "b": ["\x1b]0;t"], "m": {"\x1bk": "\x1bv"}})
    shown = document.text("a") + "".join(document.texts("b")) + str(document.pairs("m"))
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown)


def test_what_the_tests_take_for_a_status_is_one() -> None:
    for status in (make.running_status(), make.waiting_status(), make.failed_status()):
        TrainingJobStatus.model_validate(status)


def test_the_ended_states_are_states_of_the_api() -> None:
    assert set(State) >= views.ENDED_STATES


def test_a_job_without_workers_and_gpus_in_its_spec_has_the_defaults_of_the_api() -> None:
    job = views.job(make.training_job(spec={"trainer": {}}))
    assert (job.wanted_workers, job.gpus_per_worker, job.workers) == (1, 1, "0/1")


def test_a_job_on_cpu_is_one() -> None:
    spec = {"trainer": {"resourcesPerWorker": {"gpus": 0}}}
    assert views.job(make.training_job(spec=spec)).gpus_per_worker == 0


def test_a_job_on_a_part_of_a_gpu_says_of_which_kind() -> None:
    spec = {"trainer": {"resourcesPerWorker": {"gpuPartition": "1g.10gb"}}}
    job = views.job(make.training_job(spec=spec))
    assert (job.gpus_per_worker, job.gpu_partition) == (1, "1g.10gb")


def test_the_youngest_pod_of_an_index_counts() -> None:
    pods = [make.pod(1), make.pod(0, name="old", age_s=900), make.pod(0, name="new", age_s=10)]
    found = [workers.worker(pod) for pod in pods]
    assert [each.pod for each in workers.newest(found)] == ["new", "digits-1-abcde"]
    assert [each.pod for each in workers.previous(found)] == ["old"]


def test_a_restarted_container_has_its_earlier_life_in_the_same_pod() -> None:
    found = [workers.worker(make.pod(0, status=make.running_pod(restarts=2)))]
    assert workers.previous(found) == tuple(found)


def test_events_that_say_the_same_are_one_with_the_time_of_the_last() -> None:
    said = [("a", 30, 2), ("b", 20, 1), ("a", 10, 3), ("c", 40, 1)]
    events = [make.event("u", "R", text, age_s=age, count=n) for text, age, n in said]
    shown = views.merged(map(views.event, events))
    assert [(each.message, each.count) for each in shown] == [("c", 1), ("b", 1), ("a", 5)]
    assert shown[-1].time == make.NOW - timedelta(seconds=10)


GATED = make.pod(status={"phase": "Pending"})
GATED["spec"]["schedulingGates"] = [{"name": "quartermaster.dev/placement"}]
LEAVING = make.pod()
LEAVING["metadata"]["deletionTimestamp"] = make.before(1)


@pytest.mark.parametrize(
    ("pod", "want"),
    [
        pytest.param(make.pod(), "Running", id="running"),
        pytest.param(GATED, "Gated", id="gated"),
        pytest.param(LEAVING, "Terminating", id="leaving"),
        pytest.param(make.pod(status=make.ended_pod(0)), "Succeeded", id="succeeded"),
        pytest.param(make.pod(status={"phase": "Failed", "reason": "Evicted"}), "Evicted", id="e"),
        pytest.param(
            make.pod(status=make.running_pod(state={"waiting": {"reason": "ImagePullBackOff"}})),
            "ImagePullBackOff",
            id="image",
        ),
    ],
)
def test_a_phase_says_what_holds_the_worker_up(pod: make.Json, want: str) -> None:
    assert workers.worker(pod).phase == want


@pytest.mark.parametrize(
    ("message", "want"),
    [
        pytest.param('{"class":"ConfigError","message":"no"}', ("ConfigError", "no"), id="ours"),
        pytest.param("plain words", ("Error", "plain words"), id="a script's own"),
        pytest.param("[1]", ("Error", ""), id="another JSON"),
        pytest.param("", ("Error", ""), id="nothing"),
    ],
)
def test_what_a_trainer_left_behind_is_read(message: str, want: tuple[str, str]) -> None:
    end = workers.worker(make.pod(status=make.ended_pod(64, message))).termination
    assert end is not None
    assert (end.reason, end.message) == want


def test_the_labels_of_the_tests_are_those_of_the_api() -> None:
    assert JOB_UID_LABEL in make.pod()["metadata"]["labels"]
