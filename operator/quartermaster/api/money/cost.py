"""What a job has cost: the amounts that are read, and the books that they are made of."""

from typing import Annotated

from pydantic import Field

from quartermaster.api.base import ApiModel, Money, SignedMoney
from quartermaster.domain.money.posting import MOST_POSTINGS

ExactAmount = Annotated[str, Field(max_length=256)]
"""An undivided amount [USD], a fraction `n/d`."""


class HeldSum(ApiModel):
    """What pods that are over held on one day, in one place, for one purpose."""

    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]
    """In UTC; of several days that are one sum by now, the last."""
    pool: Annotated[str, Field(max_length=253)] = ""
    """ComputePool."""
    accelerator: Annotated[str, Field(max_length=256)] = ""
    """GPU model; empty without GPUs."""
    capacity_type: Annotated[str, Field(max_length=16)] = ""
    """Spot, OnDemand or Reserved."""
    part: Annotated[str, Field(max_length=16)]
    """What it went into."""
    usd: ExactAmount = "0/1"
    """What it cost [USD]."""
    on_demand: ExactAmount = "0/1"
    """What the same would have cost on demand; where that is unknown, what it cost [USD]."""
    microseconds: Annotated[int, Field(ge=0)] = 0
    """Pod time [us]."""
    unpriced_microseconds: Annotated[int, Field(ge=0)] = 0
    """What of it has no price [us]."""
    gpu_microseconds: ExactAmount = "0/1"
    """It times the GPUs that were held [GPU x us]."""


class Exact(ApiModel):
    """What the sums over closed segments are made of, undivided: the books, not for reading."""

    parts: Annotated[dict[str, ExactAmount], Field(max_length=16)] = Field(default_factory=dict)
    """By what the money went into [USD]; they add up to `accrued`."""
    microseconds: Annotated[dict[str, Annotated[int, Field(ge=0)]], Field(max_length=16)] = Field(
        default_factory=dict
    )
    """Pod time by what it went into [us]."""
    on_demand: ExactAmount = "0/1"
    """What the same work would have cost on demand, undisturbed [USD]."""
    not_comparable_microseconds: Annotated[int, Field(ge=0)] = 0
    """Pod time of which nobody knows what it costs on demand [us]."""
    spot_paid: ExactAmount = "0/1"
    """Of `accrued`, on spot nodes [USD]."""
    held: Annotated[list[HeldSum], Field(max_length=MOST_POSTINGS)] = Field(default_factory=list)
    """The same by day and place, for a ledger that has lost it; old days are taken together."""


class Cost(ApiModel):
    """What the job has cost: price times time from bind to release, over all its pods."""

    total: Money | None = None
    """So far, rounded to the cent's hundredth; unset while a price is unknown."""
    rate_per_hour: Money | None = None
    """What it costs an hour right now."""
    forecast: Money | None = None
    """What it will have cost at its end, at today's rate and pace; unset while that is unknown."""
    parts: Annotated[dict[str, Money], Field(max_length=16)] = Field(default_factory=dict)
    """What the money went into: Useful, Rework, Recovery, Checkpoint, GangWait, Idle, Other."""
    lost_work: Money | None = None
    """Rework and recovery: what interruptions cost."""
    on_demand_equivalent: Money | None = None
    """What the same work would have cost on demand, undisturbed; unset while that is unknown."""
    net_spot_savings: SignedMoney | None = None
    """On-demand equivalent less cost: below zero where spot did not pay for its interruptions.

    Unset for a job that had none, and while a price is unknown."""
    currency: Annotated[str, Field(max_length=3)] = "USD"
    """ISO 4217 code."""
    price_source: Annotated[str, Field(max_length=256)] = "Unknown"
    """Where the prices come from; `Unknown` where a node has none."""
    accrued: ExactAmount = "0/1"
    """The exact sum over closed segments, undivided [USD], a fraction `n/d`."""
    segments: Annotated[int, Field(ge=0)] = 0
    """Closed segments [count]."""
    unpriced_seconds: Annotated[int, Field(ge=0)] = 0
    """Time on nodes without a price, over all pods [s]."""
    exact: Exact = Field(default_factory=Exact)
    """What `accrued` is made of."""
    closing: Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=1024)] = Field(
        default_factory=list
    )
    """Uids of pods that are charged but not yet released, so that none is charged twice."""
