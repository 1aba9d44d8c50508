"""A TrainingJob's own limit."""

from enum import StrEnum
from typing import Annotated

from quartermaster.api.base import ABOVE_ZERO, ApiModel, Money
from quartermaster.api.rule import Keeps

OWN_LIMIT = "spec.budget"
"""By whom a job is stopped that has reached its own limit."""


class OnExceeded(StrEnum):
    """What happens to a job that reaches its limit."""

    SUSPEND = "Suspend"
    NOTIFY = "Notify"


class JobBudget(ApiModel):
    """What the job may cost at most, over all its lives."""

    limit: Annotated[Money, Keeps(ABOVE_ZERO)]
    """The most that it may cost [USD], a decimal string."""
    on_exceeded: OnExceeded = OnExceeded.SUSPEND
    """`Suspend` stops the workers after a checkpoint, before the limit is crossed.

    The job goes on from there when the limit is raised. `Notify` only tells."""
