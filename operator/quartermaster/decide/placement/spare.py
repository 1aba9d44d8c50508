"""What of a GPU node work without GPUs may take: never what a GPU that is free needs.

Such work goes to nodes without GPUs as long as it fits there. Beside GPUs it gets what is left when
each free GPU, or part of one, keeps the CPU and memory that jobs here ask for with a GPU, or its
even share of what daemons leave if that is less.
"""

from collections.abc import Iterable

from quartermaster.domain.cluster import USUAL_NEEDS, Node
from quartermaster.domain.resources import Resources

LEFT = "nodes with GPUs are left to work that needs them"
"""Why other nodes were not looked at."""
KEPT = "with no more CPU and memory than their free GPUs need"
"""Why nothing fits beside them; read as `N nodes ...`."""


def usual_needs(workers: Iterable[Resources]) -> Resources:
    """The most CPU and memory that a worker asks for with one whole GPU; at least the default.

    Args:
        workers: What one worker of each job asks for.
    """
    most = USUAL_NEEDS
    for each in workers:
        if each.gpus:
            most = most.larger(Resources(-(-each.cpu_m // each.gpus), -(-each.memory // each.gpus)))
    return most


def room(node: Node, each: Resources, needs: Resources) -> Resources:
    """What is free on a node for workers of this kind.

    Args:
        node: With what its pods hold.
        each: What one worker asks for.
        needs: CPU and memory that a free GPU is to keep.
    """
    devices = node.allocatable.devices
    free = node.free
    idle = 0 if each.devices else idle_devices(free)
    if not idle or not devices:
        return free
    even = node.allocatable - node.daemons
    return free - Resources(
        cpu_m=idle * max(0, min(needs.cpu_m, even.cpu_m // devices)),
        memory=idle * max(0, min(needs.memory, even.memory // devices)),
    )


def idle_devices(free: Resources) -> int:
    """GPUs and parts of them in what is free; kinds of which too many are held count none."""
    whole = max(0, free.gpus)
    return whole + sum(max(0, count) for _, count in free.parts) if free.parts else whole
