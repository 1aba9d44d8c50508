"""Which of equally good nodes a single worker gets: the one on which it breaks the least.

A gang of one worker has no neighbours to be near to, so that any node of the same kind and price is
as good to it.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from quartermaster.decide.fleet import (
    CPU,
    MEMORY,
    Fleet,
    Integers,
    amounts,
    idle_devices,
    resources,
)
from quartermaster.decide.placement.candidates import Candidate, Domain
from quartermaster.decide.placement.kept.ground import Ground
from quartermaster.decide.placement.tidy import PLACES, harm

Reals = npt.NDArray[np.float64]


def least_broken(ground: Ground, fleet: Fleet, chosen: Candidate) -> Candidate:
    """The candidate on the node, of those like its own, on which the worker breaks the least.

    Args:
        ground: The nodes as the gang sees them; a gang of several workers keeps its places.
        fleet: What is held on them.
        chosen: Its places.
    """
    gang, estate, level = ground.gang, ground.estate, chosen.domain.level
    if gang.size != 1 or gang.held:
        return chosen
    alike = ground.like(chosen.seats[0][0], level)
    harms = _harms(ground, fleet, alike)
    near = harms <= harms.min() + 2 * 10.0**-PLACES
    # Of nodes that are equal to the last digit the first by name stands for all.
    pairs = np.stack([harms[near], ground.room[alike[near]].astype(np.float64)])
    _, firsts = np.unique(pairs, axis=1, return_index=True)

    def exactly(index: int) -> tuple[float, int, int]:
        held = resources(fleet.used[:, index].tolist(), estate.parts)
        node = replace(estate.nodes[index], used=held)
        return harm(node, gang.per_worker), int(ground.room[index]), index

    node = min(alike[near][firsts].tolist(), key=exactly)
    domain = Domain(level, estate.nodes[node].labels[level]) if level else chosen.domain
    return ground.candidate(chosen.kind, domain, chosen.breadth, ((node, 1),))


def _harms(ground: Ground, fleet: Fleet, nodes: Integers) -> Reals:
    """[M], `harm` on each of some nodes, not rounded."""
    estate = ground.estate
    free = estate.allocatable[:, nodes] - fleet.used[:, nodes]
    each = np.array([amounts(ground.gang.per_worker, estate.parts)], np.int64).T
    devices = estate.devices[nodes]
    has = np.maximum(1, (estate.allocatable - estate.daemons)[:, nodes])

    def stranded(left: Integers) -> Reals:
        served = np.minimum(
            np.maximum(0, left[CPU]) / has[CPU], np.maximum(0, left[MEMORY]) / has[MEMORY]
        )
        idle = idle_devices(left)
        return np.where(idle > 0, np.maximum(0.0, idle - devices * served), 0.0)

    more = stranded(free - each) - stranded(free)
    harms: Reals = more + idle_devices(free) / np.maximum(1, devices)
    return harms
