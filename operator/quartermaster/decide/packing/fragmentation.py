"""How much of a node's idle GPU the pods to come cannot use (Weng et al., ATC 2023)."""

from dataclasses import dataclass

import numpy as np

from quartermaster.decide.packing.fleet import Floats, Integers, States, TaskClasses
from quartermaster.decide.packing.workload import Workload


@dataclass(frozen=True, slots=True)
class Fragmentation:
    """Expected idle GPU of a node that one pod of the workload cannot use.

    For a class that does not fit, or that asks for no GPU, all that is idle counts; for one that
    fits, what is idle on devices too full for it. The mean is over the classes by popularity.
    Memory is left out, as in the paper.
    """

    classes: TaskClasses
    popularity: Floats
    sizes: Integers
    """The different shares asked for [milli-GPU]."""
    size_of: Integers
    """[C], the place of each class among the sizes."""

    @staticmethod
    def of(workload: Workload) -> "Fragmentation":
        """The measure for a workload, as a rule its `typical` part."""
        sizes, size_of = np.unique(workload.classes.milli, return_inverse=True)
        return Fragmentation(workload.classes, workload.popularity, sizes, size_of.ravel())

    def __call__(self, states: States) -> Floats:
        """[S], fragmentation of a node in each state [milli-GPU]."""
        classes = self.classes
        too_full = states.gpu[:, :, np.newaxis] < self.sizes
        large_enough = (~too_full).sum(axis=1)[:, self.size_of]
        unusable = (states.gpu[:, :, np.newaxis] * too_full).sum(axis=1)[:, self.size_of]
        runs = (states.cpu[:, np.newaxis] >= classes.cpu) & (large_enough >= classes.gpus)
        runs &= (classes.gpus > 0) & ((classes.models & states.model) > 0)
        idle = states.idle[:, np.newaxis]
        fragment: Floats = np.where(runs, unusable, idle) @ self.popularity
        return fragment
