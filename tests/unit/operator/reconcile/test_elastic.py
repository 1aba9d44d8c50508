"""An elastic job starts with what there is, gives to others, grows again, and loses nothing."""

from collections import Counter

import pytest

from quartermaster.api.record import parse, resize_text
from quartermaster.api.training_job_status import State
from quartermaster.domain.queue import Queue, Resize
from quartermaster.errors import ClusterError
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.support.queueing import queue
from tests.unit.operator.reconcile.test_preemption import run

ELASTIC, RIGID = "uid-elastic", "uid-rigid"


def operation(*gpus: int, queues: tuple[Queue, ...] = ()) -> Operation:
    it = Operation()
    for number, count in enumerate(gpus):
        it.cluster.add_node(make.node(f"node-{number}", count))
    it.cluster.all_pools = (make.pool("pool", make.price("0.5")),)
    it.cluster.all_queues = queues
    return it


def submit(it: Operation, name: str, workers: int, least: int | None = None, **more: object) -> str:
    trainer = {"workers": workers} | ({} if least is None else {"minWorkers": least})
    fields = {"created": it.cluster.clock.now(), "queue": "default", **more}
    return it.cluster.submit(make.record(name, make.spec(trainer=trainer), **fields))


def alive(it: Operation, uid: str) -> Counter[str | None]:
    return Counter(w.node for w in it.cluster.workers(uid) if w.live)


def told(it: Operation, uid: str) -> set[int | None]:
    """The size of their gang, as its workers know it."""
    return {it.cluster.sizes.get(w.uid) for w in it.cluster.workers(uid) if w.live}


async def test_it_starts_with_as_many_workers_as_have_room() -> None:
    it = operation(3)
    submit(it, "elastic", 8, least=2)
    await run(it, ELASTIC)
    assert it.state(ELASTIC) is State.RUNNING
    assert alive(it, ELASTIC) == {"node-0": 3}
    assert told(it, ELASTIC) == {3}
    status = it.status(ELASTIC)
    assert status.workers == "3/3"
    assert status.placement is not None
    assert "3 of up to 8 workers have room" in status.placement.reason


async def test_it_waits_where_not_even_the_fewest_have_room() -> None:
    it = operation(1)
    submit(it, "elastic", 8, least=2)
    await run(it, ELASTIC)
    assert it.state(ELASTIC) is State.WAITING
    assert alive(it, ELASTIC) == {None: 8}


async def test_a_gang_of_one_size_is_told_nothing() -> None:
    it = operation(2)
    submit(it, "rigid", 2)
    await run(it, RIGID)
    assert told(it, RIGID) == {None}


async def shrunk(it: Operation) -> None:
    submit(it, "elastic", 4, least=1)
    await run(it, ELASTIC)
    it.cluster.clock.advance(60)
    submit(it, "rigid", 2)
    await run(it, ELASTIC, RIGID)


async def test_it_gives_up_workers_for_a_job_that_waits_and_goes_on_with_the_rest() -> None:
    it = operation(4)
    await shrunk(it)
    assert (it.state(ELASTIC), it.state(RIGID)) == (State.RUNNING, State.RUNNING)
    assert alive(it, ELASTIC) == {"node-0": 2}
    assert told(it, ELASTIC) == {2}
    assert it.cluster.records[ELASTIC].resize is None
    condition = it.condition("Resizing", ELASTIC)
    assert condition.message == "shrinks from 4 to 2 workers: makes room for team/rigid"
    assert it.telemetry.resizes == ["shrinks"]
    assert it.telemetry.preemptions == []
    goodput = it.status(ELASTIC).goodput
    assert goodput is not None
    assert (goodput.restarts, goodput.interruptions) == (0, 4)


async def test_it_grows_again_once_nobody_waits() -> None:
    it = operation(4)
    await shrunk(it)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, RIGID))
    await run(it, ELASTIC, RIGID)
    it.cluster.clock.advance(600)
    await run(it, ELASTIC)
    assert it.state(ELASTIC) is State.RUNNING
    assert alive(it, ELASTIC) == {"node-0": 4}
    assert told(it, ELASTIC) == {4}
    assert it.telemetry.resizes == ["shrinks", "grows"]


async def test_what_it_would_grow_into_stays_free_for_who_waits_for_more() -> None:
    it = operation(4)
    await shrunk(it)
    submit(it, "large", 8)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, RIGID))
    await run(it, ELASTIC, RIGID, "uid-large")
    it.cluster.clock.advance(600)
    it.cluster.add_node(make.node("node-9", 4))
    await run(it, ELASTIC, "uid-large")
    assert it.state("uid-large") is State.WAITING
    assert alive(it, ELASTIC) == {"node-0": 2}


async def test_quota_bounds_its_growth() -> None:
    it = operation(8, queues=(queue("research", t4=2),))
    submit(it, "elastic", 8, least=1, queue="research")
    await run(it, ELASTIC)
    it.cluster.clock.advance(600)
    await run(it, ELASTIC)
    assert alive(it, ELASTIC) == {"node-0": 2}
    assert it.telemetry.resizes == []


async def test_a_job_of_lower_priority_takes_nothing_from_it() -> None:
    it = operation(4)
    submit(it, "elastic", 4, least=1)
    await run(it, ELASTIC)
    spec = make.spec(trainer={"workers": 2}, priority=-1)
    it.cluster.submit(make.record("rigid", spec, created=it.cluster.clock.now(), queue="default"))
    await run(it, ELASTIC, RIGID)
    assert it.state(RIGID) is State.WAITING
    assert alive(it, ELASTIC) == {"node-0": 4}


async def test_who_is_resized_keeps_its_places_from_those_who_come_meanwhile() -> None:
    it = operation(4)
    submit(it, "elastic", 4, least=2)
    await run(it, ELASTIC)
    submit(it, "rigid", 2)
    await it.drive(ELASTIC, RIGID)
    submit(it, "thief", 2, created=make.T0)
    await run(it, ELASTIC, RIGID, "uid-thief")
    assert alive(it, ELASTIC) == {"node-0": 2}
    running = [uid for uid in (RIGID, "uid-thief") if it.state(uid) is State.RUNNING]
    assert len(running) == 1


async def test_suspended_by_its_user_in_the_middle_it_comes_again_whole() -> None:
    it = operation(4)
    submit(it, "elastic", 4, least=1)
    await run(it, ELASTIC)
    submit(it, "rigid", 2)
    await it.drive(ELASTIC, RIGID)
    it.cluster.edit(ELASTIC, suspend=True)
    await run(it, ELASTIC, RIGID)
    assert it.state(ELASTIC) is State.SUSPENDED
    it.cluster.delete(RIGID)
    await run(it, ELASTIC, RIGID)
    it.cluster.edit(ELASTIC, suspend=False)
    await run(it, ELASTIC)
    assert alive(it, ELASTIC) == {"node-0": 4}


async def scenario(it: Operation) -> None:
    await shrunk(it)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, RIGID))
    await run(it, ELASTIC, RIGID)
    it.cluster.clock.advance(600)
    await run(it, ELASTIC)
    for worker in it.cluster.workers(ELASTIC):
        if worker.live:
            it.cluster.end(worker)
    await run(it, ELASTIC)


@pytest.mark.parametrize("effective", [False, True], ids=["not done", "done"])
@pytest.mark.parametrize("error", [ClusterError, CrashError])
async def test_whatever_write_fails_the_job_is_resized_and_ends(
    effective: bool, error: type[Exception]
) -> None:
    plain = operation(4)
    await scenario(plain)
    for number in range(1, len(plain.cluster.writes) + 1):
        it = operation(4)
        it.cluster.trip = Trip(number, effective, error)
        await scenario(it)
        assert it.state(ELASTIC) is State.COMPLETE, f"write {number}"
        assert it.state(RIGID) is State.COMPLETE, f"write {number}"
        assert it.telemetry.resizes.count("shrinks") <= 2
        assert it.accrued(ELASTIC) > 0


async def scattered(it: Operation) -> None:
    """A job of two GPUs on each of two nodes of four."""
    for name in ("one", "two"):
        pins = {"accelerators": [make.T4]}
        spec = make.spec(trainer={"workers": 2}, placement=pins)
        it.cluster.submit(make.record(name, spec, created=it.cluster.clock.now(), queue="default"))
        await run(it, f"uid-{name}")
        if name == "one":
            it.cluster.add_node(make.node("node-1", 4))
            it.cluster.nodes["node-0"] = make.node("node-0", 4, cordoned=True)
    it.cluster.nodes["node-0"] = make.node("node-0", 4)


def wide(it: Operation, *, defragment: bool) -> None:
    """One worker that needs a whole node."""
    needs = {"gpus": 4, "cpu": "1", "memory": "1Gi"}
    trainer = {"workers": 1, "resourcesPerWorker": needs}
    spec = make.spec(trainer=trainer, placement={"defragment": defragment})
    it.cluster.submit(make.record("wide", spec, created=it.cluster.clock.now(), queue="default"))


MOVED = ("uid-one", "uid-two", "uid-wide")


async def test_a_job_is_moved_for_one_that_asks_for_it_and_needs_a_whole_node() -> None:
    it = operation(4)
    await scattered(it)
    wide(it, defragment=True)
    await run(it, *MOVED)
    assert [it.state(uid) for uid in MOVED] == [State.RUNNING] * 3
    assert alive(it, "uid-one") + alive(it, "uid-two") in ({"node-0": 4}, {"node-1": 4})
    assert it.telemetry.resizes == ["moves"]
    told = [c for uid in MOVED[:2] for c in it.status(uid).conditions if c.type == "Resizing"]
    assert [c.message for c in told] == ["moves to other nodes: makes room for team/wide"]


async def test_nobody_is_moved_for_one_that_does_not_ask() -> None:
    it = operation(4)
    await scattered(it)
    wide(it, defragment=False)
    await run(it, *MOVED)
    assert it.state("uid-wide") is State.WAITING
    assert it.telemetry.resizes == []


@pytest.mark.parametrize("effective", [False, True], ids=["not done", "done"])
async def test_whatever_write_fails_the_others_are_moved_and_go_on(effective: bool) -> None:
    async def moved(it: Operation) -> None:
        await scattered(it)
        it.cluster.trip = trip
        wide(it, defragment=True)
        await run(it, *MOVED)

    trip: Trip | None = None
    plain = operation(4)
    await moved(plain)
    for number in range(1, 30):
        trip = Trip(number, effective, CrashError)
        it = operation(4)
        await moved(it)
        assert [it.state(uid) for uid in MOVED] == [State.RUNNING] * 3, f"write {number}"


def document(note: str) -> dict[str, object]:
    metadata = {
        "name": "j",
        "namespace": "t",
        "uid": "u",
        "creationTimestamp": "2026-11-23T10:00:00Z",
        "annotations": {"quartermaster.dev/resize": note},
    }
    return {"metadata": metadata, "spec": {}}


def test_a_note_of_a_new_size_is_read_as_it_was_written() -> None:
    resize = Resize(3, "grows", make.T0, (("node-a", 1), ("node-b", 2)))
    assert parse(document(resize_text(resize))).resize == resize


@pytest.mark.parametrize("text", ["", "{}", "7", '{"workers": 0}', '{"workers": "x"}', "[]"])
def test_a_note_that_cannot_be_read_changes_nothing(text: str) -> None:
    assert parse(document(text)).resize is None
