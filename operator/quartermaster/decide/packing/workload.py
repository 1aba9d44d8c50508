"""Which task classes come how often: all that a scorer may know of the pods to come."""

from dataclasses import dataclass

import numpy as np

from quartermaster.decide.packing.fleet import Floats, Integers, TaskClasses

TYPICAL = 0.95
"""Share of the pods that the typical classes make up (Weng et al., ATC 2023)."""


@dataclass(frozen=True, slots=True)
class Workload:
    """Task classes and their popularity."""

    classes: TaskClasses
    popularity: Floats
    """[C], share of all pods, sums to 1."""

    @property
    def demand_share(self) -> Floats:
        """[C], share of the GPU asked for, sums to 1; all 0 where nobody asks for GPUs."""
        demand = self.popularity * self.classes.demand
        total = float(demand.sum())
        return demand / total if total > 0 else demand


def observed(classes: TaskClasses, arrivals: Integers) -> Workload:
    """The workload that pods seen so far make up.

    Args:
        classes: Task classes.
        arrivals: The class of each pod.

    Raises:
        ValueError: There are no pods.
    """
    if len(arrivals) == 0:
        raise ValueError("a workload is made from one pod at least")
    counts = np.bincount(arrivals, minlength=len(classes))
    return Workload(classes, counts / counts.sum())


def typical(workload: Workload, share: float = TYPICAL) -> Workload:
    """The most frequent classes that together make up `share` of the pods.

    Classes that differ in memory only are one here, for fragmentation does not look at memory; it
    gets the most that any of them asks for. Of equally frequent ones the smaller comes first.
    """
    classes = workload.classes
    asked = np.stack([classes.cpu, classes.gpus, classes.milli, classes.models], axis=1)
    rows, which = np.unique(asked, axis=0, return_inverse=True)
    popularity = np.bincount(which.ravel(), weights=workload.popularity)
    memory = np.zeros(len(rows), dtype=np.int64)
    np.maximum.at(memory, which.ravel(), classes.memory)
    order = np.argsort(-popularity, kind="stable")
    reached = int(np.searchsorted(np.cumsum(popularity[order]), share - 1e-12)) + 1
    kept = order[:reached]
    merged = TaskClasses(rows[:, 0], memory, rows[:, 1], rows[:, 2], rows[:, 3]).at(kept)
    return Workload(merged, popularity[kept] / popularity[kept].sum())
