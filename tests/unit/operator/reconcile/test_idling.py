"""Time in which a job holds GPUs that compute next to nothing, pass by pass."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

from quartermaster.domain.measurement import CounterSource, DeviceCounters, Measurement
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.progress import Report
from quartermaster.units import usd
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_life import operation, running

QUIET = DeviceCounters(CounterSource.DCGM, engine_active=0.01)
LOUD = replace(QUIET, engine_active=0.9)


async def counting(counters: DeviceCounters) -> Operation:
    it = await running(operation())
    tell(it, counters)
    return it


def tell(it: Operation, counters: DeviceCounters) -> None:
    keys = [worker.key for worker in it.cluster.workers("uid-job") if worker.live]
    it.counters.counters = dict.fromkeys(keys, counters)


def step(it: Operation, state: str = "Training", measured: Measurement | None = None) -> None:
    now = it.cluster.clock.now()
    it.reports.reports["uid-job"] = Report(now, state, step=7, measured=measured)


async def stepping(it: Operation) -> None:
    """It tells of a step, and the status that says so is written ten seconds later."""
    step(it)
    await look(it, times=1)


async def look(it: Operation, *, times: int, every: float = 10) -> None:
    for _ in range(times):
        it.cluster.clock.advance(every)
        await it.drive()


async def end(it: Operation) -> dict[str, int]:
    """What the pods' time went into, of both together [s]."""
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()
    cost = it.status().cost
    assert cost is not None
    assert it.accrued() == it.owed() == sum(map(Fraction, cost.exact.parts.values()))
    kept = sum((entry.charged for entry in it.ledger.kept.values()), timedelta())
    assert kept // timedelta(microseconds=1) == sum(cost.exact.microseconds.values())
    return {part: us // 10**6 for part, us in cost.exact.microseconds.items()}


async def test_steps_that_compute_next_to_nothing_are_idle() -> None:
    it = await counting(QUIET)
    await stepping(it)
    await look(it, times=6)
    tell(it, LOUD)
    await look(it, times=3)
    # Of each pod: 10 s of start, 10 s until it is watched, 60 s idle, and 30 s that are not.
    assert await end(it) == {Part.OTHER: 20, Part.USEFUL: 80, Part.IDLE: 120}


async def test_a_status_shows_it_while_it_runs() -> None:
    it = await counting(QUIET)
    await stepping(it)
    await look(it, times=6)
    cost = it.status().cost
    assert cost is not None
    assert cost.parts["Idle"] == usd(2 * Fraction("0.5") * Fraction(60, 3600))
    assert it.status().stretches[-1].idle_microseconds == 60 * 10**6


async def test_an_operator_that_was_away_counts_nothing_for_that_time() -> None:
    it = await counting(QUIET)
    await stepping(it)
    await look(it, times=2)
    it.cluster.clock.advance(200)
    it.begin()
    await it.drive()
    await look(it, times=1)
    assert it.status().stretches[-1].idle_microseconds == 30 * 10**6
    assert (await end(it))[Part.IDLE] == 60


async def test_a_run_that_tells_nothing_is_idle_after_a_while() -> None:
    it = await counting(QUIET)
    await look(it, times=59)
    assert it.status().stretches[-1].idle_microseconds == 0
    await look(it, times=6)
    found = await end(it)
    assert found[Part.IDLE] == 120
    assert found[Part.OTHER] + found[Part.IDLE] == 2 * 660


async def test_what_it_was_idle_before_its_first_step_was_its_start() -> None:
    it = await counting(QUIET)
    await look(it, times=65)
    await stepping(it)
    await look(it, times=1)
    assert await end(it) == {Part.OTHER: 1320, Part.USEFUL: 20, Part.IDLE: 20}


async def test_without_counters_nothing_is_idle() -> None:
    it = await running(operation())
    await stepping(it)
    await look(it, times=80)
    assert it.status().stretches[-1].looked is None
    assert Part.IDLE not in await end(it)


async def test_of_a_gang_of_which_one_is_not_counted_nothing_is_known() -> None:
    it = await counting(QUIET)
    it.counters.counters.popitem()
    await stepping(it)
    await look(it, times=5)
    assert Part.IDLE not in await end(it)


async def test_the_trainers_own_counters_count_where_no_exporter_does() -> None:
    it = await running(operation())
    own = Measurement(0.1, device=DeviceCounters(CounterSource.GPM, sm_active=0.02))
    for _ in range(4):
        step(it, measured=own)
        await look(it, times=1)
    found = await end(it)
    # The first look told of the step, and each lets the report grow 10 s old.
    assert found[Part.IDLE] == 60


async def test_lost_steps_are_lost_and_what_was_idle_is_idle() -> None:
    it = await counting(QUIET)
    await stepping(it)
    await look(it, times=3)
    tell(it, LOUD)
    await look(it, times=4)
    it.cluster.evict(it.cluster.living(0))
    it.cluster.end(it.cluster.living(1), 75)
    await it.drive()
    cost = it.status().cost
    assert cost is not None
    found = {part: us // 10**6 for part, us in cost.exact.microseconds.items()}
    assert found == {Part.OTHER: 20, Part.REWORK: 100, Part.IDLE: 60}
