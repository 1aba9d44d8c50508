"""What stands in the ledger: who held which part of which machine, for how long, at what price."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fractions import Fraction

REBUILT = "rebuilt/"
"""How ids of entries begin that sum up pods of which a ledger knows nothing any more."""


class Kind(StrEnum):
    """Who a machine's time was for."""

    JOB = "Job"
    SERVICE = "Service"
    SYSTEM = "System"
    """Pods that are not Quartermaster's: daemons, other workloads."""
    IDLE = "Idle"
    """Nobody."""


class Part(StrEnum):
    """What a job's time went into. The parts are disjoint and add up to the whole."""

    USEFUL = "Useful"
    """Steps that count."""
    REWORK = "Rework"
    """Steps that were lost, since they came after the last checkpoint before an interruption."""
    RECOVERY = "Recovery"
    """From the start of a gang that goes on to its first step."""
    CHECKPOINT = "Checkpoint"
    """Steps that stood still while state was saved."""
    GANG_WAIT = "GangWait"
    """Members that are there wait for those that are not."""
    IDLE = "Idle"
    """Held, and next to nothing computed."""
    OTHER = "Other"
    """The first start, evaluation, the end; and all of it where the run tells nothing."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Who pays."""

    kind: Kind
    namespace: str = ""
    """Empty for what belongs to no namespace: idle time."""
    name: str = ""
    uid: str = ""
    queue: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where it was; what is unknown is empty."""

    node: str = ""
    pool: str = ""
    accelerator: str = ""
    """GPU model; empty without GPUs."""
    instance_type: str = ""
    region: str = ""
    zone: str = ""
    capacity_type: str = ""
    """Spot, OnDemand or Reserved, as on nodes."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a pod holds, as it was when it was placed: its node may be gone when it is charged."""

    machine: Machine = Machine()
    gpus: Fraction = Fraction(0)
    """[count]; parts of GPUs are fractions."""
    on_demand_usd_per_hour: Fraction | None = None
    """What the same would cost on demand [USD/h]; None where it is unknown."""
    price_source: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A stretch of time on one machine at one price, for one purpose.

    Money is rate times time and is never divided before it is added up: entries that are cut in two
    cost together what they cost before, to the last digit.
    """

    id: str
    """The same however often the same fact is worked out: what is recorded twice counts once.

    `POD/0`, `POD/1`, ... are one fact, worked out together: see `first`."""
    owner: Owner
    machine: Machine
    part: Part | None
    """What a job's time went into; None for whoever is no job."""
    began: datetime
    ended: datetime
    charged: timedelta
    """The time that the rate is for: at most `ended - began`, all of it unless other parts lie in
    between. The parts of one pod add up to its time. What was rebuilt has the time of many pods."""
    gpus: Fraction
    """GPUs that were held [count]; parts of GPUs are fractions."""
    usd_per_hour: Fraction | None
    """Of what was held, a whole number of billionths [USD/h]; None where it is unknown."""
    on_demand_usd_per_hour: Fraction | None = None
    """What the same would cost on demand [USD/h]; None where it is unknown."""
    price_source: str = ""
    """Where the price comes from, with its date."""

    @property
    def rebuilt(self) -> bool:
        """Whether it sums up pods of which nothing else is known any more."""
        return self.id.startswith(REBUILT)

    @property
    def first(self) -> str:
        """The id of the fact's first entry: where that is recorded, all of the fact is.

        A pod that is worked out again may be cut elsewhere, when more is known of its run; the cuts
        of two times must not mix.
        """
        fact, slash, number = self.id.rpartition("/")
        return f"{fact}/0" if slash and number.isascii() and number.isdigit() else self.id
