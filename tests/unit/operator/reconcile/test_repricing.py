"""A price that changes while a job runs counts from then on, and not before."""

from fractions import Fraction

from quartermaster.domain.cluster import Pool
from tests.support import make
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_preemption import run

JOB = "uid-job"


def operation() -> Operation:
    it = Operation()
    it.cluster.add_node(make.node("node-a", 2))
    it.cluster.all_pools = (priced("3.6"),)
    it.cluster.submit(make.record("job", make.spec(trainer={"workers": 2})))
    return it


def priced(usd: str | None) -> Pool:
    return make.pool("pool", *([make.price(usd)] if usd is not None else []))


def rates(it: Operation) -> set[Fraction | None]:
    return {w.usd_per_hour_now for w in it.cluster.workers(JOB) if w.live}


def accrued(it: Operation) -> Fraction:
    cost = it.status(JOB).cost
    assert cost is not None
    return Fraction(cost.accrued)


async def test_each_price_counts_for_its_own_time() -> None:
    it = operation()
    await run(it, JOB)
    begun = it.cluster.clock.now()
    it.cluster.clock.advance(1000)
    it.cluster.all_pools = (priced("7.2"),)
    await run(it, JOB)
    assert rates(it) == {Fraction("7.2")}
    changed = it.cluster.clock.now()
    it.cluster.clock.advance(500)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB))
    ended = it.cluster.clock.now()
    await run(it, JOB)
    bound = {w.bound for w in it.cluster.workers(JOB)} or {begun}
    assert len(bound) == 1
    before, after = changed - begun, ended - changed
    dear = 2 * Fraction("7.2") * Fraction(after.total_seconds()) / 3600
    cheap = 2 * Fraction("3.6") * Fraction(before.total_seconds()) / 3600
    # The clock of these tests moves while pods are bound, by a few seconds at most.
    assert abs(accrued(it) - dear - cheap) < Fraction(1, 20)
    assert accrued(it) > 2 * Fraction("3.6") * Fraction((ended - begun).total_seconds()) / 3600


async def test_a_price_that_is_not_known_any_more_still_stands() -> None:
    it = operation()
    await run(it, JOB)
    it.cluster.all_pools = (priced(None),)
    await run(it, JOB)
    assert rates(it) == {Fraction("3.6")}


async def test_a_price_that_changes_all_the_time_is_taken_over_once_an_hour() -> None:
    it = operation()
    await run(it, JOB)
    for usd in ("4", "5", "6"):
        it.cluster.all_pools = (priced(usd),)
        await run(it, JOB)
        it.cluster.clock.advance(60)
    assert rates(it) == {Fraction(4)}
    it.cluster.clock.advance(3600)
    await run(it, JOB)
    assert rates(it) == {Fraction(6)}


async def test_a_price_that_becomes_known_counts_from_then_on() -> None:
    it = operation()
    it.cluster.all_pools = (priced(None),)
    await run(it, JOB)
    assert rates(it) == {None}
    it.cluster.all_pools = (priced("2"),)
    await run(it, JOB)
    assert rates(it) == {Fraction(2)}
    cost = it.status(JOB).cost
    assert cost is not None
    assert cost.rate_per_hour == "4.0000"
