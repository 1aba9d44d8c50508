"""Whether there is money for a job, by what stands on the objects: nothing is remembered."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC
from fractions import Fraction

from quartermaster.api.budgets.budget import MAX_JOBS
from quartermaster.api.budgets.limit import OnExceeded
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.record import JobRecord
from quartermaster.decide.cost.tally import recount
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.decision import Refusal, Waiting
from quartermaster.domain.money.budget import Action, Period
from quartermaster.domain.workload import Gang
from quartermaster.reconcile.budgets.spending import bill, seen, selects, sheet_of
from quartermaster.reconcile.ports import Clock, View
from quartermaster.units import usd

_PERIOD = {
    Period.DAY: "today",
    Period.WEEK: "this week",
    Period.MONTH: "this month",
    Period.TOTAL: "in all",
}


class Verdicts:
    """What the Budgets, and a job's own limit, have against a job."""

    def __init__(self, view: View, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    def judge(self, gang: Gang) -> Gang | Waiting:
        """The gang, perhaps on spot capacity only, or why it gets no place.

        A gang of which a part is on nodes already gets the rest: what it has is spent in vain
        without.
        """
        job = self._view.job(gang.uid)
        if job is None or gang.held:
            return gang
        limited = self._over_its_limit(job)
        if limited is not None:
            return limited
        for record in self._view.budgets():
            if not selects(record.budget, job):
                continue
            answer = _answer(gang, record, started=job.status.start_time is not None)
            if isinstance(answer, Waiting):
                return answer
            gang = answer
        return gang

    def owes(self, job: JobRecord) -> bool:
        """Whether a Budget has still to count what a job that goes has cost."""
        workers = self._view.workers(job.uid)
        for record in self._view.budgets():
            if record.budget.fault or record.budget.key.namespace != job.key.namespace:
                continue
            sheet = sheet_of(record.status)
            if sheet is None:
                return True
            found = seen(job, workers, record.budget, sheet.start, self._clock.now())
            if recount(sheet, [found], most=MAX_JOBS).jobs != sheet.jobs:
                return True
        return False

    def _over_its_limit(self, job: JobRecord) -> Waiting | None:
        money = job.spec.budget if job.spec is not None else None
        if money is None or money.on_exceeded is not OnExceeded.SUSPEND:
            return None
        spent = bill(job, self._view.workers(job.uid), self._clock.now())
        if not spent.whole or spent.known < Fraction(money.limit):
            return None
        return Waiting(
            Refusal.BUDGET_SPENT,
            f"it has cost {usd(spent.known, 2)} USD and its limit is {money.limit} USD: "
            "raise spec.budget.limit",
        )


def suspending(records: Iterable[BudgetRecord], job: JobRecord) -> BudgetRecord | None:
    """The first Budget that has a job stopped."""
    return next(
        (
            record
            for record in records
            if Action.SUSPEND in record.status.actions and selects(record.budget, job)
        ),
        None,
    )


def spent_text(record: BudgetRecord, action: Action) -> str:
    """`Budget research has spent 100 % of 250.00 USD this month`.

    By the threshold and not to the cent, so that what waiting jobs are told changes only with what
    holds them back.
    """
    budget = record.budget
    percent = min((one.percent for one in record.status.fired if one.action is action), default=100)
    amount = usd(budget.amount, 2)
    name, period = budget.key.name, _PERIOD[budget.period]
    return f"Budget {name} has spent {percent} % of {amount} USD {period}"


def until_text(record: BudgetRecord) -> str:
    """When that ends."""
    end = record.status.period_end
    if end is None:
        return "until its amount is raised"
    return f"until its amount is raised, or {end.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _answer(gang: Gang, record: BudgetRecord, *, started: bool) -> Gang | Waiting:
    """What one Budget says.

    Args:
        gang: Who wants a place.
        record: The Budget.
        started: Whether the job has run before.
    """
    actions = set(record.status.actions)
    if Action.SUSPEND in actions:
        return _refused(record, Action.SUSPEND, "no job is placed")
    if Action.BLOCK_NEW in actions and not started:
        return _refused(record, Action.BLOCK_NEW, "no new job is placed")
    if Action.SPOT_ONLY not in actions:
        return gang
    if gang.capacity not in (None, Capacity.SPOT):
        what = f"jobs are placed on spot only, and this one asks for {gang.capacity},"
        return _refused(record, Action.SPOT_ONLY, what)
    return replace(gang, capacity=Capacity.SPOT)


def _refused(record: BudgetRecord, action: Action, what: str) -> Waiting:
    message = f"{spent_text(record, action)}: {what} {until_text(record)}"
    return Waiting(Refusal.BUDGET_SPENT, message)
