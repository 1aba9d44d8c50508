"""What a budget does: periods, thresholds, and what is still to come. Pure, in exact amounts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.domain.money.budget import Action, Period, Threshold

NOTHING = Fraction(0)
_STRENGTH = (Action.NOTIFY, Action.SPOT_ONLY, Action.BLOCK_NEW, Action.SUSPEND)
"""The actions, the mildest first."""


@dataclass(frozen=True, slots=True)
class Window:
    """A period in time: from its start up to, and without, its end."""

    start: datetime
    end: datetime | None
    """None where it has none."""

    def left(self, now: datetime) -> timedelta | None:
        """Time to its end; None where it has none."""
        return None if self.end is None else max(timedelta(), self.end - now)


def window(period: Period, created: datetime, now: datetime) -> Window:
    """The period that is running.

    Args:
        period: Its kind.
        created: When the budget was made: `Total` is from then on.
        now: The time, in UTC.
    """
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    match period:
        case Period.DAY:
            return Window(midnight, midnight + timedelta(days=1))
        case Period.WEEK:
            monday = midnight - timedelta(days=midnight.weekday())
            return Window(monday, monday + timedelta(days=7))
        case Period.MONTH:
            first = midnight.replace(day=1)
            return Window(first, (first + timedelta(days=32)).replace(day=1))
        case Period.TOTAL:
            return Window(created, None)


def percent(spent: Fraction, amount: Fraction) -> int:
    """How much of the amount is spent, rounded down [percent]; what is spent is never below 0."""
    return max(0, (100 * spent / amount).__floor__())


def reached(
    thresholds: Iterable[Threshold], spent: Fraction, amount: Fraction
) -> frozenset[Threshold]:
    """The thresholds that so much has reached."""
    return frozenset(one for one in thresholds if 100 * spent >= one.percent * amount)


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found in the same period before."""

    amount: Fraction
    """The amount that it was judged by [USD]."""
    fired: frozenset[Threshold]
    """What was reached."""


def fired(
    thresholds: Iterable[Threshold], spent: Fraction, amount: Fraction, before: Judged | None = None
) -> frozenset[Threshold]:
    """The thresholds that hold.

    What was reached stays so until the amount is raised or the period is over: a bill that turns
    out a little lower afterwards lets nobody start and stop in turns. A threshold that is taken
    out of the budget holds no more.

    Args:
        thresholds: All of them.
        spent: In the period [USD].
        amount: That may be spent [USD].
        before: What was found before in this period; None in a new one.
    """
    known = frozenset(thresholds)
    now = reached(known, spent, amount)
    if before is None or amount > before.amount:
        return now
    return now | (before.fired & known)


def actions(fired: Iterable[Threshold]) -> tuple[Action, ...]:
    """What these thresholds do, the mildest first."""
    found = {one.action for one in fired}
    return tuple(action for action in _STRENGTH if action in found)


@dataclass(frozen=True, slots=True)
class Running:
    """A job that spends."""

    usd_per_hour: Fraction
    end_s: float | None = None
    """Time to its end by its own reckoning [s]; None where it is unknown."""
    deadline_s: float | None = None
    """Time to when it is ended at the latest [s]; None where nobody ends it."""
    limit_left: Fraction | None = None
    """What it can still cost before its own limit stops it [USD]; None: it has none."""

    def cost(self, seconds: float) -> Fraction:
        """What so much more time costs [USD]."""
        more = self.usd_per_hour * Fraction(max(0.0, seconds)) / 3600
        return more if self.limit_left is None else min(more, max(NOTHING, self.limit_left))


def forecast(spent: Fraction, running: Iterable[Running], left_s: float | None) -> Fraction | None:
    """What will be spent at the period's end, each job at its present rate until its end [USD].

    Args:
        spent: So far [USD].
        running: Who spends now.
        left_s: Time to the end of the period [s]; None where it has none.

    Returns:
        None where a job goes on for nobody knows how long, and the period does too.
    """
    return _until(spent, ((job, _least(job.end_s, job.deadline_s, left_s)) for job in running))


def commitment(
    spent: Fraction, running: Iterable[Running], left_s: float | None
) -> Fraction | None:
    """What will be spent at the period's end at the worst: each job until its deadline [USD].

    A job without a deadline counts up to its predicted end, and without that to the period's. The
    arguments are `forecast`'s.
    """
    return _until(
        spent,
        (
            (job, _least(job.end_s if job.deadline_s is None else job.deadline_s, left_s))
            for job in running
        ),
    )


def _least(*seconds: float | None) -> float | None:
    return min((each for each in seconds if each is not None), default=None)


def _until(spent: Fraction, jobs: Iterable[tuple[Running, float | None]]) -> Fraction | None:
    total = spent
    for job, seconds in jobs:
        if seconds is None and job.limit_left is None and job.usd_per_hour:
            return None
        total += job.cost(float(10**12) if seconds is None else seconds)
    return total


def next_threshold_s(
    thresholds: Iterable[Threshold], spent: Fraction, amount: Fraction, usd_per_hour: Fraction
) -> float | None:
    """Time until the next threshold is reached at this rate [s]; None where none will be."""
    if usd_per_hour <= 0:
        return None
    ahead = [one.percent * amount / 100 - spent for one in thresholds]
    left = min((more for more in ahead if more > 0), default=None)
    return None if left is None else float(3600 * left / usd_per_hour)
