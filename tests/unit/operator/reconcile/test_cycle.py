"""The placement cycle: who goes first, and no place is given twice."""

import asyncio
import threading
from datetime import datetime
from typing import Any

import pytest
from typing_extensions import override

from quartermaster.api import meta
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.order import in_order
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Placed, Waiting
from quartermaster.domain.worker import Phase, Worker
from quartermaster.domain.workload import Gang
from quartermaster.reconcile.demand import gang_of
from tests.support import make
from tests.support.memory import MemoryCluster, Trip
from tests.support.operation import Operation

GATE = (meta.PLACEMENT_GATE,)


def cluster_of(*gpus: int) -> Operation:
    it = Operation()
    it.cluster.add_node(*(make.node(f"node-{i}", count) for i, count in enumerate(gpus)))
    return it


def submit(it: Operation, name: str, workers: int = 1, **more: Any) -> None:
    """A job whose pods stand behind the gate."""
    created = more.pop("created", make.T0)
    each = more.pop("each", {})
    spec = make.spec(trainer={"workers": workers, "resourcesPerWorker": each}, **more)
    it.cluster.submit(make.record(name, spec, created=created))
    it.cluster.children[f"uid-{name}"] = make.child(f"uid-{name}", name, workers=workers)
    it.cluster.controllers()


def placed(it: Operation) -> list[str]:
    jobs = {w.job_uid.removeprefix("uid-") for w in it.cluster.pods.values() if not w.gates}
    return sorted(jobs)


async def test_priority_goes_before_age_and_age_before_name() -> None:
    it = cluster_of(2)
    submit(it, "late", created=make.after(9))
    submit(it, "b-early")
    submit(it, "a-early")
    submit(it, "important", created=make.after(99), priority=5)
    await it.cycle.once()
    assert placed(it) == ["a-early", "important"]


async def test_a_job_on_a_part_of_a_gpu_gets_it_and_the_next_waits_for_it() -> None:
    it = Operation()
    room = make.resources(0, cpu=32, memory_gib=128, pods=110, mig_1g_10gb=1)
    it.cluster.add_node(make.node("whole", 8), make.node("parted", 1, allocatable=room))
    for name in ("a", "b"):
        submit(it, name, each={"gpuPartition": "1g.10gb"})
    await it.cycle.once()
    assert {w.node for w in it.cluster.pods.values() if not w.gates} == {"parted"}
    assert placed(it) == ["a"]
    told = it.cycle.decisions["uid-b"]
    assert isinstance(told, Waiting)
    assert "1 x 1g.10gb of a GPU" in told.message


async def test_a_free_gpu_keeps_what_the_jobs_here_ask_for_with_one() -> None:
    """Also those that are decided later: of 32 CPUs the second job asks for 24."""
    it = cluster_of(1)
    submit(it, "without", each={"gpus": 0, "cpu": "9"}, priority=9)
    submit(it, "with-one", each={"gpus": 1, "cpu": "24"})
    await it.cycle.once()
    assert placed(it) == ["with-one"]
    told = it.cycle.decisions["uid-without"]
    assert isinstance(told, Waiting)
    assert "than their free GPUs need" in told.message


def test_the_order_is_one_for_equal_gangs() -> None:
    gangs: list[Gang] = [make.gang(name=name) for name in ("c", "a", "b")]
    assert [gang.key.name for gang in in_order(gangs)] == ["a", "b", "c"]


async def test_a_small_gang_may_go_before_a_large_one_that_has_no_room() -> None:
    it = cluster_of(2)
    submit(it, "large", 3)
    submit(it, "small", 2, created=make.after(5))
    await it.cycle.once()
    assert placed(it) == ["small"]


class LaggingCluster(MemoryCluster):
    """A cache that has not caught up: it shows pods as they were when it was frozen."""

    frozen: dict[str, Worker] | None = None

    @override
    def workers(self, job_uid: str) -> list[Worker]:
        if self.frozen is None:
            return super().workers(job_uid)
        return [w for w in self.frozen.values() if w.job_uid == job_uid]

    @override
    def gated(self) -> list[str]:
        pods = (self.pods if self.frozen is None else self.frozen).values()
        return sorted({worker.job_uid for worker in pods if worker.gates})

    @override
    def snapshot(self) -> Snapshot:
        if self.frozen is None:
            return super().snapshot()
        live, self.pods = self.pods, self.frozen
        try:
            return super().snapshot()
        finally:
            self.pods = live


async def test_a_promised_place_is_not_given_again_before_the_cache_catches_up() -> None:
    lagging = LaggingCluster()
    it = Operation(cluster=lagging)
    lagging.add_node(make.node("node-0", 2))
    submit(it, "first", 2)
    lagging.frozen = dict(lagging.pods)
    await it.cycle.once()
    submit(it, "second", 2)
    lagging.frozen |= {uid: pod for uid, pod in lagging.pods.items() if pod.job_uid == "uid-second"}
    await it.cycle.once()
    await it.cycle.once()
    assert placed(it) == ["first"]
    assert sum(1 for write in lagging.writes if write.startswith("place")) == 2
    lagging.frozen = None
    await it.cycle.once()
    assert placed(it) == ["first"]


async def test_of_equal_gangs_without_room_only_one_is_decided() -> None:
    it = cluster_of(1)
    for number in range(5):
        submit(it, f"big-{number}", 2)
    submit(it, "bigger", 3)
    await it.cycle.once()
    assert len(it.telemetry.decisions) == 2
    assert len(it.cycle.decisions) == 6
    assert all(isinstance(d, Waiting) for d in it.cycle.decisions.values())


async def test_a_gang_of_the_same_shape_is_not_refused_for_another_pool() -> None:
    it = cluster_of(1)
    it.cluster.all_pools = (make.pool("a"),)
    submit(it, "elsewhere", placement={"pools": ["b"]})
    submit(it, "here", created=make.after(1))
    await it.cycle.once()
    assert placed(it) == ["here"]


async def test_one_failing_patch_is_tried_again_and_the_others_stand() -> None:
    it = cluster_of(4)
    submit(it, "job", 3)
    it.cluster.trip = Trip(2, effective=False)
    await it.cycle.once()
    assert sum(1 for w in it.cluster.pods.values() if w.gates) == 1
    await it.cycle.once()
    assert not [w for w in it.cluster.pods.values() if w.gates]


async def test_a_new_decision_is_told_once() -> None:
    it = cluster_of(1)
    told: list[str] = []
    it.cycle._changed = told.append
    submit(it, "job", 2)
    for _ in range(3):
        await it.cycle.once()
    assert told == ["uid-job"]
    it.cluster.add_node(make.node("node-9", 1))
    await it.cycle.once()
    assert told == ["uid-job", "uid-job"]
    assert isinstance(it.cycle.decisions["uid-job"], Placed)
    it.cluster.records.pop("uid-job")
    await it.cycle.once()
    assert it.cycle.decisions == {}


async def test_a_replaced_worker_joins_its_gang_in_its_zone() -> None:
    it = Operation()
    it.cluster.add_node(
        make.node("east", 1, zone="east"),
        make.node("west-1", 1, zone="west"),
        make.node("west-2", 1, zone="west"),
    )
    it.cluster.all_pools = (make.pool("pool", make.price("1")),)
    submit(it, "job", 2, placement={"topology": {"mode": "Required"}})
    await it.cycle.once()
    assert {w.node for w in it.cluster.pods.values()} == {"west-1", "west-2"}
    it.cluster.run_pods()
    it.cluster.end(it.cluster.living(1), 71)
    it.cluster.controllers()
    await it.cycle.once()
    assert it.cluster.living(1).node == "west-2"


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        ({}, (0, 1)),
        ({"deleting": True}, None),
        ({"suspended": True}, None),
        ({"workers": []}, None),
        ({"workers": [make.worker(0, gates=GATE)]}, None),
        ({"workers": [make.worker(0, gates=GATE), make.worker(1, node="n")]}, (0,)),
        (
            {"workers": [make.worker(0, gates=GATE), make.worker(1, phase=Phase.SUCCEEDED)]},
            (0,),
        ),
        (
            {"workers": [make.worker(0, gates=GATE), make.worker(1, gates=GATE, deleting=make.T0)]},
            None,
        ),
        ({"workers": [make.worker(0, node="n"), make.worker(1, node="n")]}, None),
    ],
)
def test_a_gang_waits_for_all_its_pods(
    changes: dict[str, Any], want: tuple[int, ...] | None
) -> None:
    both = [make.worker(0, gates=GATE), make.worker(1, gates=GATE)]
    spec = make.spec(trainer={"workers": 2}, suspend=changes.get("suspended", False))
    job = make.record(spec=spec, deleting=changes.get("deleting", False))
    gang = gang_of(job, changes.get("workers", both))
    assert (gang.indices if gang else None) == want


async def test_the_time_to_a_place_runs_from_the_jobs_creation() -> None:
    it = cluster_of(1)
    submit(it, "job")
    it.cluster.clock.advance(42)
    await it.cycle.once()
    assert it.telemetry.gangs_placed == [42.0]
    assert isinstance(it.cluster.clock.now(), datetime)


class Doors:
    """Hardware whose look-up waits until somebody on the event loop lets it go on."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.opened = threading.Event()
        self._loop = asyncio.get_running_loop()

    def accelerator(self, _: str) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self.opened.wait(10), "the event loop was held up by the decision"


async def behind_doors() -> tuple[Operation, Doors, asyncio.Task[None]]:
    """A cycle that is working out a decision."""
    doors = Doors()
    it = Operation(hardware=Hardware(doors.accelerator))
    it.cluster.add_node(make.node("node-0", 2))
    submit(it, "slow", stepCosts={"flopsPerSample": 1000, "parameters": 50})
    cycle = asyncio.create_task(it.cycle.once())
    async with asyncio.timeout(10):
        await doors.reached.wait()
    return it, doors, cycle


async def test_the_event_loop_goes_on_while_a_decision_is_worked_out() -> None:
    """A lease that is due meanwhile is renewed: here by hand, and only then the decision ends."""
    it, doors, cycle = await behind_doors()
    assert not cycle.done()
    doors.opened.set()
    await cycle
    assert placed(it) == ["slow"]
    assert len(it.telemetry.decisions) == 1


async def test_what_changes_while_a_decision_is_worked_out_is_for_the_next_cycle() -> None:
    it, doors, cycle = await behind_doors()
    it.cluster.add_node(make.node("node-1", 2))
    submit(it, "late")
    doors.opened.set()
    await cycle
    assert placed(it) == ["slow"]
    await it.cycle.once()
    assert placed(it) == ["late", "slow"]


async def test_a_cycle_that_is_cancelled_leaves_nothing_to_the_next_one_that_it_may_still_use() -> (
    None
):
    it, doors, cycle = await behind_doors()
    cycle.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cycle
    assert placed(it) == []
    first = it.cycle.last_scene
    doors.opened.set()
    await it.cycle.once()
    second = it.cycle.last_scene
    assert placed(it) == ["slow"]
    assert first is not None
    assert second is not None
    assert first.fleet is not None
    assert second.fleet is not None
    assert first.fleet.estate is not second.fleet.estate


async def test_what_was_worked_out_about_nodes_that_stay_is_used_by_the_next_cycle() -> None:
    it = cluster_of(2, 2)
    scenes = []
    for name in ("first", "second", "third"):
        submit(it, name)
        await it.cycle.once()
        assert it.cycle.last_scene is not None
        scenes.append(it.cycle.last_scene)
        if name == "second":
            it.cluster.add_node(make.node("new", 2))
    estates = [scene.fleet.estate for scene in scenes if scene.fleet is not None]
    assert estates[0] is estates[1] is not estates[2]
    assert placed(it) == ["first", "second", "third"]
