"""A job is stopped for another one: it saves, makes room, says why, and comes again."""

import pytest

from quartermaster.api.record import parse, stopped_text
from quartermaster.api.training_job_status import State
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import Queue, Reclaim, Stopped, WithinQueue
from quartermaster.errors import ClusterError
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.support.queueing import queue

LOW, HIGH = "uid-low", "uid-high"


def operation(*queues: Queue, gpus: int = 2) -> Operation:
    it = Operation()
    it.cluster.add_node(make.node("node-a", gpus))
    it.cluster.all_pools = (make.pool("pool", make.price("0.5")),)
    it.cluster.all_queues = queues or (
        queue("research", t4=gpus, within_queue=WithinQueue.LOWER_PRIORITY),
    )
    return it


def submit(it: Operation, name: str, priority: int = 0, **more: object) -> None:
    spec = make.spec(trainer={"workers": 2}, priority=priority)
    fields = {"queue": "research", "created": it.cluster.clock.now(), **more}
    it.cluster.submit(make.record(name, spec, **fields))


async def run(it: Operation, *uids: str) -> None:
    """Passes and placement until nothing moves; what is placed runs, what is told to go saves."""
    for _ in range(10):
        await it.drive(*[uid for uid in uids if uid in it.cluster.records])
        for uid in uids:
            it.cluster.run_pods(uid)
            for worker in it.cluster.workers(uid):
                if worker.deleting is not None and not worker.over and worker.bound is not None:
                    it.cluster.end(worker, 76)
        it.cluster.clock.advance(1)


async def preempted(it: Operation) -> None:
    submit(it, "low")
    await run(it, LOW)
    it.cluster.clock.advance(60)
    submit(it, "high", priority=5)
    await run(it, LOW, HIGH)


async def both_end(it: Operation) -> None:
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, HIGH))
    await run(it, LOW, HIGH)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, LOW))
    await run(it, LOW, HIGH)


async def test_the_lower_job_makes_room_and_waits_and_is_told_by_whom_and_why() -> None:
    it = operation()
    await preempted(it)
    assert (it.state(HIGH), it.state(LOW)) == (State.RUNNING, State.WAITING)
    told = it.condition("Preempted", LOW)
    assert told.status.value == "True"
    assert told.message == (
        "stopped for team/high, which has priority 5 over 0 in queue research; "
        "goes on from its last checkpoint when it is its turn again"
    )
    assert it.condition("Placed", LOW).reason == "QuotaUsed"
    assert ("Preempted", True) in [(one.reason, one.warning) for one in it.recorder.told]
    assert it.telemetry.preemptions == ["Priority"]
    goodput = it.status(LOW).goodput
    assert goodput is not None
    assert (goodput.restarts, goodput.interruptions) == (0, 2)
    await both_end(it)
    assert (it.state(HIGH), it.state(LOW)) == (State.COMPLETE, State.COMPLETE)
    assert it.condition("Preempted", LOW).reason == "PlacedAgain"
    assert it.status(LOW).goodput == goodput


async def test_while_it_stops_it_is_pending_with_the_reason_preempted() -> None:
    it = operation()
    submit(it, "low")
    await run(it, LOW)
    submit(it, "high", priority=5)
    await it.drive(LOW, HIGH)
    assert it.state(LOW) is State.PENDING
    assert it.condition("Placed", LOW).reason == "Preempted"
    assert it.condition("Placed", HIGH).reason == "Preempting"
    assert "team/low is being stopped for it" in it.condition("Placed", HIGH).message
    assert it.cluster.children[LOW].suspended


TRIPS = {
    "the server refuses": (False, ClusterError),
    "the answer is lost": (True, ClusterError),
    "the operator dies before": (False, CrashError),
    "the operator dies after": (True, CrashError),
}


@pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS.keys())
async def test_whatever_write_fails_both_run_to_their_ends_and_are_charged_once(
    trip: tuple[bool, type[Exception]],
) -> None:
    whole = operation()
    await preempted(whole)
    await both_end(whole)
    writes = len(whole.cluster.writes)
    assert any(write.startswith("preempt") for write in whole.cluster.writes)
    for n in range(1, writes + 1):
        it = operation()
        it.cluster.trip = Trip(n, *trip)
        await preempted(it)
        assert it.state(HIGH) is State.RUNNING, f"write {n}: {whole.cluster.writes[n - 1]}"
        await both_end(it)
        for uid in (LOW, HIGH):
            assert it.state(uid) is State.COMPLETE, f"write {n}: {whole.cluster.writes[n - 1]}"
            assert it.accrued(uid) == it.owed(uid) > 0
            assert it.status(uid).goodput == whole.status(uid).goodput, f"write {n}"
        assert not [pod.uid for uid in (LOW, HIGH) for pod in it.cluster.ever(uid) if pod.accounted]
        assert all(record.stopped is None for record in it.cluster.records.values())


async def test_a_job_that_kueue_queues_is_left_alone() -> None:
    it = operation(queue("research", t4=2, reclaim=Reclaim.ANY))
    submit(it, "low", queue=None)
    await run(it, LOW)
    submit(it, "high", priority=5)
    await run(it, LOW, HIGH)
    assert (it.state(LOW), it.state(HIGH)) == (State.RUNNING, State.WAITING)


async def test_borrowed_nodes_are_given_back_to_the_queue_that_reclaims() -> None:
    it = operation(
        queue("lab"),
        queue("research", "lab", t4=2, reclaim=Reclaim.ANY),
        queue("product", "lab"),
    )
    submit(it, "low", queue="product", priority=9)
    await run(it, LOW)
    submit(it, "high")
    await run(it, LOW, HIGH)
    assert it.state(HIGH) is State.RUNNING
    assert (
        "queue research takes Tesla-T4 back from queue product"
        in it.condition("Preempted", LOW).message
    )
    assert it.telemetry.preemptions == ["Reclaim"]


async def test_a_job_whose_successor_never_starts_does_not_wait_for_it_for_ever() -> None:
    it = operation()
    submit(it, "low")
    await run(it, LOW)
    submit(it, "high", priority=5)
    await it.drive(LOW, HIGH)
    it.cluster.nodes["node-a"] = make.node("node-a", 2, cordoned=True)
    await run(it, LOW, HIGH)
    assert it.cluster.records[LOW].stopped is not None
    it.cluster.clock.advance(it.settings.preemption_claim_seconds)
    await run(it, LOW, HIGH)
    assert it.cluster.records[LOW].stopped is None
    it.cluster.nodes["node-a"] = make.node("node-a", 2)
    await run(it, LOW, HIGH)
    assert it.state(HIGH) is State.RUNNING


async def test_a_job_whose_successor_was_deleted_comes_again_at_once() -> None:
    it = operation()
    submit(it, "low")
    await run(it, LOW)
    submit(it, "high", priority=5)
    await it.drive(LOW, HIGH)
    it.cluster.delete(HIGH)
    await run(it, HIGH, LOW)
    assert HIGH not in it.cluster.records
    assert it.state(LOW) is State.RUNNING


async def test_suspending_a_stopped_job_wins_and_resuming_lets_it_wait() -> None:
    it = operation()
    await preempted(it)
    it.cluster.edit(LOW, suspend=True)
    await run(it, LOW, HIGH)
    assert it.state(LOW) is State.SUSPENDED
    assert it.condition("Placed", LOW).reason == "Suspended"
    it.cluster.edit(LOW, suspend=False)
    await run(it, LOW, HIGH)
    assert it.state(LOW) is State.WAITING


@pytest.mark.parametrize(
    ("queue_name", "labels", "reason", "words"),
    [
        ("reserach", {}, "NoSuchQueue", "ComputeQueue reserach does not exist; there are: "),
        ("closed", {}, "NamespaceNotAdmitted", "namespaces labelled team=a"),
        ("closed", {"team": "a"}, "GangPlaced", ""),
        ("orphan", {}, "QueueUnusable", "parent gone of ComputeQueue orphan is not there"),
        ("small", {}, "QuotaTooSmall", "queue small may hold at most 1 that would do"),
    ],
)
async def test_a_job_that_its_queue_does_not_start_says_why(
    queue_name: str, labels: dict[str, str], reason: str, words: str
) -> None:
    it = operation(
        queue("closed", t4=2, namespace_labels={"team": "a"}),
        queue("orphan", "gone", t4=2),
        queue("small", t4=1),
    )
    it.cluster.labels["team"] = labels
    submit(it, "low", queue=queue_name)
    await it.drive(LOW)
    told = it.condition("Placed", LOW)
    assert told.reason == reason
    assert words in told.message
    if reason != "GangPlaced":
        assert it.state(LOW) is State.WAITING
        assert it.recorder.told[-1].reason == reason


def document(**metadata: object) -> dict[str, object]:
    told = {"name": "j", "namespace": "t", "uid": "u", "creationTimestamp": "2026-11-23T10:00:00Z"}
    return {"metadata": told | metadata, "spec": {}}


def test_a_jobs_labels_and_annotations_say_its_queue_and_for_whom_it_was_stopped() -> None:
    assert parse(document()).queue == "default"
    assert parse(document(labels={"quartermaster.dev/queue": "research"})).queue == "research"
    assert parse(document(labels={"kueue.x-k8s.io/queue-name": "q"})).queue is None
    stopped = Stopped(NamespacedName("a", "b"), "u", "for a/b", make.T0, (("n", 2),))
    told = {"quartermaster.dev/preempted": stopped_text(stopped)}
    assert parse(document(annotations=told)).stopped == stopped


@pytest.mark.parametrize("text", ["", "yes", "[]", "{}", '{"by": 1, "uid": 2, "why": 3, "at": 4}'])
def test_an_annotation_that_says_nothing_stops_nobody(text: str) -> None:
    assert parse(document(annotations={"quartermaster.dev/preempted": text})).stopped is None
