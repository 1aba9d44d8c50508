"""The cluster as one cycle sees it: nodes, what they have and hold, and their pools."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.resources import NOTHING, GpuResource, Resources

UNKNOWN = "Unknown"
NODE_LEVEL = "kubernetes.io/hostname"
"""The innermost topology level: every node is a domain of it."""


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

    @property
    def free(self) -> Resources:
        """What is left; negative where the node is overdrawn."""
        return self.allocatable - self.used


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
    tolerations: tuple[Toleration, ...] = ()

    def holds(self, node: Node) -> bool:
        """Whether the node carries the pool's labels."""
        return all(node.labels.get(key) == value for key, value in self.selector.items())


NO_POOL = Pool(name="")
"""Nodes that no ComputePool names: usable, of unknown price."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one decision is made from."""

    nodes: tuple[Node, ...] = ()
    pools: tuple[Pool, ...] = ()
    """Sorted by name; a node belongs to the first that holds it."""

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
            totals[key] = (nodes + 1, gpus + node.allocatable.gpus, used + node.used.gpus)
        return totals
