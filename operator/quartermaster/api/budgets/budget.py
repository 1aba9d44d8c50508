"""Budget: an amount for a period, and what happens as it is spent."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from quartermaster.api.base import (
    ABOVE_ZERO,
    ApiModel,
    LabelKey,
    LabelValue,
    MapList,
    Money,
    Name,
)
from quartermaster.api.money.cost import ExactAmount
from quartermaster.api.rule import Keeps, Rule
from quartermaster.api.training_job_status import Condition
from quartermaster.domain.money.budget import Action, Period

KIND = "Budget"
PLURAL = "budgets"

MAX_JOBS = 4096
"""Jobs that one Budget can tell apart at a time [count]; a status of that size is some 600 KB."""


class ThresholdSpec(ApiModel):
    """What happens when a part of the amount is spent."""

    percent: Annotated[int, Field(strict=True, ge=1, le=200)]
    """Of the amount [percent]; above 100 for what happens when it is exceeded by so much."""
    action: Action
    """`Notify` posts events. `BlockNew` gives no place to jobs that have not started yet.

    `SpotOnly` places on spot capacity only. `Suspend` stops jobs after a checkpoint, and starts
    none. An action holds until the amount is raised or the period ends."""


class JobSelector(ApiModel):
    """Which jobs of the namespace count."""

    queue: Name | None = None
    """Those of this ComputeQueue; unset takes those of every queue."""
    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Those with all these labels; empty takes every job."""


DISTINCT_THRESHOLDS = Rule(
    message="a threshold stands twice: give each percent and action once",
    holds=lambda all_: len({(one.percent, one.action) for one in all_}) == len(all_),
    cel="self.all(a, self.exists_one(b, b.percent == a.percent && b.action == a.action))",
)

USUAL_THRESHOLDS = [
    ThresholdSpec(percent=50, action=Action.NOTIFY),
    ThresholdSpec(percent=75, action=Action.NOTIFY),
    ThresholdSpec(percent=90, action=Action.NOTIFY),
    ThresholdSpec(percent=100, action=Action.BLOCK_NEW),
]


class BudgetSpec(ApiModel):
    """How much the jobs of a namespace may spend, and what happens as they do."""

    amount: Annotated[Money, Keeps(ABOVE_ZERO)]
    """For one period [USD], a decimal string."""
    period: Period = Period.MONTH
    """How long the amount is for, by UTC's calendar; weeks begin on Monday.

    `Total` is for what is spent from the Budget's creation on, once and for all."""
    selector: JobSelector = JobSelector()
    """Which jobs of the namespace count."""
    thresholds: Annotated[list[ThresholdSpec], Field(max_length=8), Keeps(DISTINCT_THRESHOLDS)] = (
        Field(default=USUAL_THRESHOLDS)
    )
    """What happens when which part of the amount is spent; the order does not matter."""
    suspend: StrictBool = False
    """True only counts: no threshold acts, and what was stopped goes on."""


class Fired(ApiModel):
    """A threshold that was reached."""

    percent: Annotated[int, Field(ge=0)]
    """Of the amount [percent]."""
    action: Action
    """What it does."""
    time: datetime
    """When that was seen."""


class CountedJob(ApiModel):
    """What one job has spent: the books, not for reading."""

    uid: Annotated[str, Field(max_length=64)]
    """The job's uid."""
    name: Annotated[str, Field(max_length=253)] = ""
    """Its name."""
    counted: ExactAmount = "0/1"
    """Of its cost, what counts for this period [USD]."""
    total: ExactAmount = "0/1"
    """What it had cost in all when it was looked at last [USD]."""


class PeriodBooks(ApiModel):
    """What `spent` is made of, undivided: the books, not for reading."""

    carried: ExactAmount = "0/1"
    """What jobs that are gone have spent in this period [USD]."""
    jobs: Annotated[list[CountedJob], Field(max_length=MAX_JOBS), MapList("uid")] = Field(
        default_factory=list
    )
    """The jobs that are there."""


class PastPeriod(ApiModel):
    """What was spent in a period that is over."""

    start: datetime
    """Its beginning."""
    end: datetime
    """Its end."""
    spent: Money
    """[USD]"""


class BudgetStatus(ApiModel):
    """How the Budget stands."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status is about."""
    conditions: Annotated[list[Condition], Field(max_length=8), MapList("type")] = Field(
        default_factory=list
    )
    """The latest observations: Healthy, Exceeded."""
    period_start: datetime | None = None
    """When the running period began."""
    period_end: datetime | None = None
    """When it ends; unset for `Total`."""
    amount: Money | None = None
    """The amount that the thresholds were judged by."""
    spent: Money | None = None
    """In this period so far [USD]."""
    percent: Annotated[int, Field(ge=0)] | None = None
    """Of the amount, rounded down [percent]."""
    rate_per_hour: Money | None = None
    """What the jobs that run now cost an hour together."""
    forecast: Money | None = None
    """Spent at the end of the period, if what runs now goes on at its present rate.

    Each job until its predicted end, or the end of the period; unset while that is unknown."""
    commitment: Money | None = None
    """Spent at the end of the period at the worst: each running job until its deadline.

    A job without `activeDeadlineSeconds` counts up to its predicted end, and where there is none up
    to the period's; one with a limit of its own up to that."""
    jobs: Annotated[int, Field(ge=0)] = 0
    """Jobs that hold nodes now [count]."""
    unpriced_jobs: Annotated[int, Field(ge=0)] = 0
    """Jobs of which a part has no known price, and is not counted [count]."""
    action: Annotated[str, Field(max_length=16)] = ""
    """For the column: the strongest action in force."""
    actions: Annotated[list[Action], Field(max_length=8)] = Field(default_factory=list)
    """The actions in force."""
    fired: Annotated[list[Fired], Field(max_length=8)] = Field(default_factory=list)
    """The thresholds that were reached in this period."""
    last_period: PastPeriod | None = None
    """The period before this one."""
    books: PeriodBooks = Field(default_factory=PeriodBooks)
    """What `spent` is made of."""
