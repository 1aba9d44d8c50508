"""A job's profile: its own report's, or that of a job of equal steps; what is unknown stays so."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Profile, TrainingJobStatus
from quartermaster.decide.profile.network import Crossing
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import Measurement, MemoryKind
from quartermaster.domain.profile import Bound
from quartermaster.reconcile.profile import measured
from tests.support import make

IMAGE = "quartermaster/trainer:1"
STEP = Measurement(
    step_seconds=0.0384,
    data_wait_seconds=0.003,
    communication_seconds=0.0081,
    checkpoint_stall_seconds=0.0028,
    samples_per_second=1664.461779,
    flops=1260896256.0,
    memory_traffic_bytes=36326960.0,
    synchronised_bytes=2782640.0,
    parameters=695660,
    peak_memory_bytes=752144384,
    memory_kind=MemoryKind.DEVICE,
    processes=8,
    precision=NumberFormat.BF16,
)


def told(step: Measurement = STEP, **trainer: Any) -> Profile:
    spec = make.spec(trainer=trainer)
    return measured.profile(step, spec, measured.mark(spec, IMAGE), accelerator=make.T4, nodes=2)


def test_a_report_becomes_a_profile_of_decimal_strings() -> None:
    document = told(workers=2, resourcesPerWorker={"gpus": 4}).model_dump(
        mode="json", by_alias=True, exclude_none=True
    )
    fingerprint = document.pop("fingerprint")
    assert len(fingerprint) == 16
    assert document == {
        "bound": "Compute",
        "stepSeconds": "0.0384",
        "computeFraction": "0.712",
        "communicationFraction": "0.210",
        "dataWaitFraction": "0.078",
        "samplesPerSecond": "1664",
        "arithmeticIntensity": "34.71",
        "flopsPerStep": "1260896256",
        "memoryTrafficPerStep": "36326960",
        "synchronisedPerStep": "2782640",
        "memoryPerWorker": "2870Mi",
        "memoryKind": "Device",
        "parameters": 695660,
        "nodes": 2,
        "checkpointStallSeconds": "0.0028",
        "processes": 8,
        "precision": "BF16",
        "accelerator": make.T4,
        "source": "Measured",
        "fromJob": "",
    }


def test_what_is_not_known_is_not_told() -> None:
    found = told(Measurement(0.5))
    document = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert (found.bound, found.compute_fraction) == (Bound.COMPUTE, "1.000")
    unknown = {"mfu", "flopsPerStep", "memoryPerWorker", "samplesPerSecond", "arithmeticIntensity"}
    assert not unknown & set(document)


def test_a_job_without_gpus_names_none() -> None:
    assert told(resourcesPerWorker={"gpus": 0}).accelerator == ""


def test_a_profile_has_the_network_between_its_nodes() -> None:
    fresh = told().model_copy(update={"nodes": 2})
    near = measured.across(fresh, Crossing(25e9 / 8, 40e-6, "rack"), None)
    assert near.network_gigabits_per_second == "25"
    assert near.network_latency_microseconds == "40"
    gone = measured.across(fresh, Crossing(None), near)
    assert gone == near
    elsewhere = fresh.model_copy(update={"nodes": 3})
    assert measured.across(elsewhere, Crossing(None), near) == elsewhere
    alone = fresh.model_copy(update={"nodes": 1})
    assert measured.across(alone, Crossing(25e9 / 8), None) == alone


PARTS = st.none() | st.floats(0.0, 1e9, exclude_max=True)
SIZES = st.none() | st.floats(0.0, 1e21, exclude_max=True)


@given(
    st.builds(
        Measurement,
        step_seconds=st.floats(1e-6, 1e9, exclude_max=True),
        data_wait_seconds=PARTS,
        communication_seconds=PARTS,
        checkpoint_stall_seconds=PARTS,
        samples_per_second=PARTS,
        flops=SIZES,
        memory_traffic_bytes=SIZES,
        synchronised_bytes=SIZES,
        peak_memory_bytes=st.none() | st.integers(0, 2**53),
        processes=st.none() | st.integers(0, 2**53),
    ),
    st.integers(0, 64),
)
def test_whatever_was_measured_can_be_stored_and_sums_to_one(step: Measurement, gpus: int) -> None:
    found = told(step, resourcesPerWorker={"gpus": gpus})
    stored = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert Profile.model_validate(stored) == found
    shares = (found.compute_fraction, found.communication_fraction, found.data_wait_fraction)
    assert sum(map(Decimal, shares)) == 1
    assert float(found.step_seconds) == pytest.approx(step.step_seconds, rel=1e-3, abs=1e-9)


@given(st.floats(1e-5, 1e20))
def test_a_number_keeps_four_digits(value: float) -> None:
    assert float(measured.number(value) or "") == pytest.approx(value, rel=5e-4)


def mark(**changes: Any) -> str:
    return measured.mark(make.spec(**changes), IMAGE)


@pytest.mark.parametrize(
    "changes",
    [
        {"trainer": {"epochs": 9}},
        {"trainer": {"seed": 9}},
        {"trainer": {"learningRate": "0.5"}},
        {"trainer": {"workers": 9}},
        {"trainer": {"resourcesPerWorker": {"gpus": 4, "cpu": "8", "memory": "9Gi"}}},
        {"trainer": {"image": IMAGE}},
        {"placement": {"accelerators": [make.T4]}},
        {"checkpoint": {"keep": 9}},
        {"priority": 9},
        {"suspend": True},
    ],
    ids=str,
)
def test_what_determines_no_step_leaves_the_fingerprint(changes: dict[str, Any]) -> None:
    assert mark(**changes) == mark()


@pytest.mark.parametrize(
    "changes",
    [
        {"model": {"factory": "qm_trainer.zoo:resnet"}},
        {"model": {"factory": "qm_trainer.zoo:mlp", "args": {"width": 64}}},
        {"dataset": {"uri": "file:///data.npz"}},
        {"dataset": {"uri": "builtin://digits", "args": {"size": 4}}},
        {"trainer": {"image": "quartermaster/trainer:2"}},
        {"trainer": {"batchSize": 32}},
        {"trainer": {"precision": "BF16"}},
        {"trainer": {"strategy": {"mode": "DDP"}}},
        {"trainer": {"env": [{"name": "CUDA_LAUNCH_BLOCKING", "value": "1"}]}},
        {"trainer": {"code": {"configMapName": "mine"}}},
        {"model": None, "dataset": None, "trainer": {"command": ["torchrun", "a.py"]}},
    ],
    ids=str,
)
def test_what_determines_a_step_changes_the_fingerprint(changes: dict[str, Any]) -> None:
    assert mark(**changes) != mark()


def test_arguments_of_a_command_are_part_of_it() -> None:
    bare: dict[str, Any] = {"model": None, "dataset": None}
    one, other = ({**bare, "trainer": {"command": ["x"], "args": [arg]}} for arg in "ab")
    assert mark(**one) != mark(**other)


def finished(name: str, ended: float, processes: int = 1, **more: Any) -> JobRecord:
    known = told(replace(STEP, processes=processes)).model_copy(update=more.pop("profile", {}))
    status = TrainingJobStatus(completion_time=make.after(ended), profile=known)
    return make.record(name, spec=make.spec(), status=status, **more)


def lent(*others: JobRecord, workers: int = 1) -> str | None:
    job = make.record("new", spec=make.spec(trainer={"workers": workers}))
    found = measured.borrowed(job, mark(), others)
    return found.from_job if found else None


def test_a_new_job_borrows_the_newest_finished_profile_of_equal_steps() -> None:
    assert lent() is None
    assert lent(finished("old", 10), finished("newer", 20), finished("older", 5)) == "newer"


def test_one_of_as_many_processes_comes_before_a_newer_one() -> None:
    assert lent(finished("pair", 10, 2), finished("newer", 20), workers=2) == "pair"
    assert lent(finished("pair", 10, 2), workers=3) == "pair"


def test_nothing_is_borrowed_from_what_is_other() -> None:
    running = finished("running", 10)
    running = replace(running, status=running.status.model_copy(update={"completion_time": None}))
    foreign = finished("foreign", 10)
    foreign = replace(foreign, key=replace(foreign.key, namespace="others"))
    assert lent(running) is None
    assert lent(foreign) is None
    assert lent(finished("other-steps", 10, profile={"fingerprint": "0" * 16})) is None
    assert lent(finished("borrower", 10, profile={"from_job": "third"})) is None
    assert lent(finished("itself", 10, uid="uid-new")) is None


def test_what_is_borrowed_is_the_others_word_for_word() -> None:
    other = finished("old", 10)
    found = measured.borrowed(make.record("new", spec=make.spec()), mark(), [other])
    assert found is not None
    assert found.model_copy(update={"from_job": ""}) == other.status.profile
