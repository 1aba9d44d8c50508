"""Where a TrainingJob may run, and by when it has to be done."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field, StrictBool, WithJsonSchema

from quartermaster.api.base import ApiModel, LabelKey, LabelValue, Name
from quartermaster.api.rule import Rule, unchangeable
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Objective, TopologyMode


class CapacityType(StrEnum):
    """What kind of capacity a job may run on."""

    AUTO = "Auto"
    SPOT = "Spot"
    ON_DEMAND = "OnDemand"

    @property
    def capacity(self) -> Capacity | None:
        """How the node has to be bought; None takes any."""
        return None if self is CapacityType.AUTO else Capacity(self.value)


LEVEL_NEEDS_MODE = Rule(
    message="topology.level has no effect with mode Unconstrained: "
    "drop the level, or take Preferred or Required",
    holds=lambda topology: not (topology.level and topology.mode is TopologyMode.UNCONSTRAINED),
    cel="!has(self.level) || self.mode != 'Unconstrained'",
)


class Topology(ApiModel):
    """How near to each other the workers have to be."""

    RULES: ClassVar = (LEVEL_NEEDS_MODE,)

    mode: TopologyMode = TopologyMode.PREFERRED
    """`Required` waits for one domain that holds the gang; `Preferred` takes the fewest domains."""
    level: LabelKey | None = None
    """The node label that names the domain, for example `topology.kubernetes.io/zone`.

    Unset means the narrowest of the pool's levels that will do."""


_MOMENT = {"type": "string", "format": "date-time", "maxLength": 64}


class Placement(ApiModel):
    """Where the job may run, and by when it has to be done."""

    capacity_type: CapacityType = CapacityType.AUTO
    """`Auto` takes whichever is cheaper."""
    accelerators: Annotated[list[LabelValue], Field(max_length=32)] = Field(default_factory=list)
    """GPU models that will do, as the nodes' labels name them; empty means any."""
    pools: Annotated[list[Name], Field(max_length=32)] = Field(default_factory=list)
    """ComputePools that may be used; empty means any."""
    topology: Topology = Topology()
    """How near to each other the workers have to be."""
    objective: Objective = Objective.BALANCED
    """`Cost` takes the least money to finish, `Time` the least time, `Balanced` the least product.

    It decides where it is known how fast the job would be; elsewhere the price per hour does."""
    defragment: StrictBool = False
    """Whether jobs of its queue and of no higher priority may be moved to other nodes for it.

    Each of them saves and starts again; that is done where it lets this job start."""
    deadline_time: Annotated[AwareDatetime, WithJsonSchema(_MOMENT)] | None = None
    """By when the job has to be done, RFC 3339; it is met at the least cost, spot or on demand.

    With `capacityType: Auto` it says when the job runs on spot, waits for it, or is on demand. It
    may be changed at any time. A job that is late goes on."""

    @property
    def follows_deadline(self) -> bool:
        """Whether the deadline chooses what the job runs on: it has one, and the type is open."""
        return self.deadline_time is not None and self.capacity_type is CapacityType.AUTO


PLACEMENT_FIXED = tuple(
    unchangeable(field, within="placement", optional=True)
    for field in (
        "capacityType", "accelerators", "pools", "topology", "objective", "defragment",
    )
)  # fmt: skip
"""All of it but the deadline. Rules of the spec, not of `Placement`: the API server would try those
on the empty default as well."""


class DeadlineStatus(ApiModel):
    """How the job stands to its deadline."""

    time: datetime
    """The deadline that this is about."""
    capacity_type: Annotated[str, Field(max_length=16)] = ""
    """What it is to run on now: Spot, OnDemand, Wait; empty where nothing is chosen for it."""
    work_seconds: Annotated[int, Field(ge=0)] | None = None
    """What is left to do after its last checkpoint [s of running]; unset while unknown."""
    spare_seconds: int | None = None
    """What is left until the deadline if it went on on demand from now [s]; below 0: it is late."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """Why that is chosen, in one sentence."""
