"""What a job's status says of its money: pure."""

from datetime import datetime
from fractions import Fraction

from quartermaster.api.budgets.limit import OWN_LIMIT, JobBudget
from quartermaster.api.meta import ConditionType
from quartermaster.api.money.cost import Cost
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Condition, ConditionStatus, Truth
from quartermaster.domain.decision import Decision, Refusal, Waiting
from quartermaster.domain.money.budget import Unfunded
from quartermaster.units import usd

START_BLOCKED = "StartBlocked"
"""Reason of a job that waits for money: its condition Placed says it too."""


def reason_of(note: Unfunded) -> str:
    """Why a job was stopped, in one word for programs."""
    return "LimitReached" if note.by == OWN_LIMIT else "BudgetSpent"


def why(job: JobRecord, note: Unfunded) -> str:
    """Why a job is stopped, and what lets it go on."""
    money = job.spec.budget if job.spec is not None else None
    if note.by != OWN_LIMIT or money is None:
        return f"{note.why}; goes on from its last checkpoint when there is money again"
    total = job.status.cost.total if job.status.cost else None
    if Fraction(money.limit) > note.amount and total is not None:
        return (
            f"it has cost {usd(Fraction(total), 2)} USD and may need {usd(note.reserve, 2)} USD to "
            f"stop again: a limit of {money.limit} USD is too little to go on"
        )
    return f"{note.why}; raise spec.budget.limit, and it goes on from its last checkpoint"


def conditions(
    job: JobRecord, decision: Decision | None, cost: Cost, now: datetime
) -> list[Condition]:
    """The condition Funded; none where nothing limits the job's money, and nothing did.

    Args:
        job: The job.
        decision: What the placement says of it.
        cost: What it has cost.
        now: The time.
    """
    before, kind = job.status.conditions, ConditionType.FUNDED
    truth = _truth(job, decision, cost)
    if truth is None and all(it.type != kind for it in before):
        return []
    truth = truth or (ConditionStatus.TRUE, "Funded", "")
    return [Condition.judged(kind, truth, before, now, job.generation)]


def _truth(job: JobRecord, decision: Decision | None, cost: Cost) -> Truth | None:
    if job.unfunded is not None:
        return ConditionStatus.FALSE, reason_of(job.unfunded), why(job, job.unfunded)
    if isinstance(decision, Waiting) and decision.refusal is Refusal.BUDGET_SPENT:
        return ConditionStatus.FALSE, START_BLOCKED, decision.message
    money = job.spec.budget if job.spec is not None else None
    return None if money is None else _of_its_own(money, cost)


def _of_its_own(money: JobBudget, cost: Cost) -> Truth:
    if cost.total is None:
        message = (
            f"a part of what it costs has no known price: nobody keeps its limit of {money.limit} "
            "USD; give its nodes a price in a ComputePool"
        )
        return ConditionStatus.UNKNOWN, "PriceUnknown", message
    if Fraction(cost.total) >= Fraction(money.limit):
        return (
            ConditionStatus.FALSE,
            "LimitExceeded",
            f"its limit of {money.limit} USD is spent",
        )
    return ConditionStatus.TRUE, "WithinLimit", f"its limit is {money.limit} USD"


def is_news(condition: Condition) -> bool:
    """Whether its user gets an event: that there is no money, unless Placed says so already."""
    return (
        condition.type == ConditionType.FUNDED
        and condition.status is ConditionStatus.FALSE
        and condition.reason != START_BLOCKED
    )
