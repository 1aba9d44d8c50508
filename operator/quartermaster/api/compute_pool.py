"""ComputePool: a kind of capacity, its price and its topology."""

from enum import StrEnum
from itertools import pairwise
from typing import Annotated, ClassVar

from pydantic import Field

from quartermaster.api.base import (
    ABOVE_ZERO,
    ApiModel,
    Decimal9,
    LabelKey,
    LabelValue,
    MapList,
    Money,
)
from quartermaster.api.placement import CapacityType
from quartermaster.api.rule import Keeps, Rule
from quartermaster.api.training_job_status import Condition
from quartermaster.domain.cluster import NODE_LEVEL

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


class OnPremisesPrice(ApiModel):
    """What GPUs cost that were bought. The first row that matches a node is taken."""

    accelerator: LabelValue | None = None
    """Matches `nvidia.com/gpu.product`; unset matches any."""
    usd_per_gpu: Money
    """Paid for one GPU with its share of the machine, the network and the room [USD]."""
    depreciation_years: Annotated[Decimal9, Keeps(ABOVE_ZERO)]
    """After so many years it is worth nothing [year]."""
    watts_per_gpu: Annotated[int, Field(strict=True, ge=0, le=100_000)]
    """Mean draw of one GPU with its share of the machine and of cooling [W]."""
    usd_per_kilowatt_hour: Money
    """Price of electricity [USD/kWh]."""
    utilization_percent: Annotated[int, Field(strict=True, ge=1, le=100)] = 100
    """The part of its hours over which the cost is spread [%].

    100 charges jobs for what they hold; less charges them for the hours beside it too."""


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


class TopologyLink(ApiModel):
    """What joins the domains of one topology level."""

    level: LabelKey
    """The level whose domains it joins: one of `topologyLevels`, or `kubernetes.io/hostname`.

    The latter is each node's own link, in place of its machine type's network card."""
    gigabits_per_second: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
    """For each node, one direction, while all nodes send [Gbit/s].

    Where uplinks are shared, it is the uplinks' speed by the number of nodes below them."""
    latency_microseconds: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = 0
    """What crossing it adds to a message's way, one direction [us]."""


def _outside_in(spec: "ComputePoolSpec") -> list[TopologyLink]:
    """The links of known levels, the widest first; the nodes' own last."""
    order = [level for level in spec.topology_levels if level != NODE_LEVEL]
    links = [link for link in spec.topology_links if link.level in {*order, NODE_LEVEL}]
    return sorted(links, key=lambda link: [*order, NODE_LEVEL].index(link.level))


LEVELS_THAT_ARE = Rule(
    message="a topology link's level must be one of spec.topologyLevels, "
    f"or {NODE_LEVEL} for the nodes' own links",
    holds=lambda spec: len(_outside_in(spec)) == len(spec.topology_links),
    cel="!has(self.topologyLinks) || self.topologyLinks.all(link, "
    f"link.level == '{NODE_LEVEL}' || link.level in self.topologyLevels)",
)
NARROWER_IS_FASTER = Rule(
    message="a topology link cannot be slower than a wider level's, which is reached through it: "
    "name spec.topologyLevels the widest first, and give each link at least the speed around it",
    holds=lambda spec: all(
        inner.gigabits_per_second >= outer.gigabits_per_second
        and inner.latency_microseconds <= outer.latency_microseconds
        for outer, inner in pairwise(_outside_in(spec))
    ),
    cel="!has(self.topologyLinks) || self.topologyLinks.all(outer, self.topologyLinks.all(inner, "
    "outer.level == inner.level"
    f" || outer.level == '{NODE_LEVEL}'"
    f" || (inner.level != '{NODE_LEVEL}'"
    " && self.topologyLevels.indexOf(inner.level) < self.topologyLevels.indexOf(outer.level))"
    " || (inner.gigabitsPerSecond >= outer.gigabitsPerSecond"
    " && inner.latencyMicroseconds <= outer.latencyMicroseconds)))",
)
ONE_LINK_A_LEVEL = Rule(
    message="a topology level has two links",
    # The API server tells it from the list's map key.
    holds=lambda links: len({link.level for link in links}) == len(links),
)


class ComputePoolSpec(ApiModel):
    """Which nodes, what they cost, how they are wired."""

    RULES: ClassVar = (LEVELS_THAT_ARE, NARROWER_IS_FASTER)

    node_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels of the pool's nodes; empty matches every node.

    A node belongs to the first pool by name that matches it."""
    topology_levels: Annotated[list[LabelKey], Field(max_length=8)] = Field(
        default_factory=lambda: ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"]
    )
    """Node labels that name topology domains, the widest first."""
    topology_links: Annotated[
        list[TopologyLink], Field(max_length=9), MapList("level"), Keeps(ONE_LINK_A_LEVEL)
    ] = Field(default_factory=list)
    """How fast the domains of these levels are joined, so that places are weighed by it.

    A level that is not named slows nobody down: what is then known is each node's network card."""
    tolerations: Annotated[list[Toleration], Field(max_length=16)] = Field(default_factory=list)
    """Taints of the nodes that jobs placed here may pass, so that users need not know of them."""
    prices: Annotated[list[Price], Field(max_length=256)] = Field(default_factory=list)
    """What the nodes cost. A node without a matching row has the price that is known elsewhere.

    That is a NodeOverlay's, its annotation's, a list's, or `onPremises`; else it is unknown, never
    zero."""
    price_source: Annotated[str, Field(max_length=200)] = ""
    """Where these prices come from and of which day, for the reports."""
    on_premises: Annotated[list[OnPremisesPrice], Field(max_length=64)] = Field(
        default_factory=list
    )
    """What the GPUs were bought for, for nodes of which nothing else says a price."""


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
