"""Snapshots with places given away, given back, or kept: trials that leave the original alone."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.domain.decision import Assignment
from quartermaster.domain.queue import Holding
from quartermaster.domain.resources import NOTHING, Resources

Loads = dict[str, Resources]


def loaded(snapshot: Snapshot, more: Mapping[str, Resources]) -> Snapshot:
    """The snapshot with more, or with negative amounts less, held on some nodes."""
    if not more:
        return snapshot
    nodes = tuple(_loaded(node, more.get(node.name)) for node in snapshot.nodes)
    return replace(snapshot, nodes=nodes)


def taken(snapshot: Snapshot, assignments: Iterable[Assignment], each: Resources) -> Snapshot:
    """The snapshot after these places are given away."""
    more: Loads = {}
    for assignment in assignments:
        more[assignment.node] = more.get(assignment.node, NOTHING) + each
    return loaded(snapshot, more)


def without(
    snapshot: Snapshot, holdings: Iterable[Holding], *, only_leaving: bool = False
) -> Snapshot:
    """The snapshot after these jobs, or what of them is on its way out, have given places back."""
    less: Loads = {}
    for holding in holdings:
        for seat in holding.seats:
            if seat.leaving or not only_leaving:
                less[seat.node] = less.get(seat.node, NOTHING) - holding.per_worker
    return loaded(snapshot, less)


def confined(snapshot: Snapshot, places: Mapping[str, int], each: Resources) -> Snapshot:
    """The snapshot of these nodes alone, with no more room on each than for so many workers."""
    nodes = []
    for node in snapshot.nodes:
        count = places.get(node.name, 0)
        if count:
            used = node.used.larger(node.allocatable - each.times(count))
            nodes.append(replace(node, used=used))
    return replace(snapshot, nodes=tuple(nodes))


def has_room(snapshot: Snapshot, places: Mapping[str, int], each: Resources) -> bool:
    """Whether all these workers fit where they are to go."""
    nodes = {node.name: node for node in snapshot.nodes}
    return all(
        name in nodes and each.times_within(nodes[name].free) >= count
        for name, count in places.items()
    )


def tightest(snapshots: Iterable[Snapshot]) -> Snapshot:
    """Of each node the least that is free in any of the snapshots, which have the same nodes."""
    # By identity: comparing thousands of nodes is not worth it.
    first, *others = {id(snapshot): snapshot for snapshot in snapshots}.values()
    if not others:
        return first
    nodes = []
    for node, *versions in zip(*(one.nodes for one in (first, *others)), strict=True):
        used = node.used
        for version in versions:
            used = used if used == version.used else used.larger(version.used)
        nodes.append(node if used is node.used else replace(node, used=used))
    return replace(first, nodes=tuple(nodes))


def _loaded(node: Node, more: Resources | None) -> Node:
    return node if more is None else replace(node, used=node.used + more)
