"""A gang leaves a node that is about to be taken away, saves, and goes on somewhere else."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.api.training_job_status import State
from quartermaster.domain.cluster import Capacity, Reclaim
from quartermaster.domain.progress import Report
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_preemption import run

JOB = "uid-job"
NOTICE = Reclaim("AWS", "spot interruption", 120.0, make.T0)


def operation(*names: str, gpus: int = 1) -> Operation:
    it = Operation()
    for name in names:
        capacity = Capacity.SPOT if name.startswith("spot") else Capacity.ON_DEMAND
        it.cluster.add_node(make.node(name, gpus, capacity=capacity))
    prices = (make.price("1", capacity=Capacity.SPOT), make.price("3"))
    it.cluster.all_pools = (make.pool("pool", *prices),)
    return it


def submit(it: Operation, workers: int = 2, least: int | None = None) -> None:
    trainer = {"workers": workers} | ({} if least is None else {"minWorkers": least})
    it.cluster.submit(make.record("job", make.spec(trainer=trainer), uid=JOB))


def nodes_of(it: Operation) -> Counter[str | None]:
    return Counter(w.node for w in it.cluster.workers(JOB) if w.live)


def reclaim(it: Operation, name: str) -> None:
    it.cluster.add_node(replace(it.cluster.nodes[name], reclaim=NOTICE))


async def test_the_whole_gang_moves_and_is_told_why() -> None:
    it = operation("spot-a", "spot-b", "spot-c")
    submit(it)
    await run(it, JOB)
    assert nodes_of(it) == {"spot-a": 1, "spot-b": 1}
    reclaim(it, "spot-a")
    await run(it, JOB)
    assert it.state(JOB) is State.RUNNING
    assert nodes_of(it) == {"spot-b": 1, "spot-c": 1}
    assert it.cluster.records[JOB].resize is None
    condition = it.condition("Resizing", JOB)
    assert condition.message == ("moves off spot-a: AWS spot interruption, 120 s from the notice")
    assert it.telemetry.resizes == ["moves"]
    goodput = it.status(JOB).goodput
    assert goodput is not None
    assert (goodput.restarts, goodput.interruptions) == (0, 2)


async def test_where_there_is_no_spot_it_goes_on_on_demand() -> None:
    it = operation("spot-a", "on-demand-a")
    submit(it, workers=1)
    await run(it, JOB)
    assert nodes_of(it) == {"spot-a": 1}
    reclaim(it, "spot-a")
    await run(it, JOB)
    assert it.state(JOB) is State.RUNNING
    assert nodes_of(it) == {"on-demand-a": 1}


async def test_where_there_is_no_room_it_waits_and_comes_back() -> None:
    it = operation("spot-a", "spot-b")
    submit(it)
    await run(it, JOB)
    reclaim(it, "spot-a")
    await run(it, JOB)
    assert it.state(JOB) in (State.WAITING, State.RESIZING)
    assert nodes_of(it) == {None: 2}
    it.cluster.add_node(make.node("spot-d", 1, capacity=Capacity.SPOT))
    await run(it, JOB)
    assert it.state(JOB) is State.RUNNING
    assert nodes_of(it) == {"spot-b": 1, "spot-d": 1}


async def test_an_elastic_gang_goes_on_with_those_who_have_room() -> None:
    it = operation("spot-a", "spot-b")
    submit(it, least=1)
    await run(it, JOB)
    reclaim(it, "spot-a")
    await run(it, JOB)
    assert it.state(JOB) is State.RUNNING
    assert nodes_of(it) == {"spot-b": 1}


async def test_a_job_that_is_not_there_stays_where_it_is() -> None:
    it = operation("spot-a", "spot-b", "spot-c")
    submit(it)
    await run(it, JOB)
    before = {w.uid for w in it.cluster.workers(JOB)}
    reclaim(it, "spot-c")
    await run(it, JOB)
    assert {w.uid for w in it.cluster.workers(JOB)} == before


async def test_nobody_is_placed_on_a_node_that_is_about_to_go() -> None:
    it = operation("spot-a", "on-demand-a")
    reclaim(it, "spot-a")
    submit(it, workers=1)
    await run(it, JOB)
    assert nodes_of(it) == {"on-demand-a": 1}


@pytest.mark.parametrize("effective", [False, True], ids=["not done", "done"])
async def test_whatever_write_fails_it_moves_and_goes_on(*, effective: bool) -> None:
    for number in range(1, 30):
        it = operation("spot-a", "spot-b", "spot-c")
        submit(it)
        await run(it, JOB)
        reclaim(it, "spot-a")
        it.cluster.trip = Trip(number, effective, CrashError)
        await run(it, JOB)
        assert it.state(JOB) is State.RUNNING, f"write {number}"
        assert nodes_of(it) == {"spot-b": 1, "spot-c": 1}, f"write {number}"


async def test_what_was_lost_between_the_last_save_and_the_end_is_told() -> None:
    it = operation("spot-a", "spot-b")
    submit(it, workers=1)
    await run(it, JOB)
    clock = it.cluster.clock
    clock.advance(100)
    saved = clock.now() - timedelta(seconds=30)
    it.reports.reports[JOB] = Report(
        clock.now(),
        "Training",
        step=9,
        stepping_seconds=80.0,
        checkpoint_step=7,
        checkpoint_time=saved,
    )
    await run(it, JOB)
    reclaim(it, "spot-a")
    await run(it, JOB)
    cost = it.status(JOB).cost
    assert cost is not None
    assert cost.parts.keys() >= {"Rework", "Useful"}
    assert cost.lost_work is not None
    assert float(cost.lost_work) > 0


async def test_how_long_it_took_to_step_again_is_told_once() -> None:
    it = operation("spot-a", "spot-b")
    submit(it, workers=1)
    await run(it, JOB)
    clock = it.cluster.clock
    it.reports.reports[JOB] = Report(clock.time, "Training", step=1, stepping_seconds=0.0)
    await run(it, JOB)
    assert it.telemetry.recoveries == [], "it has not been broken yet"
    reclaim(it, "spot-a")
    await run(it, JOB)
    (broken,) = [w.ended for w in it.cluster.ever(JOB) if w.ended is not None]
    clock.advance(30)
    it.reports.reports[JOB] = Report(clock.time, "Training", step=2, stepping_seconds=0.0)
    stepped = clock.time
    await run(it, JOB)
    assert it.telemetry.recoveries == [(stepped - broken).total_seconds()]
