"""A Budget's status from what was counted: pure, so that the same facts give the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from quartermaster.api.budgets.budget import BudgetStatus, Fired, PastPeriod
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.training_job_status import Condition, ConditionStatus, Truth
from quartermaster.decide.cost import budgets as decide
from quartermaster.decide.cost.budgets import Judged, Running, Window
from quartermaster.decide.cost.tally import Counted
from quartermaster.domain.money.budget import Action, Threshold
from quartermaster.reconcile.budgets.spending import books_text
from quartermaster.units import usd


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that one status is made of."""

    record: BudgetRecord
    counted: Counted
    span: Window
    running: Sequence[Running]
    """Jobs that spend now."""
    now: datetime

    @property
    def spent(self) -> Fraction:
        """In the period [USD]."""
        return self.counted.sheet.spent

    @property
    def left_s(self) -> float | None:
        """Time to the end of the period [s]."""
        left = self.span.left(self.now)
        return None if left is None else left.total_seconds()


def status(it: Facts) -> BudgetStatus:
    """The whole status."""
    budget, old = it.record.budget, it.record.status
    fired = _fired(it)
    actions = [] if budget.suspended else list(decide.actions(one for one, _ in fired))
    rate = sum((job.usd_per_hour for job in it.running), Fraction(0))
    forecast = decide.forecast(it.spent, it.running, it.left_s)
    commitment = decide.commitment(it.spent, it.running, it.left_s)
    truths = {"Healthy": _healthy(it), "Exceeded": _exceeded(it)}
    return BudgetStatus(
        observed_generation=it.record.generation,
        conditions=[_condition(kind, truth, it.record, it.now) for kind, truth in truths.items()],
        period_start=it.span.start,
        period_end=it.span.end,
        amount=usd(budget.amount, 9).rstrip("0").rstrip("."),
        spent=_money(it.spent),
        percent=decide.percent(it.spent, budget.amount),
        rate_per_hour=_money(rate),
        forecast=None if forecast is None else _money(forecast),
        commitment=None if commitment is None else _money(commitment),
        jobs=len(it.running),
        unpriced_jobs=it.counted.unpriced,
        action=actions[-1] if actions else "",
        actions=actions,
        fired=[Fired(percent=one.percent, action=one.action, time=at) for one, at in fired],
        last_period=old.last_period
        if it.counted.closed is None or old.period_start is None
        else PastPeriod(start=old.period_start, end=it.span.start, spent=_money(it.counted.closed)),
        books=books_text(it.counted.sheet),
    )


def unreadable(record: BudgetRecord, now: datetime) -> BudgetStatus:
    """The status of a Budget that cannot be read: it acts on nothing, and its books are kept."""
    truth = ConditionStatus.FALSE, "Unreadable", record.budget.fault
    return record.status.model_copy(
        update={
            "observed_generation": record.generation,
            "conditions": [_condition("Healthy", truth, record, now)],
            "action": "",
            "actions": [],
        }
    )


def _fired(it: Facts) -> list[tuple[Threshold, datetime]]:
    """The thresholds that hold, each with the time at which that was seen first."""
    budget, old = it.record.budget, it.record.status
    before: Judged | None = None
    since: dict[Threshold, datetime] = {}
    if old.period_start == it.span.start and old.amount is not None:
        since = {Threshold(one.percent, one.action): one.time for one in old.fired}
        before = Judged(Fraction(old.amount), frozenset(since))
    holding = decide.fired(budget.thresholds, it.spent, budget.amount, before)
    now = it.now.replace(microsecond=0)
    return [(one, since.get(one, now)) for one in sorted(holding)]


def news(new: BudgetStatus, old: BudgetStatus) -> list[Threshold]:
    """The thresholds that were reached since the status before."""
    same = old.period_start == new.period_start
    known = {(one.percent, one.action) for one in old.fired} if same else set()
    found = ((one.percent, one.action) for one in new.fired)
    return [Threshold(*one) for one in found if one not in known]


def _healthy(it: Facts) -> Truth:
    if it.counted.unpriced:
        jobs = "1 job" if it.counted.unpriced == 1 else f"{it.counted.unpriced} jobs"
        message = (
            f"a part of what {jobs} cost has no known price and is not counted: "
            "give their nodes a price in a ComputePool"
        )
        return ConditionStatus.UNKNOWN, "PriceUnknown", message
    if it.record.budget.suspended:
        return ConditionStatus.TRUE, "OnlyCounts", "spec.suspend is true: no threshold acts"
    return ConditionStatus.TRUE, "Counted", ""


def _exceeded(it: Facts) -> Truth:
    amount = it.record.budget.amount
    if it.spent >= amount:
        return ConditionStatus.TRUE, "AmountSpent", f"{usd(amount, 2)} USD are spent"
    return ConditionStatus.FALSE, "WithinAmount", ""


def _condition(kind: str, truth: Truth, record: BudgetRecord, now: datetime) -> Condition:
    return Condition.judged(kind, truth, record.status.conditions, now, record.generation)


def _money(amount: Fraction) -> str:
    # A bill that has turned out lower since is no income.
    return usd(max(Fraction(0), amount))


def only_ticks(new: BudgetStatus, old: BudgetStatus) -> bool:
    """Whether nothing but amounts has changed, of jobs that go on."""
    amounts = ("spent", "percent", "forecast", "commitment", "books")
    same = {name: getattr(old, name) for name in amounts}
    return new.jobs > 0 and new.model_copy(update=same) == old


def words(threshold: Threshold, record: BudgetRecord, spent: str) -> str:
    """What is told when a threshold is reached."""
    amount = usd(record.budget.amount, 2)
    does = {
        Action.NOTIFY: "",
        Action.BLOCK_NEW: ": jobs that have not started yet get no place",
        Action.SPOT_ONLY: ": places are given on spot only",
        Action.SUSPEND: ": jobs are stopped after a checkpoint, and none is placed",
    }[threshold.action]
    return f"{spent} USD are spent, {threshold.percent} % of {amount} USD are reached{does}"
