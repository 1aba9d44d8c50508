"""What breaks a gang, and how it goes on: peers, nodes, refusals, failures."""

import json

from quartermaster.api.training_job_status import State
from quartermaster.domain.decision import Waiting
from quartermaster.domain.progress import Report
from tests.support import make
from tests.unit.operator.reconcile.test_life import operation, running


async def test_a_worker_whose_peer_hangs_is_started_with_it() -> None:
    it = await running(operation())
    it.cluster.end(it.cluster.living(1), 71)
    await running(it)
    first, second = it.cluster.living(0), it.cluster.living(1)
    assert first.created < second.created
    it.reports.reports["uid-job"] = Report(it.cluster.clock.now(), "Training", step=7)
    it.cluster.clock.advance(31)
    await it.drive()
    assert it.cluster.pods[first.uid].deleting is not None
    assert it.cluster.pods[second.uid].deleting is None


async def test_a_worker_that_trains_with_its_new_peer_is_left_alone() -> None:
    it = await running(operation())
    it.cluster.end(it.cluster.living(1), 75)
    await running(it)
    first = it.cluster.living(0)
    it.cluster.clock.advance(31)
    it.reports.reports["uid-job"] = Report(it.cluster.clock.now(), "Training", step=7)
    await it.drive()
    assert it.cluster.pods[first.uid].deleting is None


async def test_a_worker_that_lets_no_replacement_in_is_started_anew() -> None:
    """A script that reports nothing: only the replacements' ends tell."""
    it = await running(operation())
    first = it.cluster.living(0)
    for _ in range(2):
        it.cluster.end(it.cluster.living(1), 134)
        await running(it)
        assert it.cluster.pods[first.uid].deleting is None
    it.cluster.clock.advance(20)
    await it.drive()
    assert it.cluster.pods[first.uid].deleting is not None


async def test_workers_on_a_lost_node_are_failed_and_replaced() -> None:
    it = await running(operation())
    lost = it.cluster.living(0).node
    assert lost is not None
    for worker in it.cluster.workers("uid-job"):
        it.cluster.delete_pod(worker.uid)
    del it.cluster.nodes[lost]
    it.cluster.clock.advance(30 + 11)
    await running(it)
    assert it.state() is State.RUNNING
    assert {worker.node for worker in it.cluster.workers("uid-job")} == {"node-b"}
    goodput = it.status().goodput
    assert goodput is not None
    assert (goodput.restarts, goodput.interruptions) == (2, 2)


async def test_a_placed_worker_that_the_scheduler_refuses_is_placed_anew() -> None:
    it = operation(make.spec())
    await it.drive()
    worker = it.cluster.living(0)
    it.cluster.change(
        worker,
        unschedulable="0/2 nodes are available: Insufficient nvidia.com/gpu",
        unschedulable_since=it.cluster.clock.now(),
    )
    it.cluster.clock.advance(14)
    await it.drive()
    assert it.cluster.living(0).uid == worker.uid
    it.cluster.clock.advance(1)
    await it.drive()
    assert it.cluster.living(0).uid != worker.uid
    assert it.cluster.living(0).node is not None


async def test_a_gang_placed_in_part_gives_its_nodes_back() -> None:
    it = await running(operation(make.spec(trainer={"workers": 4})))
    hurt = it.cluster.living(3)
    it.cluster.nodes["node-b"] = make.node("node-b", 2, cordoned=True)
    it.cluster.end(hurt, 71)
    await it.drive()
    assert isinstance(it.cycle.decisions["uid-job"], Waiting)
    it.cluster.clock.advance(119)
    await it.cycle.once()
    assert it.cluster.living(0).node is not None
    it.cluster.clock.advance(1)
    await it.cycle.once()
    assert all(w.deleting or w.gates for w in it.cluster.workers("uid-job") if not w.over)


async def test_a_failed_job_keeps_the_words_of_its_guilty_worker() -> None:
    it = await running(operation())
    words = json.dumps({"class": "DataError", "message": "no such file: /data", "log": "line"})
    it.cluster.end(it.cluster.living(1), 65, words)
    it.cluster.end(it.cluster.living(0), 75)
    it.cluster.fail_child("uid-job", "PodFailurePolicy", "a rule matched")
    await it.drive()
    assert it.state() is State.FAILED
    failed = it.condition("Failed")
    assert failed.reason == "DataError"
    assert failed.message.startswith("worker 1 on node node-a: no such file: /data")
    assert not [w.uid for w in it.cluster.ever() if w.accounted]


async def test_a_slow_worker_is_asked_for_its_events() -> None:
    it = operation(make.spec())
    await it.drive()
    worker = it.cluster.living(0)
    it.cluster.change(worker, bound=it.cluster.clock.now())
    warning = ("FailedMount", 'MountVolume.SetUp failed for "code": configmap "c" not found')
    it.cluster.warning_events[worker.uid] = [warning]
    it.cluster.clock.advance(5)
    await it.drive()
    assert it.state() is State.STARTING
    it.cluster.clock.advance(1)
    await it.drive()
    assert it.state() is State.STALLED
    assert it.condition("Stalled").reason == "CodeMissing"
