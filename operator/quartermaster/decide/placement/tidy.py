"""What a single worker breaks on a node.

The measure is the stranding of ADR-0010 without a forecast of who comes: idle GPUs, less those that
the CPU and memory that are left can serve at the node's own ratio.
"""

from quartermaster.decide.placement.spare import idle_devices
from quartermaster.domain.cluster import Node
from quartermaster.domain.resources import Resources

PLACES = 9
"""Digits to which stranding is compared: less is rounding."""


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


def harm(node: Node, each: Resources) -> float:
    """GPUs that a worker strands, and the part of the node that was idle: whole nodes go last."""
    free = node.free
    more = stranded(node, free - each) - stranded(node, free)
    idle = idle_devices(free) / max(1, node.allocatable.devices)
    return round(more + idle, PLACES)
