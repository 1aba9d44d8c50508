"""What a job was predicted to take, and what came of it, in its status."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from quartermaster.api.base import ApiModel, Decimal9, Money
from quartermaster.domain.money.outcome import Basis, Cause


class PredictionStatus(ApiModel):
    """What was predicted first. Decimal strings, no floats."""

    time: datetime
    """When."""
    basis: Basis
    """From what: `Profile` and `StepCosts` at the first placement; `Forecast` after its own first
    steps, where nothing was known of them before."""
    from_job: Annotated[str, Field(max_length=253)] = ""
    """The job that the profile was measured in."""
    step_seconds: Decimal9
    """One step [s]."""
    steps: Annotated[int, Field(ge=0)] | None = None
    """Steps in all [count]; absent until somebody says how many there are."""
    duration_seconds: Annotated[int, Field(ge=0)] | None = None
    """From the start to the end [s]; at a placement the steps alone."""
    usd_per_hour: Money | None = None
    """Of its places; absent where a price is unknown."""
    cost: Money | None = None
    """At the end."""
    lost_seconds: Annotated[int, Field(ge=0)] = 0
    """What a forecast knew of: lost to interruptions before it, over all pods [s]."""
    held_seconds: Annotated[int, Field(ge=0)] = 0
    """And how long they had their places before it, over all pods [s]."""


class CauseStatus(ApiModel):
    """Why it took longer than was predicted."""

    cause: Cause
    """What the time went into."""
    seconds: Annotated[int, Field(ge=0)]
    """Of one worker [s]."""


class OutcomeStatus(ApiModel):
    """What came of a job that is complete, beside what was predicted. Decimal strings."""

    duration_seconds: Annotated[int, Field(ge=0)]
    """From the first worker's start to the end [s]."""
    cost: Money | None = None
    """Absent where a price is unknown."""
    step_seconds: Decimal9 | None = None
    """One step as it was measured [s]; absent where it was not."""
    duration_ratio: Decimal9 | None = None
    """It by what was predicted [1]."""
    cost_ratio: Decimal9 | None = None
    """The same of the cost [1]."""
    step_ratio: Decimal9 | None = None
    """The same of a step [1]."""
    causes: Annotated[list[CauseStatus], Field(max_length=8)] = Field(default_factory=list)
    """What made it longer, the most first; none where it was not, or the gang was elastic."""
