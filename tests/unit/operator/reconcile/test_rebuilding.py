"""A ledger is lost, at any moment: what jobs cost that still exist comes back, once."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.cost.ledger.pieces import cost
from quartermaster.domain.money.ledger import Kind
from quartermaster.domain.progress import Report
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_preemption import run
from tests.unit.operator.reconcile.test_recording import JOB, lived, operation

Sums = dict[tuple[str, str], Fraction]
"""By job and part [USD]."""


def recorded(it: Operation) -> Sums:
    found: Sums = {}
    for entry in it.ledger.kept.values():
        if entry.owner.kind is Kind.JOB and entry.part is not None:
            key = entry.owner.name, entry.part.value
            found[key] = found.get(key, Fraction(0)) + (cost(entry) or 0)
    return {key: usd for key, usd in found.items() if usd}


def told(it: Operation) -> Sums:
    """What the statuses of the jobs say that there are."""
    return {
        (record.key.name, part): Fraction(text)
        for record in it.cluster.records.values()
        if record.status.cost is not None
        for part, text in record.status.cost.exact.parts.items()
    }


@pytest.mark.parametrize("effective", [None, False, True], ids=["alive", "not done", "done"])
async def test_whenever_it_is_lost_the_sums_are_those_of_a_ledger_that_was_not(
    *, effective: bool | None
) -> None:
    """At every write of a job's life, with an operator that lives on, or dies of that write."""
    plain = operation()
    await lived(plain)
    writes = len(plain.cluster.writes)
    assert writes > 30
    for number in range(writes):
        it = operation()
        if effective is not None:
            it.cluster.trip = Trip(number + 1, effective, CrashError)
        it.cluster.at_write = lambda n, it=it, at=number: it.ledger.lose() if n == at else None
        await lived(it)
        await it.ledger.open()
        await run(it, JOB)
        assert recorded(it) == told(it), f"write {number}: {plain.cluster.writes[number]}"
        assert sum(recorded(it).values()) == sum(recorded(plain).values()) > 0


async def test_what_a_job_cost_comes_back_where_it_was_spent() -> None:
    it = operation()
    await lived(it)
    before = places(it)
    it.ledger.lose()
    await it.ledger.open()
    await it.once(JOB)
    assert places(it) == before
    assert {entry.price_source for entry in it.ledger.kept.values()} == {
        "average; from the job's status, since the ledger had lost it"
    }


def places(it: Operation) -> Mapping[tuple[str, ...], object]:
    return {key: amounts for key, amounts in it.ledger.sums().by_place.items() if amounts.usd}


async def test_a_job_that_goes_leaves_its_books_in_a_ledger_that_nobody_missed_yet() -> None:
    it = operation()
    await lived(it)
    spent = told(it)
    it.cluster.delete(JOB)
    it.ledger.lose()
    for _ in range(4):
        await it.once(JOB)
    assert it.cluster.records == {}
    assert recorded(it) == spent


async def test_a_pod_that_was_recorded_before_a_crash_is_charged_as_it_was_recorded() -> None:
    """The operator that heard of the last save dies before the status is written."""
    it = operation()
    await run(it, JOB)
    it.cluster.clock.advance(100)
    now = it.cluster.clock.now()
    stepping = Report(received=now, state="Running", step=80, stepping_seconds=90.0)
    it.reports.reports[JOB] = stepping
    await run(it, JOB)
    saved = replace(stepping, checkpoint_step=80, checkpoint_time=now)
    it.reports.reports[JOB] = replace(saved, received=it.cluster.clock.now())
    it.cluster.clock.advance(30)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB), 71)
    it.cluster.at_write = lambda n: dies_before_the_status(it)
    await run(it, JOB)
    assert it.failures == 1
    assert recorded(it) == told(it)
    assert ("job", "Useful") in recorded(it)


def dies_before_the_status(it: Operation) -> None:
    """Pods were recorded; with the process goes what it has heard of their run."""
    if it.ledger.kept and JOB in it.reports.reports:
        it.cluster.trip = Trip(1, effective=False, error=CrashError)
        it.reports.reports.clear()


JOBS = ("job-a", "job-b", "job-c")
ACTIONS = st.one_of(
    st.tuples(st.just("advance"), st.integers(1, 200_000)),
    st.tuples(st.just("end"), st.integers(0, 5)),
    st.tuples(st.just("fail"), st.integers(0, 5)),
    st.tuples(st.just("evict"), st.integers(0, 5)),
    st.tuples(st.just("price"), st.integers(1, 10**10)),
    st.tuples(st.just("report"), st.integers(0, 2)),
    st.tuples(st.just("delete"), st.integers(0, 2)),
    st.tuples(st.just("crash"), st.just(0)),
    st.tuples(st.just("away"), st.integers(0, 5)),
    st.tuples(st.just("lose"), st.integers(0, 12)),
)
UIDS = tuple(f"uid-{name}" for name in JOBS)


class History:
    """Three jobs of two workers, and what becomes of them and of the ledger."""

    def __init__(self) -> None:
        self.it = Operation()
        for name in ("node-a", "node-b", "node-c"):
            self.it.cluster.add_node(make.node(name, 2))
        self._price(3_600_000_000)
        for name in JOBS:
            spec = make.spec(trainer={"workers": 2}, failurePolicy={"maxRestarts": 100})
            self.it.cluster.submit(make.record(name, spec))
        self.remembered = set(UIDS)
        """Jobs that were there when the ledger was lost last, or are there."""

    async def does(self, what: str, number: int) -> None:
        if what == "away":
            # A job that is deleted meanwhile waits, and never comes to rest.
            self.it.ledger.away = not any(job.deleting for job in self.it.cluster.jobs())
            self._ends("fail", number)
        elif what in ("end", "fail", "evict"):
            self._ends(what, number)
        else:
            getattr(self, f"_{what}")(number)
        await run(self.it, *UIDS)
        if self.it.ledger.away:
            self.it.ledger.away = False
            await run(self.it, *UIDS)

    def _advance(self, seconds: int) -> None:
        self.it.cluster.clock.advance(seconds)

    def _delete(self, number: int) -> None:
        if UIDS[number] in self.it.cluster.records:
            self.it.cluster.delete(UIDS[number])

    def _crash(self, _: int) -> None:
        self.it.begin()
        self.it.reports.reports.clear()

    def _lose(self, number: int) -> None:
        due = len(self.it.cluster.writes) + number
        self.it.cluster.at_write = lambda n: self._lost() if n == due else None

    def _lost(self) -> None:
        self.it.ledger.lose()
        self.remembered = set(self.it.cluster.records)

    def _ends(self, how: str, number: int) -> None:
        pods = [pod for uid in UIDS for pod in self.it.cluster.workers(uid)]
        running = [pod for pod in pods if pod.live and pod.bound is not None]
        if not running:
            return
        pod = running[number % len(running)]
        if how == "evict":
            self.it.cluster.evict(pod)
        else:
            self.it.cluster.end(pod, 0 if how == "end" else 71)

    def _price(self, nano: int) -> None:
        price = make.price(str(Fraction(nano, 10**9)))
        self.it.cluster.all_pools = (make.pool("pool", price),)

    def _report(self, number: int) -> None:
        now = self.it.cluster.clock.now()
        self.it.reports.reports[UIDS[number]] = Report(
            received=now, state="Running", step=80, checkpoint_step=70, checkpoint_time=now,
            stepping_seconds=0.0,
        )  # fmt: skip


def owed(it: Operation, uid: str) -> Fraction:
    """What a job's pods that are over come to by their own times and prices [USD]."""
    total = Fraction(0)
    for pod in it.cluster.ever(uid):
        if pod.bound is None or not pod.over:
            continue
        end = pod.ended or pod.disrupted
        assert end is not None
        assert pod.usd_per_hour is not None
        steps = [(pod.bound, pod.usd_per_hour), *pod.repriced]
        for (begun, rate), until in zip(steps, [*(at for at, _ in pod.repriced), end], strict=True):
            assert rate is not None
            time = max(min(until, end) - begun, timedelta(0))
            total += rate * Fraction(time // timedelta(microseconds=1), 3_600_000_000)
    return total


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=14))
async def test_whatever_happens_the_ledger_has_what_statuses_and_pods_say(
    actions: list[tuple[str, int]],
) -> None:
    """Prices change, pods and jobs end, operators die; the ledger is away, or lost at any write."""
    history = History()
    await run(history.it, *UIDS)
    for action in actions:
        await history.does(*action)
    await history.it.ledger.open()
    await run(history.it, *UIDS)
    it = history.it
    found, statuses = recorded(it), told(it)
    for name, uid in zip(JOBS, UIDS, strict=True):
        mine = {key: usd for key, usd in found.items() if key[0] == name}
        if uid in it.cluster.records:
            assert mine == {key: usd for key, usd in statuses.items() if key[0] == name}
            assert sum(mine.values()) == owed(it, uid)
        elif uid in history.remembered:
            assert sum(mine.values()) == owed(it, uid), "it went after the ledger was lost last"
        else:
            assert mine == {}, "its status is gone, and nobody makes anything up"
