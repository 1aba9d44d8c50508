"""The cluster as one cycle sees it: nodes, what they have and hold, and their pools."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from typing_extensions import override

from quartermaster.domain.money.price import OnPremises, Price
from quartermaster.domain.resources import NOTHING, GpuResource, Resources

NODE_LEVEL = "kubernetes.io/hostname"
"""The innermost topology level: every node is a domain of it."""
USUAL_NEEDS = Resources(cpu_m=1000, memory=4 * 2**30)
"""What a worker of one GPU asks for if it does not say."""


class Capacity(StrEnum):
    """How a node was bought."""

    SPOT = "Spot"
    ON_DEMAND = "OnDemand"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Taint:
    """A node's taint that keeps pods off (NoSchedule or NoExecute)."""

    key: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Reclaim:
    """That a node is about to be taken away."""

    by: str
    """Who says so, in words: `AWS`, `Karpenter`."""
    why: str
    """What it is: `spot interruption`, `maintenance`."""
    grace_s: float | None = None
    """Time from the notice to the end of the machine [s]; None where nobody says."""
    since: datetime | None = None
    """When the notice was given; None where nobody says."""

    @override
    def __str__(self) -> str:
        """`AWS spot interruption, 120 s from the notice`."""
        grace = "" if self.grace_s is None else f", {self.grace_s:.0f} s from the notice"
        return f"{self.by} {self.why}{grace}"


@dataclass(frozen=True, slots=True)
class Node:
    """One node."""

    name: str
    allocatable: Resources
    used: Resources = NOTHING
    """What pods that are bound or placed here hold."""
    labels: Mapping[str, str] = field(default_factory=dict)
    accelerator: str = ""
    """GPU model as GPU feature discovery names it; empty without GPUs."""
    gpu_resource: GpuResource = GpuResource.NVIDIA
    """What its GPUs are asked for as."""
    instance_type: str = ""
    capacity: Capacity = Capacity.UNKNOWN
    ready: bool = True
    cordoned: bool = False
    taints: tuple[Taint, ...] = ()
    daemons: Resources = NOTHING
    """What of `used` pods hold that every node has: it is never free for others."""
    fractions: Mapping[str, Fraction] = field(default_factory=dict)
    """What a part is of a GPU, by the parts' resource; absent where that is unknown."""
    reclaim: Reclaim | None = None
    """That it is about to be taken away; None while nobody says so."""
    parted_gpus: Fraction | None = None
    """GPUs of a node that has parts, whole and parted [count]; None where that is unknown."""
    provider: str = ""
    """Whose machine it is: `aws`, `gcp`, `azure`, ...; empty where nothing says it."""
    region: str = ""
    zone: str = ""
    told_usd_per_hour: Fraction | None = None
    """What its annotation says that it costs [USD/h]; None where it says nothing."""
    price: Price | None = None
    """What it costs by all that is known beside its pool; None where that is unknown."""
    on_demand_usd_per_hour: Fraction | None = None
    """What lists say that such a machine costs on demand [USD/h]; None where they do not know."""
    created: datetime | None = field(default=None, compare=False)
    """When it joined the cluster. No two nodes differ by it: what they are does not change."""
    uid: str = field(default="", compare=False)

    @property
    def gpu_count(self) -> Fraction | None:
        """GPUs, whole and parted [count]; None where it has parts of nobody knows how many."""
        if self.parted_gpus is not None:
            return self.parted_gpus
        return None if self.allocatable.parts else Fraction(self.allocatable.gpus)

    def gpus_in(self, amount: Resources) -> Fraction | None:
        """What whole GPUs and parts make in GPUs of this node; None where a part is unknown."""
        total = Fraction(amount.gpus)
        for name, count in amount.parts:
            if name not in self.fractions:
                return None
            total += self.fractions[name] * count
        return total

    @property
    def free(self) -> Resources:
        """What is left; negative where the node is overdrawn."""
        return self.allocatable - self.used


def is_mig(accelerator: str) -> bool:
    """Whether a GPU model's label says that the node offers MIG devices as if they were GPUs.

    That is MIG's single strategy; only who names such a label gets them for GPUs.
    """
    return "-MIG-" in accelerator


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint that workers of a pool may pass; `value` None means any."""

    key: str
    value: str | None = None

    def covers(self, taint: Taint) -> bool:
        """Whether this lets a pod onto a node with `taint`."""
        return self.key == taint.key and self.value in (None, taint.value)


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of a pool's price list; unset fields match anything."""

    instance_type: str | None = None
    accelerator: str | None = None
    capacity: Capacity | None = None
    usd_per_node_hour: Fraction | None = None
    usd_per_gpu_hour: Fraction | None = None

    def matches(self, node: Node) -> bool:
        """Whether this row is about such a node."""
        return (
            self.instance_type in (None, node.instance_type)
            and self.accelerator in (None, node.accelerator)
            and self.capacity in (None, node.capacity)
        )


@dataclass(frozen=True, slots=True)
class Link:
    """What joins the domains of one topology level."""

    level: str
    """The label that names the domains; `NODE_LEVEL`: the nodes' own links."""
    bandwidth: float
    """For each node that sends across it, one direction, above zero [byte/s]."""
    latency: float = 0.0
    """What it adds to a message's way, one direction [s]."""


@dataclass(frozen=True, slots=True)
class Pool:
    """A kind of capacity."""

    name: str
    selector: Mapping[str, str] = field(default_factory=dict)
    topology_levels: tuple[str, ...] = (
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    )
    """Node labels that name domains, the widest first."""
    links: tuple[Link, ...] = ()
    """What joins the domains of these levels, and the nodes; a level without one slows nobody."""
    prices: tuple[PriceRow, ...] = ()
    price_source: str = ""
    on_premises: tuple[OnPremises, ...] = ()
    """What its GPUs were bought for, for nodes of which nothing else says a price."""
    tolerations: tuple[Toleration, ...] = ()

    def holds(self, node: Node) -> bool:
        """Whether the node carries the pool's labels."""
        return all(node.labels.get(key) == value for key, value in self.selector.items())


NO_POOL = Pool(name="")
"""Nodes that no ComputePool names: usable, and priced by what is known beside pools."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one decision is made from."""

    nodes: tuple[Node, ...] = ()
    pools: tuple[Pool, ...] = ()
    """Sorted by name; a node belongs to the first that holds it."""
    gpu_needs: Resources = USUAL_NEEDS
    """CPU and memory that a GPU which is free is kept usable with."""

    def loaded(self, more: Mapping[str, Resources]) -> "Snapshot":
        """It with more held on some nodes, by name."""
        if not more:
            return self
        nodes = (
            replace(node, used=node.used + more[node.name]) if node.name in more else node
            for node in self.nodes
        )
        return replace(self, nodes=tuple(nodes))

    def pool_of(self, node: Node) -> Pool:
        """The pool that a node belongs to."""
        return next((pool for pool in self.pools if pool.holds(node)), NO_POOL)

    def usage(self) -> dict[tuple[str, str], tuple[int, int, int]]:
        """Ready nodes, their GPUs and the GPUs in use, by pool and GPU model [count]."""
        totals: dict[tuple[str, str], tuple[int, int, int]] = {}
        for node in self.nodes:
            if not node.ready:
                continue
            key = (self.pool_of(node).name, node.accelerator)
            nodes, gpus, used = totals.get(key, (0, 0, 0))
            has, holds = _counted(node)
            totals[key] = (nodes + 1, gpus + has, used + holds)
        return totals


def _counted(node: Node) -> tuple[int, int]:
    """GPUs of a node and GPUs in use; one of which a part is in use is in use [count]."""
    if not node.allocatable.parts:
        return node.allocatable.gpus, node.used.gpus
    has, holds = node.gpu_count, node.gpus_in(node.used)
    if has is None or holds is None:
        return node.allocatable.gpus, node.used.gpus
    # A device that two classes choose is held in both of them, and is one GPU all the same.
    return math.ceil(has), min(math.ceil(has), math.ceil(holds))
