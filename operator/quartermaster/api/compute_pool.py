"""ComputePool: a kind of capacity, its price and its topology."""

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from quartermaster.api.base import ApiModel, LabelKey, LabelValue, MapList, Money
from quartermaster.api.rule import Rule
from quartermaster.api.training_job import CapacityType
from quartermaster.api.training_job_status import Condition

KIND = "ComputePool"
PLURAL = "computepools"


ONE_PRICE = Rule(
    message="give either usdPerNodeHour or usdPerGpuHour",
    holds=lambda price: (price.usd_per_node_hour is None) != (price.usd_per_gpu_hour is None),
    cel="has(self.usdPerNodeHour) != has(self.usdPerGpuHour)",
)


class Price(ApiModel):
    """What a kind of node in the pool costs. The first row that matches a node is taken."""

    RULES: ClassVar = (ONE_PRICE,)

    instance_type: LabelValue | None = None
    """Matches `node.kubernetes.io/instance-type`; unset matches any."""
    accelerator: LabelValue | None = None
    """Matches `nvidia.com/gpu.product`; unset matches any."""
    capacity_type: CapacityType = CapacityType.AUTO
    """`Auto` matches both."""
    usd_per_node_hour: Money | None = None
    """Price of a whole node [USD/h]."""
    usd_per_gpu_hour: Money | None = None
    """Price of one GPU with its share of the node [USD/h]."""


class TolerationOperator(StrEnum):
    """How a toleration's value is compared."""

    EQUAL = "Equal"
    EXISTS = "Exists"


VALUE_NEEDS_EQUAL = Rule(
    message="a toleration's value needs operator Equal: Exists takes any value",
    holds=lambda toleration: (
        not toleration.value or toleration.operator is TolerationOperator.EQUAL
    ),
    cel="!has(self.value) || self.value == '' || self.operator == 'Equal'",
)


class Toleration(ApiModel):
    """A taint of the pool's nodes that jobs placed there are given a pass for."""

    RULES: ClassVar = (VALUE_NEEDS_EQUAL,)

    key: LabelKey
    """The taint's key."""
    operator: TolerationOperator = TolerationOperator.EXISTS
    """`Exists` takes any value; `Equal` only the one given."""
    value: LabelValue = ""
    """The taint's value, for `Equal`."""


class ComputePoolSpec(ApiModel):
    """Which nodes, what they cost, how they are wired."""

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels of the pool's nodes; empty matches every node.

    A node belongs to the first pool by name that matches it."""
    topology_levels: Annotated[list[LabelKey], Field(max_length=8)] = Field(
        default_factory=lambda: ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
    )
    """Node labels that name topology domains, the widest first."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(default_factory=list)
    """Taints of the nodes that jobs placed here may pass, so that users need not know of them."""
    prices: Annotated[list[Price], Field(max_length=256)] = Field(default_factory=list)
    """What the nodes cost; a node without a matching row has an unknown price, never zero."""
    price_source: Annotated[str, Field(max_length=200)] = ""
    """Where these prices come from and of which day, for the reports."""


class ComputePoolStatus(ApiModel):
    """What the pool holds now."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status is about."""
    conditions: Annotated[list[Condition], Field(max_length=8), MapList("type")] = Field(
        default_factory=list
    )
    """The latest observations: Ready."""
    nodes: Annotated[int, Field(ge=0)] = 0
    """Nodes of the pool that are ready [count]."""
    gpus: Annotated[int, Field(ge=0)] = 0
    """GPUs on them [count]."""
    gpus_used: Annotated[int, Field(ge=0)] = 0
    """GPUs that pods hold [count]."""
