"""Which of equally good nodes a single worker gets: the one on which it breaks the least.

The measure is the stranding of ADR-0010 without a forecast of who comes: idle GPUs, less those that
the CPU and memory that are left can serve at the node's own ratio. A gang of one worker has no
neighbours to be near to, so that any node of the same kind and price is as good to it.
"""

from collections.abc import Iterable
from dataclasses import replace

from quartermaster.decide.placement.candidates import Candidate, Domain
from quartermaster.decide.placement.fit import Slot
from quartermaster.decide.placement.spare import idle_devices
from quartermaster.domain.cluster import Node
from quartermaster.domain.resources import Resources
from quartermaster.domain.workload import Gang

PLACES = 9
"""Digits to which stranding is compared: less is rounding."""


def least_broken(gang: Gang, chosen: Candidate, slots: Iterable[Slot]) -> Candidate:
    """The candidate on the node, of those like its own, on which the worker breaks the least.

    Args:
        gang: Who was placed; a gang of several workers keeps its places.
        chosen: Its places.
        slots: Nodes that it may use.
    """
    if gang.size != 1 or gang.held:
        return chosen
    own, level = chosen.places[0][0], chosen.domain.level
    alike = [slot for slot in slots if slot.free > 0 and _alike(slot, own, level)]
    best = min(alike, key=lambda slot: _harm(slot, gang.per_worker))
    domain = Domain(level, best.node.labels[level]) if level else chosen.domain
    return replace(chosen, places=((best, 1),), domain=domain)


def stranded(node: Node, left: Resources) -> float:
    """GPUs and parts of them that lie idle for want of CPU or memory [count].

    Args:
        node: Whose they are.
        left: What is free on it.
    """
    idle, has, daemons = idle_devices(left), node.allocatable, node.daemons
    if not idle:
        return 0.0
    cpu = max(0, left.cpu_m) / max(1, has.cpu_m - daemons.cpu_m)
    memory = max(0, left.memory) / max(1, has.memory - daemons.memory)
    return max(0.0, idle - has.devices * min(cpu, memory))


def _harm(slot: Slot, each: Resources) -> tuple[float, int, str]:
    """GPUs that it strands, and the part of the node that was idle: whole nodes go last."""
    node, free = slot.node, slot.node.free
    more = stranded(node, free - each) - stranded(node, free)
    idle = idle_devices(free) / max(1, node.allocatable.devices)
    return round(more + idle, PLACES), slot.free, node.name


def _alike(one: Slot, other: Slot, level: str) -> bool:
    """Whether nothing that a decision weighs tells two nodes apart."""
    return (
        one.node.accelerator == other.node.accelerator
        and bool(one.node.allocatable.devices) == bool(other.node.allocatable.devices)
        and one.node.capacity is other.node.capacity
        and one.node.instance_type == other.node.instance_type
        and one.pool.name == other.pool.name
        and one.rate == other.rate
        and (not level or level in one.node.labels)
    )
