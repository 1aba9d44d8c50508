"""Our scorer: the least GPU that will be left over, looking further ahead than one pod.

Fragmentation (FGD) asks what *one* more pod could not use. A node of 8 GPUs and little CPU looks
whole to it until the CPU is nearly gone. So two more things that a placement costs are added, in
GPUs as well, and from the popularity of the task classes alone. See ADR-0010 for what each brings.

1. Stranding: the GPU that is left when the node is filled until its CPU, or its memory, is gone.
2. Scarcity: how much of the GPUs of this model is wanted by pods that run on few models.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quartermaster.decide.packing.fleet import (
    ANY_MODEL,
    WHOLE,
    Fleet,
    Floats,
    Integers,
    Room,
    States,
)
from quartermaster.decide.packing.fragmentation import Fragmentation
from quartermaster.decide.packing.options import Options
from quartermaster.decide.packing.workload import Workload, typical

QUANTILES = 8
"""Steps in which the workload's CPU and memory per GPU are looked at [count]."""
TIDINESS = 0.1
"""What an empty node of the largest kind counts more than a full one [GPU]: nodes in use first."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What each part counts; all parts are in GPUs, so 1 takes them as they are."""

    fragmentation: float = 1.0
    stranding: float = 1.0
    scarcity: float = 1.0
    tidiness: float = TIDINESS


@dataclass(frozen=True, slots=True)
class LeastStranding:
    """The option after which the least GPU is lost to the pods to come."""

    fragmentation: Fragmentation
    cpu_per_gpu: Floats
    """[Q], quantiles over the GPU asked for [CPU]."""
    memory_per_gpu: Floats
    """[Q], quantiles over the GPU asked for [MiB]."""
    scarcity: Mapping[int, float]
    """By the bit of a GPU model, 0 where no pod is bound to it, see `scarcity`."""
    demand: Integers
    """[C], GPU that a pod of each class asks for [milli-GPU]."""
    largest_cpu: int
    """[milli-CPU]"""
    largest_gpu: int
    """[milli-GPU]"""
    weights: Weights = Weights()

    @staticmethod
    def of(workload: Workload, fleet: Fleet, weights: Weights = Weights()) -> "LeastStranding":
        """For a workload on a fleet, which is looked at as it stands."""
        classes, share = workload.classes, workload.demand_share
        asks = np.flatnonzero(share > 0)
        gpus = classes.demand[asks] / WHOLE
        return LeastStranding(
            fragmentation=Fragmentation.of(typical(workload)),
            cpu_per_gpu=quantiles(classes.cpu[asks] / WHOLE / gpus, share[asks]),
            memory_per_gpu=quantiles(classes.memory[asks] / gpus, share[asks]),
            scarcity=scarcity(workload, fleet),
            demand=classes.demand,
            largest_cpu=max(int(fleet.cpu.max(initial=0)), 1),
            largest_gpu=max(int(fleet.gpu.clip(min=0).sum(axis=1).max(initial=0)), 1),
            weights=weights,
        )

    def score(self, room: Room, options: Options) -> Floats:
        """[S], less than nothing lost is best [GPU]."""
        after, weights = options.after, self.weights
        lost = self.potential(after) - self.potential(room.state)
        scarce = self.scarcity.get(room.model, 0.0) * self.demand[options.task_class] / WHOLE
        left = after.cpu / self.largest_cpu + after.idle / self.largest_gpu
        score: Floats = -(lost + weights.scarcity * scarce + weights.tidiness * left)
        return score

    def potential(self, states: States) -> Floats:
        """[S], GPU of a node that is expected to stay unused [GPU]."""
        weights = self.weights
        idle = states.idle / WHOLE
        stranded = beyond(idle, states.cpu / WHOLE, self.cpu_per_gpu)
        stranded += beyond(idle, states.memory.astype(np.float64), self.memory_per_gpu)
        lost: Floats = (
            weights.fragmentation * self.fragmentation(states) / WHOLE
            + weights.stranding * stranded
        )
        return lost


def beyond(idle: Floats, left: Floats, per_gpu: Floats) -> Floats:
    """[S], idle GPU for which CPU or memory does not suffice, the mean over the quantiles [GPU].

    Args:
        idle: [S], GPU left [GPU].
        left: [S], CPU or memory left.
        per_gpu: [Q], what a pod asks of it for each GPU.
    """
    if len(per_gpu) == 0:
        return np.zeros_like(idle)
    served = np.divide(
        left[:, np.newaxis],
        per_gpu,
        out=np.full((len(left), len(per_gpu)), np.inf),
        where=per_gpu > 0,
    )
    stranded: Floats = np.maximum(idle[:, np.newaxis] - served, 0).mean(axis=1)
    return stranded


def quantiles(values: Floats, weights: Floats) -> Floats:
    """[Q], the middles of `QUANTILES` equal parts of the weight; none where there is no weight."""
    if len(values) == 0:
        return np.zeros(0)
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(weights[order]) / weights.sum()
    middles = (np.arange(QUANTILES) + 0.5) / QUANTILES
    found: Floats = values[order][np.searchsorted(reached, middles)]
    return found


def scarcity(workload: Workload, fleet: Fleet) -> dict[int, float]:
    """By model: the part of its GPUs that pods bound to few models would take in a full cluster.

    Each class that names models is spread over them by their size. Pods that may run anywhere
    bind nothing.
    """
    size = {
        int(bit): float(fleet.gpu[fleet.model == bit].clip(min=0).sum())
        for bit in np.unique(fleet.model)
    }
    total = sum(size.values())
    taken = dict.fromkeys(size, 0.0)
    share = workload.demand_share
    bound = np.flatnonzero(workload.classes.models != ANY_MODEL)
    for row in bound:
        allowed = [bit for bit in size if bit & workload.classes.models[row] and size[bit] > 0]
        room = sum(size[bit] for bit in allowed)
        for bit in allowed:
            taken[bit] += float(share[row]) * total / room
    return taken
