"""Queues on the real cluster, over its two GPUs: quota, preemption, reclaiming, backfill."""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.support.stage import Json, Stage, napping, shell_job

pytestmark = pytest.mark.e2e

T4 = "Tesla-T4"
KIND = "computequeues.quartermaster.dev"
STOP_S = 90.0
"""Until a job has saved, its nodes are free and the other one runs [s]."""

MakeQueue = Callable[..., str]


@pytest.fixture
def make_queue(stage: Stage) -> Iterator[MakeQueue]:
    """Makes queues of names that no other run has, and deletes them."""
    made: list[str] = []

    def make(name: str, **spec: object) -> str:
        full = f"{stage.namespace}-{name}"
        document = {
            "apiVersion": "quartermaster.dev/v1alpha1",
            "kind": "ComputeQueue",
            "metadata": {"name": full},
            "spec": spec,
        }
        stage.kubectl.out("apply", "-f", "-", stdin=json.dumps(document))
        made.append(full)
        return full

    yield make
    for name in made:
        stage.kubectl.run("delete", KIND, name, "--wait=false")


def gpu_job(name: str, seconds: int, queue: str = "", *, workers: int = 1, **spec: object) -> Json:
    """A job that sleeps on GPUs; one worker means one T4."""
    per_worker = {"gpus": 1, "cpu": "10m", "memory": "32Mi"}
    document = shell_job(
        name, napping(str(seconds)), workers=workers, resourcesPerWorker=per_worker
    )
    if queue:
        document["metadata"]["labels"] = {"quartermaster.dev/queue": queue}
    if workers == 1:
        document["spec"]["placement"] = {"accelerators": [T4]}
    document["spec"] |= spec
    return document


def condition(status: Json, kind: str) -> Json:
    found: Json = next((c for c in status.get("conditions") or [] if c["type"] == kind), {})
    return found


def waits(stage: Stage, name: str, reason: str) -> str:
    """Wait until the job waits for that reason; returns the message."""
    status = stage.wait(
        name, lambda s: condition(s, "Placed").get("reason") == reason, 30, f"waiting: {reason}"
    )
    return str(condition(status, "Placed")["message"])


@pytest.mark.parametrize("killed", [False, True], ids=["undisturbed", "the operator is killed"])
def test_a_lower_job_makes_room_and_goes_on_afterwards(
    stage: Stage, make_queue: MakeQueue, killed: bool
) -> None:
    queue = make_queue(
        "research",
        nominalQuota=[{"accelerator": T4, "gpus": 1}],
        preemption={"withinQueue": "LowerPriority"},
    )
    stage.apply(gpu_job("low", 15, queue))
    stage.wait_for("low", "Running", 60)
    stage.apply(gpu_job("high", 5, queue, priority=10))
    if killed:
        stage.wait("low", lambda s: bool(condition(s, "Preempted")), 30, "preempted")
        stage.kill_operator()
    stage.wait("high", lambda s: s.get("state") in ("Running", "Complete"), STOP_S, "Running")
    told = condition(stage.status("low"), "Preempted")
    assert f"for {stage.namespace}/high, which has priority 10 over 0" in told["message"]
    stage.wait_for("high", "Complete", 60)
    status = stage.wait_for("low", "Complete", 120)
    assert status["goodput"]["restarts"] == 0
    assert status["goodput"]["interruptions"] == 1
    stage.agrees_with_witness("low")
    stage.agrees_with_witness("high")


def test_a_lender_takes_back_what_was_borrowed(stage: Stage, make_queue: MakeQueue) -> None:
    lab = make_queue("lab")
    research = make_queue(
        "research",
        parent=lab,
        nominalQuota=[{"accelerator": T4, "gpus": 1}],
        preemption={"reclaimWithinCohort": "Any"},
    )
    product = make_queue("product", parent=lab)
    stage.apply(gpu_job("borrower", 15, product, priority=10))
    stage.wait_for("borrower", "Running", 60)
    stage.apply(gpu_job("lender", 5, research))
    stage.wait("lender", lambda s: s.get("state") in ("Running", "Complete"), STOP_S, "Running")
    told = condition(stage.status("borrower"), "Preempted")
    assert f"queue {research} takes {T4} back from queue {product}" in told["message"]
    stage.wait_for("borrower", "Complete", 120)
    stage.agrees_with_witness("borrower")


def test_quota_is_kept_and_said(stage: Stage, make_queue: MakeQueue) -> None:
    queue = make_queue("small", nominalQuota=[{"accelerator": T4, "gpus": 1}])
    stage.apply(gpu_job("first", 20, queue))
    stage.wait_for("first", "Running", 60)
    stage.apply(gpu_job("second", 2, queue), gpu_job("never", 2, queue, workers=2))
    assert f"queue {queue} holds 1 of its 1 {T4}" in waits(stage, "second", "QuotaUsed")
    assert "may hold at most 1 that would do" in waits(stage, "never", "QuotaTooSmall")
    stage.wait_for("second", "Complete", 90)
    end = time.monotonic() + 30
    status: Json = {}
    while status.get("pending") != 1:
        assert time.monotonic() < end, status
        time.sleep(1)
        status = json.loads(stage.kubectl.out("get", KIND, queue, "-o", "json"))["status"]
    assert condition(status, "Active")["status"] == "True"


def test_a_gang_keeps_its_place_and_short_jobs_are_let_past(stage: Stage) -> None:
    stage.apply(gpu_job("running", 45, activeDeadlineSeconds=90))
    stage.wait_for("running", "Running", 60)
    stage.apply(gpu_job("gang", 2, workers=2))
    assert "nodes are kept for it, it starts in about" in waits(stage, "gang", "NoCapacity")
    # Times are told in whole seconds, and the name decides between equals: both come after it.
    unending = gpu_job("unending", 2)
    short = gpu_job("short", 2, activeDeadlineSeconds=10)
    for document in (unending, short):
        document["spec"]["placement"] = {"accelerators": ["NVIDIA-A10G"]}
    stage.apply(unending)
    assert f"is kept for {stage.namespace}/gang" in waits(stage, "unending", "Reserved")
    stage.apply(short)
    stage.wait_for("short", "Complete", 40)
    assert stage.status("gang")["state"] == "Waiting"
    for name in ("gang", "unending"):
        stage.wait_for(name, "Complete", 150)
