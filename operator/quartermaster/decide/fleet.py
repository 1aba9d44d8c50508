"""The cluster in arrays: what does not change about its nodes, and what is held on them.

Shapes: N nodes, sorted by name; R resources, a row for each of `FIXED` and for each part of GPUs
that a node of the cluster offers.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import attrgetter

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from quartermaster.domain.cluster import NO_POOL, USUAL_NEEDS, Node, Pool, Snapshot
from quartermaster.domain.resources import Amounts, Resources
from quartermaster.domain.resources import amounts as amounts_of

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FIXED = ("cpu_m", "memory", "gpus", "pods")
"""What is counted on every cluster, in the order of the rows; the parts of GPUs come after it."""
CPU, MEMORY, GPUS = range(3)
"""Rows of `FIXED`."""
_READ = attrgetter(*FIXED)
LARGEST = 2**61
"""No amount is taken for larger, so that sums and differences of amounts stay in range."""


def amounts(amount: Resources, parts: Sequence[str] = ()) -> list[int]:
    """[R], one amount as a column; parts that are not named are left out."""
    return [max(-LARGEST, min(LARGEST, it)) for it in _row(amount, parts)]


def _row(amount: Resources, parts: Sequence[str]) -> tuple[int, ...]:
    fixed: tuple[int, ...] = _READ(amount)
    if not parts:
        return fixed
    has = dict(amount.parts)
    return (*fixed, *(has.get(name, 0) for name in parts))


def columns(some: Iterable[Resources], parts: Sequence[str] = ()) -> Integers:
    """[R, N], amounts side by side; parts that are not named are left out."""
    rows = [_row(one, parts) for one in some] if parts else list(map(_READ, some))
    try:
        found = np.array(rows, np.int64)
    except OverflowError:
        clipped = [[max(-LARGEST, min(LARGEST, it)) for it in row] for row in rows]
        found = np.array(clipped, np.int64)
    side_by_side = found.reshape(len(rows), len(FIXED) + len(parts)).T
    return np.ascontiguousarray(np.clip(side_by_side, -LARGEST, LARGEST))


def times_within(each: Resources, room: Integers, parts: Sequence[str] = ()) -> Integers:
    """[N], how many of `each` fit into each of [R, N] rooms [count]; 0 where one is overdrawn.

    Args:
        each: What is to fit.
        room: Into what.
        parts: The parts of GPUs that the rooms have rows for; of others they have none.
    """
    needs = enumerate(amounts(each, parts))
    counts = [room[column] // need for column, need in needs if need > 0]
    lacking = any(need > 0 and name not in parts for name, need in each.parts)
    if lacking or not counts:
        return np.zeros(room.shape[1], np.int64)
    found: Integers = np.maximum(0, reduce(np.minimum, counts))
    return found


@dataclass(frozen=True, slots=True)
class NodeClass:
    """Nodes that differ by names, domains and what they hold."""

    node: Node
    """One of them."""
    pool: Pool


@dataclass(frozen=True, slots=True)
class Level:
    """The domains that one label names."""

    values: tuple[str, ...]
    """[D], sorted."""
    domain_of: Integers
    """[N], index into `values`; -1 where a node lacks the label."""


class Estate:
    """What stays as it is while pods come and go.

    What decisions have worked out about it, and want to find again, is in `kept`: it changes how
    long an answer takes, never the answer.
    """

    def __init__(
        self, nodes: Iterable[Node], pools: Sequence[Pool], parts: Sequence[str] | None = None
    ) -> None:
        self.nodes = tuple(sorted(nodes, key=lambda node: node.name))
        """[N]"""
        if parts is None:
            offered = {name for node in self.nodes for name, _ in node.allocatable.parts}
            parts = sorted(offered)
        self.parts = tuple(parts)
        """Parts of GPUs that have a row each. What no node offers nobody can take: none is free."""
        self.pools = tuple(pools)
        self.position = {node.name: index for index, node in enumerate(self.nodes)}
        self.allocatable = columns((node.allocatable for node in self.nodes), self.parts)
        """[R, N]"""
        self.devices: Integers = self.allocatable[GPUS] + self.allocatable[len(FIXED) :].sum(axis=0)
        """[N], GPUs and parts of GPUs, each counted as one [count]."""
        self.daemons = columns((node.daemons for node in self.nodes), self.parts)
        """[R, N], what of the allocatable is never free for others."""
        numbers: dict[Hashable, int] = {}
        classes: list[NodeClass] = []
        class_of: list[int] = []
        for node in self.nodes:
            pool = self.pool_of(node)
            number = numbers.setdefault((pool.name, *_traits(node)), len(numbers))
            if number == len(classes):
                classes.append(NodeClass(node, pool))
            class_of.append(number)
        self.classes = tuple(classes)
        """[C], by the first node of each."""
        self.class_of: Integers = np.array(class_of, np.int64)
        """[N], index into `classes`."""
        self.counts: list[int] = np.bincount(self.class_of, minlength=len(classes)).tolist()
        """[C], nodes of each class [count]."""
        self.kept: dict[Hashable, object] = {}
        self._levels: dict[str, Level] = {}

    def pool_of(self, node: Node) -> Pool:
        """The pool that a node belongs to."""
        return next((pool for pool in self.pools if pool.holds(node)), NO_POOL)

    def level(self, label: str) -> Level:
        """The domains that a label names."""
        if label not in self._levels:
            told = [node.labels.get(label) for node in self.nodes]
            values = tuple(sorted({value for value in told if value is not None}))
            index = {value: number for number, value in enumerate(values)}
            domain_of = [-1 if value is None else index[value] for value in told]
            self._levels[label] = Level(values, np.array(domain_of, np.int64))
        return self._levels[label]

    def same_as(self, nodes: Sequence[Node], pools: Sequence[Pool]) -> bool:
        """Whether these nodes, sorted by name, are like these but for what they hold."""
        return (
            len(nodes) == len(self.nodes)
            and tuple(pools) == self.pools
            and all(map(_alike, nodes, self.nodes))
        )


def _traits(node: Node) -> tuple[Hashable, ...]:
    return (
        node.accelerator,
        node.capacity,
        node.instance_type,
        node.ready,
        node.cordoned,
        node.taints,
        node.reclaim is None,
        node.allocatable,
        node.gpu_resource,
        node.parted_gpus,
        node.price,
        tuple(sorted(node.fractions.items())) if node.fractions else (),
    )


def _alike(node: Node, other: Node) -> bool:
    if node is other:
        return True
    same = node.name == other.name and node.daemons == other.daemons
    labels = node.labels is other.labels or node.labels == other.labels
    return same and labels and _traits(node) == _traits(other)


@dataclass(frozen=True, slots=True, eq=False)
class Fleet:
    """A cluster at one moment. Its arrays are never written to."""

    estate: Estate
    used: Integers
    """[R, N], what pods hold."""
    gpu_needs: Resources = USUAL_NEEDS
    """CPU and memory that a GPU which is free is kept usable with."""

    @property
    def free(self) -> Integers:
        """[R, N], what is left; negative where a node is overdrawn."""
        left: Integers = self.estate.allocatable - self.used
        return left

    def loaded(self, more: Mapping[str, Resources]) -> "Fleet":
        """It with more, or with negative amounts less, held on some of its nodes."""
        here = {name: load for name, load in more.items() if name in self.estate.position}
        if not here:
            return self
        used = self.used.copy()
        used[:, [self.estate.position[name] for name in here]] += columns(
            here.values(), self.estate.parts
        )
        return replace(self, used=used)

    @override
    def __eq__(self, other: object) -> bool:
        """Whether both have equal nodes, on which as much is held."""
        if not isinstance(other, Fleet):
            return NotImplemented
        same = self.estate is other.estate or self.estate.same_as(
            other.estate.nodes, other.estate.pools
        )
        held = self.estate.parts == other.estate.parts and np.array_equal(self.used, other.used)
        return same and held and self.gpu_needs == other.gpu_needs

    __hash__ = None  # type: ignore[assignment]

    def room(self, name: str, each: Resources) -> int:
        """How many of `each` fit on a node now [count]; 0 where there is no such node."""
        index = self.estate.position.get(name)
        if index is None:
            return 0
        left = self.estate.allocatable[:, [index]] - self.used[:, [index]]
        return int(times_within(each, left, self.estate.parts)[0])

    def devices(self, classes: Sequence[bool]) -> int:
        """Free GPUs and parts of GPUs on the nodes of some classes [count].

        Args:
            classes: [C], which.
        """
        some = np.array(classes, np.bool_)[self.estate.class_of]
        return int(idle_devices(self.free[:, some]).sum())

    def snapshot(self) -> Snapshot:
        """The same, node by node, by name."""
        held = [resources(column, self.estate.parts) for column in self.used.T.tolist()]
        nodes = (
            node if node.used == used else replace(node, used=used)
            for node, used in zip(self.estate.nodes, held, strict=True)
        )
        return Snapshot(tuple(nodes), self.estate.pools, self.gpu_needs)


def resources(column: Sequence[int], parts: Sequence[str]) -> Resources:
    """One column as an amount.

    Args:
        column: [R].
        parts: What its rows after the fixed ones count.
    """
    cpu_m, memory, gpus, pods, *counts = column
    held: Amounts = amounts_of(dict(zip(parts, counts, strict=True))) if parts else ()
    return Resources(cpu_m, memory, gpus, pods, held)


def idle_devices(free: Integers) -> Integers:
    """[N], GPUs and parts of them in [R, N] of what is free; what is overdrawn counts none."""
    idle: Integers = np.maximum(0, free[GPUS])
    parts = free[len(FIXED) :]
    return idle + np.maximum(0, parts).sum(axis=0) if len(parts) else idle


def fleet_of(snapshot: Snapshot, before: Estate | None = None) -> Fleet:
    """The arrays of a snapshot.

    Args:
        snapshot: The cluster.
        before: What an earlier snapshot had; it is used again where nothing has changed but what
            pods hold.
    """
    nodes = sorted(snapshot.nodes, key=lambda node: node.name)
    if before is None or not before.same_as(nodes, snapshot.pools):
        before = Estate(nodes, snapshot.pools)
    used = columns((node.used for node in nodes), before.parts)
    return Fleet(before, used, snapshot.gpu_needs)


def as_fleet(cluster: Snapshot | Fleet) -> Fleet:
    """The arrays of a cluster, made where there are none."""
    return cluster if isinstance(cluster, Fleet) else fleet_of(cluster)


def tightest(fleets: Iterable[Fleet]) -> Fleet:
    """Of each node the least that is free in any of the fleets, which have the same nodes."""
    first, *others = {id(fleet): fleet for fleet in fleets}.values()
    if not others:
        return first
    used: Integers = reduce(np.maximum, (fleet.used for fleet in others), first.used)
    return replace(first, used=used)


def confined(fleet: Fleet, places: Mapping[str, int], each: Resources) -> Fleet:
    """The fleet of these nodes alone, with no more room on each than for so many workers."""
    estate = fleet.estate
    wanted = [name for name, count in places.items() if count and name in estate.position]
    some = sorted(estate.position[name] for name in wanted)
    less = Estate((estate.nodes[index] for index in some), estate.pools, estate.parts)
    need = np.array([amounts(each, estate.parts)], np.int64).T
    counts = np.array([places[node.name] for node in less.nodes], np.int64)
    used: Integers = np.maximum(fleet.used[:, some], less.allocatable - need * counts)
    return Fleet(less, used, fleet.gpu_needs)
