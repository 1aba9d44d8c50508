"""What a job's pods that are over held on one day, in one place, for one purpose: a sum."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from fractions import Fraction

from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.stretch import NO_TIME

NOTHING = Fraction(0)
MOST_POSTINGS = 100
"""That a status keeps [count]; of about 300 bytes each, a status stays far below 1 MiB."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """What a posting is of; what is unknown is empty."""

    day: date
    """In UTC; of several days that are one sum by now, the last."""
    pool: str
    accelerator: str
    capacity_type: str
    part: Part


@dataclass(frozen=True, slots=True)
class Posting:
    """A sum over pods, exact."""

    place: Place
    usd: Fraction = NOTHING
    """What it cost [USD]; time without a price is not in it."""
    on_demand_usd: Fraction = NOTHING
    """The same on demand [USD]; where that is unknown, what it cost."""
    time: timedelta = NO_TIME
    """Pod time."""
    unpriced: timedelta = NO_TIME
    """What of it has no price."""
    gpu_time: Fraction = NOTHING
    """It times the GPUs that were held [GPU x us]."""

    def __add__(self, other: "Posting") -> "Posting":
        """Both as one, in this one's place."""
        return replace(
            self,
            usd=self.usd + other.usd,
            on_demand_usd=self.on_demand_usd + other.on_demand_usd,
            time=self.time + other.time,
            unpriced=self.unpriced + other.unpriced,
            gpu_time=self.gpu_time + other.gpu_time,
        )
