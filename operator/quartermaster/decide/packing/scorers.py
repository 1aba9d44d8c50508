"""Scorers of the literature. Each says how good an option is; more is better.

What is published of them rests on whole-number scores and on ties going to the first node: a score
in finer steps packs worse by one to five points. See ADR-0010.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quartermaster.decide.packing.fleet import WHOLE, Floats, Room
from quartermaster.decide.packing.fragmentation import Fragmentation
from quartermaster.decide.packing.options import Options

BEST = 100
"""The best score of a node, as kube-scheduler counts."""


class Scorer(Protocol):
    """How good it is to put a pod there. It sees one node, so equal rooms have equal scores."""

    def score(self, room: Room, options: Options) -> Floats:
        """[S], more is better."""
        ...


@dataclass(frozen=True, slots=True)
class Indifferent:
    """All options are equal: first fit, or a random node where chance breaks ties."""

    def score(self, room: Room, options: Options) -> Floats:  # noqa: ARG002 - it looks at nothing
        """[S], zeros."""
        return np.zeros(len(options.task_class))


@dataclass(frozen=True, slots=True)
class BestFit:
    """Leave as little as possible on the node: the mean of the CPU and the GPU that are left."""

    largest_cpu: int
    """The most CPU that a node has [milli-CPU]."""
    largest_gpu: int
    """The most GPU that a node has [milli-GPU]."""

    def score(self, room: Room, options: Options) -> Floats:  # noqa: ARG002 - what is left counts
        """[S], whole numbers from 0 to `BEST`."""
        after = options.after
        left = (after.cpu / self.largest_cpu + after.idle / self.largest_gpu) / 2
        return np.floor(BEST * (1 - left))


@dataclass(frozen=True, slots=True)
class GpuPacking:
    """GPUs that others share first, then free GPUs of nodes in use, then untouched nodes."""

    def score(self, room: Room, options: Options) -> Floats:
        """[S], whole numbers from 0 to `BEST`; within a tier, fuller devices or nodes first."""
        whole_before = sum(free == WHOLE for free in room.gpu)
        whole_after = np.count_nonzero(options.after.gpu == WHOLE, axis=1)
        touched = whole_before > whole_after
        tier = np.where(touched, 1 if whole_before < len(room.gpu) else 0, 2)
        left = np.where(touched, whole_after / max(len(room.gpu), 1), _left_on(options))
        return np.floor(BEST * (tier + 1 - left) / 3)


@dataclass(frozen=True, slots=True)
class FragmentationGradient:
    """FGD (Weng et al., ATC 2023): the least growth of expected fragmentation."""

    fragmentation: Fragmentation

    def score(self, room: Room, options: Options) -> Floats:
        """[S], whole numbers from 0 to `BEST`."""
        growth = self.fragmentation(options.after) - self.fragmentation(room.state)
        return np.floor(BEST / (1 + np.exp(growth / WHOLE)))


def _left_on(options: Options) -> Floats:
    """[S], what the chosen device would have left [GPU]; 0 where no single device is chosen."""
    left = np.zeros(len(options.task_class))
    chosen = np.flatnonzero(options.device >= 0)
    left[chosen] = options.after.gpu[chosen, options.device[chosen]] / WHOLE
    return left
