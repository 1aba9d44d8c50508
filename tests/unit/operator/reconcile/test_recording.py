"""What pods held is in the ledger before they are let go: once, whatever breaks in between."""

from fractions import Fraction

import pytest

from quartermaster.api import meta
from quartermaster.api.training_job_status import State
from quartermaster.decide.cost.ledger.pieces import cost
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.worker import Phase
from quartermaster.errors import LedgerError
from quartermaster.reconcile.money.accounts import MAX_CLOSING
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


async def test_pods_that_the_books_have_no_room_for_yet_are_not_let_go() -> None:
    """A gang as large as they come and a few former pods are over when its job is deleted."""
    it, size = Operation(), MAX_CLOSING + 3
    gone = make.record("job", make.spec(), finalizers=(meta.JOB_FINALIZER,), deleting=True)
    it.cluster.submit(gone)
    for index in range(size):
        pod = make.worker(
            index, phase=Phase.FAILED, bound=make.T0, ended=make.after(100), node="node-a",
            usd_per_hour=Fraction(36), deleting=make.after(100),
        )  # fmt: skip
        it.cluster.pods[pod.uid] = pod
    for _ in range(3):
        await it.once()
    assert it.cluster.records == {}
    assert len(it.ledger.kept) == size
    assert recorded(it) == size


async def test_a_job_that_ends_while_the_ledger_is_away_is_looked_at_until_it_is_back() -> None:
    it = operation()
    await run(it, JOB)
    it.cluster.clock.advance(100)
    it.ledger.away = True
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB))
    it.cluster.controllers()
    assert await it.once(JOB) is not None
    assert it.state(JOB) is State.COMPLETE
    with pytest.raises(LedgerError):
        await it.once(JOB)
    it.ledger.away = False
    await it.once(JOB)
    assert not any(worker.accounted for worker in it.cluster.workers(JOB))
    assert recorded(it) == accrued(it) > 0
