"""The note on a job that its money is spent: when it is written, and when it goes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from quartermaster.api.budgets.limit import OWN_LIMIT, OnExceeded
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.record import JobRecord
from quartermaster.decide.cost import accrual, limit
from quartermaster.decide.cost.accrual import NEWS_LAG
from quartermaster.domain.money.budget import Action, Unfunded
from quartermaster.domain.worker import Worker
from quartermaster.reconcile.budgets.spending import bill, costing, holds_nodes
from quartermaster.reconcile.budgets.verdicts import spent_text
from quartermaster.units import usd


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands to its own limit."""

    limit: Fraction
    """[USD]"""
    total: Fraction | None
    """What it has cost [USD]; None where that is unknown."""
    usd_per_hour: Fraction
    """What it costs now [USD/h]."""
    held_back: Fraction
    """What it costs until it can have stopped [USD]."""

    @property
    def seconds_left(self) -> float | None:
        """Time until it has to stop [s]; None where that is not foreseen."""
        if self.total is None:
            return None
        return limit.seconds_until(self.total, self.held_back, self.limit, self.usd_per_hour)


def standing(job: JobRecord, workers: Sequence[Worker], now: datetime) -> Standing | None:
    """How a job stands to its own limit; None where it has none that stops it."""
    money = job.spec.budget if job.spec is not None else None
    if money is None or money.on_exceeded is not OnExceeded.SUSPEND:
        return None
    # As old as news of a pod's end can be: what has been billed up to then never falls.
    spent = bill(job, workers, now - NEWS_LAG)
    rate = accrual.rate(costing(job, workers))
    return Standing(
        limit=Fraction(money.limit),
        total=spent.known if spent.whole and rate is not None else None,
        usd_per_hour=rate or Fraction(0),
        held_back=limit.reserve(rate or Fraction(0), limit.lead_s(_save_s(job))),
    )


def _save_s(job: JobRecord) -> float | None:
    """What a save of this job was measured to take [s]; None where it has not been yet."""
    profile = job.status.own_profile
    if profile is None or profile.checkpoint_stall_seconds is None:
        return None
    return float(profile.checkpoint_stall_seconds)


def note(
    job: JobRecord,
    workers: Sequence[Worker],
    own: Standing | None,
    by: BudgetRecord | None,
    now: datetime,
) -> Unfunded | None:
    """What is to stand on the job: that it has to stop, or nothing.

    Args:
        job: The job.
        workers: Its pods.
        own: How it stands to its own limit.
        by: A Budget that has it stopped.
        now: The time.
    """
    limited = _own(job, own, now)
    if limited is not None or by is None:
        return limited
    old, key = job.unfunded, str(by.budget.key)
    if old is not None and old.by == key:
        return old
    if old is None and not holds_nodes(workers):
        return None  # it waits, and gets no place
    why = f"{spent_text(by, Action.SUSPEND)}: jobs are stopped"
    return Unfunded(key, why, now, by.budget.amount)


def _own(job: JobRecord, it: Standing | None, now: datetime) -> Unfunded | None:
    """What the job's own limit asks for. Nobody is stopped on a guess of what it costs."""
    if it is None:
        return None
    old = job.unfunded
    if old is not None and old.by == OWN_LIMIT:
        return None if limit.may_go_on(old, it.total, it.limit) else old
    if it.total is None or not it.usd_per_hour:
        return None
    if not limit.is_reached(it.total, it.held_back, it.limit):
        return None
    why = (
        f"stopped at {usd(it.total, 2)} USD, since stopping may cost {usd(it.held_back, 2)} USD "
        f"more and the limit is {usd(it.limit, 2)} USD"
    )
    return Unfunded(OWN_LIMIT, why, now, it.limit, it.held_back)
