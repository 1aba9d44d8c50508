"""What of a GPU node work without GPUs may take: never what a GPU that is free needs.

Such work goes to nodes without GPUs as long as it fits there. Beside GPUs it gets what is left when
each free GPU, or part of one, keeps the CPU and memory that jobs here ask for with a GPU, or its
even share of what daemons leave if that is less.
"""

from collections.abc import Iterable

import numpy as np

from quartermaster.decide import fleet
from quartermaster.decide.fleet import CPU, MEMORY, Estate, Integers
from quartermaster.domain.cluster import USUAL_NEEDS
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


def left(estate: Estate, free: Integers, nodes: Integers, needs: Resources) -> Integers:
    """[R, M], what is free on some nodes for workers without GPUs.

    Args:
        estate: All nodes.
        free: [R, M], what is free on these.
        nodes: [M], which they are.
        needs: CPU and memory that a free GPU is to keep.
    """
    idle = np.where(estate.devices[nodes] > 0, fleet.idle_devices(free), 0)
    even = (estate.allocatable - estate.daemons)[:, nodes]
    kept = free.copy()
    for row, need in ((CPU, needs.cpu_m), (MEMORY, needs.memory)):
        share = even[row] // np.maximum(1, estate.devices[nodes])
        kept[row] -= idle * np.clip(share, 0, max(0, need))
    return kept


def idle_devices(free: Resources) -> int:
    """GPUs and parts of them in what is free; kinds of which too many are held count none."""
    whole = max(0, free.gpus)
    return whole + sum(max(0, count) for _, count in free.parts) if free.parts else whole
