"""Why a job failed or does not start, in words that say what to change."""

import json
from datetime import timedelta
from typing import Any

import pytest

from quartermaster.domain.failure import EXIT_CODES, FailureClass
from quartermaster.domain.worker import ChildJob, Exit, Phase, Worker
from quartermaster.reconcile import blame
from tests.support import make
from tests.support.make import after


def failed(index: int = 0, code: int = 1, message: str = "", **more: Any) -> Worker:
    return make.worker(
        index,
        node="node-a",
        phase=Phase.FAILED,
        ended=more.pop("ended", after(9)),
        exit=Exit(code, more.pop("reason", "Error"), message),
        **more,
    )


def note(kind: str, message: str, log: str = "") -> str:
    return json.dumps({"class": kind, "message": message, "log": log})


def child(reason: str, message: str = "from the Job controller") -> ChildJob:
    return make.child(failed=(reason, message))


@pytest.mark.parametrize(("code", "kind"), EXIT_CODES.items())
def test_a_class_that_ends_the_job_is_the_reason_and_its_sentence_the_message(
    code: int, kind: FailureClass
) -> None:
    worker = failed(1, code, note(kind.value, "change this", "line 1\nline 2"))
    if kind in (FailureClass.PEER_LOST, FailureClass.INTERRUPTED):
        assert blame.guilty([worker]) is None
        return
    reason, message = blame.failed_job(child("PodFailurePolicy"), [worker], 3)
    assert reason == kind
    assert message == "worker 1 on node node-a: change this; last lines: line 1\nline 2"


@pytest.mark.parametrize(
    "reason", ["FailedIndexes", "MaxFailedIndexesExceeded", "BackoffLimitExceeded"]
)
@pytest.mark.parametrize(("restarts", "times"), [(0, "once"), (3, "4 times")])
def test_restarts_that_are_used_up_are_counted(reason: str, restarts: int, times: str) -> None:
    worker = failed(0, 71, note("Crash", "ValueError: no"))
    found = blame.failed_job(child(reason), [worker], restarts)
    assert found == (
        "RestartsExhausted",
        (
            f"worker 0 on node node-a failed {times} (spec.failurePolicy.maxRestarts is "
            f"{restarts}); the last time: ValueError: no"
        ),
    )


def test_the_kernels_own_word_for_memory_says_what_to_raise() -> None:
    worker = failed(0, 137, reason="OOMKilled")
    for reason in ("PodFailurePolicy", "FailedIndexes"):
        kind, message = blame.failed_job(child(reason), [worker], 3)
        assert kind == "OutOfMemory"
        assert "raise spec.trainer.resourcesPerWorker.memory" in message


def test_a_deadline_is_the_users_own() -> None:
    kind, message = blame.failed_job(child("DeadlineExceeded"), [failed()], 3)
    assert kind == "DeadlineExceeded"
    assert "spec.activeDeadlineSeconds" in message


def test_without_a_culprit_the_job_controllers_words_stand() -> None:
    assert blame.failed_job(child("Odd", "words"), [], 3) == ("Odd", "words")


def test_a_script_of_ones_own_is_told_by_its_code_and_its_last_lines() -> None:
    kind, message = blame.failed_job(child("PodFailurePolicy"), [failed(0, 3, "Traceback: x")], 3)
    assert kind == "Crash"
    assert message == "worker 0 on node node-a: exit code 3; last lines: Traceback: x"


@pytest.mark.parametrize("message", ["", "[1]", "null", '{"class": 3, "message": null}', "{"])
def test_odd_last_words_never_hide_the_end(message: str) -> None:
    kind, text = blame.ended(failed(0, 71, message))
    assert kind == "Crash"
    assert text.startswith("exit code 71")


def test_half_a_surrogate_can_be_told() -> None:
    _, text = blame.ended(failed(0, 71, '{"message": "\\ud800", "log": "\\udfff"}'))
    assert text.encode()


def test_long_logs_keep_their_end() -> None:
    _, text = blame.ended(failed(0, 1, "x" * 5000 + "THE END"))
    assert text.endswith("THE END")
    assert len(text) < 1600


def test_the_guilty_one_is_hopeless_before_late_and_never_a_victim() -> None:
    hopeless, later = failed(0, 65, ended=after(5)), failed(1, 71, ended=after(8))
    victim = failed(2, 137, ended=after(9), disrupted=after(9))
    peer = failed(3, 75, ended=after(9))
    assert blame.guilty([later, victim, hopeless, peer]) is hopeless
    assert blame.guilty([later, victim, peer]) is later
    assert blame.guilty([victim, peer]) is None


NOW = after(100)


def waiting(**more: Any) -> Worker:
    return make.worker(**{"node": "node-a", "bound": after(0), **more})


@pytest.mark.parametrize("reason", blame.IMAGE_REASONS)
def test_an_image_that_cannot_be_pulled(reason: str) -> None:
    found = blame.stalled([waiting(held_up=(reason, "not found"))], [], NOW)
    assert found == (
        "ImagePull",
        (
            f"the image of worker 0 cannot be pulled ({reason}: not found); "
            "correct spec.trainer.image, or push the image"
        ),
    )


def test_a_container_that_cannot_start() -> None:
    held_up = ("CreateContainerConfigError", "secret not found")
    assert blame.stalled([waiting(held_up=held_up)], [], NOW) == (
        "ContainerCannotStart",
        "worker 0: CreateContainerConfigError: secret not found",
    )


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ('persistentvolumeclaim "mine" not found', "VolumeMissing"),
        ("pod has unbound immediate PersistentVolumeClaims", "WaitingForVolume"),
        ("0/2 nodes are available: Insufficient cpu", None),
    ],
)
def test_a_volume_that_keeps_a_worker_waiting(text: str, want: str | None) -> None:
    worker = waiting(bound=None, unschedulable=text, unschedulable_since=after(0))
    found = blame.stalled([worker], [], NOW)
    assert (found[0] if found else None) == want
    soon = after(0) + blame.VOLUME_GRACE - timedelta(seconds=1)
    assert blame.stalled([worker], [], soon) is None


@pytest.mark.parametrize(
    ("event", "want"),
    [
        (("FailedMount", 'configmap "code" not found'), "CodeMissing"),
        (("FailedMount", "timed out waiting for the volume"), "VolumeMissing"),
        (("FailedAttachVolume", "multi-attach"), "VolumeMissing"),
        (("FailedCreatePodSandBox", "no network"), "ContainerCannotStart"),
        (("Unhealthy", "whatever"), None),
    ],
)
def test_warning_events_of_a_worker_that_does_not_start(
    event: tuple[str, str], want: str | None
) -> None:
    found = blame.stalled([waiting()], [event], NOW)
    assert (found[0] if found else None) == want
    assert blame.stalled([waiting(started=after(1))], [event], NOW) is None
