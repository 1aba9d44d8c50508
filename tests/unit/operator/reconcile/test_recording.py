"""What pods held is in the ledger before they are let go: once, whatever breaks in between."""

from fractions import Fraction

import pytest

from quartermaster.api.training_job_status import State
from quartermaster.decide.cost.ledger.pieces import cost
from quartermaster.domain.money.ledger import Part
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_preemption import run
from tests.unit.operator.reconcile.test_reclaim import reclaim

JOB = "uid-job"


def operation() -> Operation:
    it = Operation()
    for name in ("spot-a", "spot-b", "spot-c"):
        it.cluster.add_node(make.node(name, 1))
    it.cluster.all_pools = (make.pool("pool", make.price("3.6")),)
    it.cluster.submit(make.record("job", make.spec(trainer={"workers": 2})))
    return it


async def lived(it: Operation) -> None:
    """Placed, moved off a node, ended."""
    await run(it, JOB)
    it.cluster.clock.advance(100)
    reclaim(it, "spot-a")
    await run(it, JOB)
    it.cluster.clock.advance(100)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB))
    await run(it, JOB)


def recorded(it: Operation) -> Fraction:
    return sum((cost(entry) or Fraction(0) for entry in it.ledger.kept.values()), Fraction(0))


def accrued(it: Operation) -> Fraction:
    cost = it.status(JOB).cost
    assert cost is not None
    return Fraction(cost.accrued)


async def test_the_ledger_has_what_the_status_says() -> None:
    it = operation()
    await lived(it)
    assert it.state(JOB) is State.COMPLETE
    assert recorded(it) == accrued(it) > 0
    owners = {(e.owner.namespace, e.owner.name, e.owner.queue) for e in it.ledger.kept.values()}
    assert owners == {("team", "job", "default")}
    assert {entry.machine.pool for entry in it.ledger.kept.values()} == {"pool"}
    assert {entry.part for entry in it.ledger.kept.values()} <= set(Part)


@pytest.mark.parametrize("effective", [False, True], ids=["not done", "done"])
async def test_whatever_write_fails_nothing_is_lost_or_counted_twice(*, effective: bool) -> None:
    plain = operation()
    await lived(plain)
    for number in range(1, 45):
        it = operation()
        it.cluster.trip = Trip(number, effective, CrashError)
        await lived(it)
        await run(it, JOB)
        assert it.state(JOB) is State.COMPLETE, f"write {number}"
        assert recorded(it) == accrued(it), f"write {number}"


async def test_a_ledger_that_is_away_stops_no_job_and_loses_nothing() -> None:
    it = operation()
    await run(it, JOB)
    it.ledger.away = True
    it.cluster.clock.advance(100)
    reclaim(it, "spot-a")
    await run(it, JOB)
    assert it.ledger.kept == {}
    held = [worker for worker in it.cluster.workers(JOB) if worker.over]
    assert all(worker.accounted for worker in held)
    assert held
    it.ledger.away = False
    await run(it, JOB)
    it.cluster.clock.advance(100)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB))
    await run(it, JOB)
    assert it.state(JOB) is State.COMPLETE
    assert recorded(it) == accrued(it) > 0
