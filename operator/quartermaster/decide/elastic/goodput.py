"""Goodput: samples a second, times what each of them teaches. The batch is the one that has most.

Pollux (Qiao et al., OSDI 2021, section 3.1): a sample of a batch m teaches
E(m) = (phi + m0) / (phi + m) of what one of the first batch m0 does, where phi is the gradient
noise scale (McCandlish et al., 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quartermaster.decide.elastic.throughput import StepModel, Vector

BATCHES = 50
"""Batch sizes that are looked at between the smallest and the largest, evenly by ratio [count]."""
_SLACK = 1e-8
"""What a quotient may exceed a whole number by before it is rounded up."""


class Profile(Protocol):
    """What is known of a job's speed."""

    def rates(self, accelerator: str, nodes: Vector, workers: Vector) -> Vector:
        """Goodput on these numbers of nodes and workers of a GPU model [sample/s].

        Zero where the job cannot run, or where nothing is known of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class BatchLimits:
    """Which batch sizes a job may take on one GPU model [sample]."""

    initial: int
    """What the hyperparameters were chosen for."""
    largest: int
    local_smallest: int
    local_largest: int
    """What fits in the memory of one GPU at once."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """The best batch of each configuration; arrays of one shape."""

    goodput: Vector
    """[sample/s]; zero where no batch is allowed."""
    local_batch: Vector
    """Samples of a worker at once [sample]."""
    accumulated: Vector
    """Further batches of a worker before they synchronise [count]."""


def efficiency(batch: Vector, initial: float, noise_scale: float) -> Vector:
    """What a sample of this batch teaches beside one of the initial batch [1].

    Args:
        batch: Samples of a step, all workers [sample].
        initial: The batch that counts as 1 [sample].
        noise_scale: phi [sample].
    """
    return (noise_scale + initial) / (noise_scale + batch)


def tune(
    model: StepModel, noise_scale: float, limits: BatchLimits, nodes: Vector, workers: Vector
) -> Tuning:
    """The batch with the highest goodput for each (nodes, workers).

    A batch that does not fit in memory is split and accumulated. A single worker that goes beyond
    the initial batch accumulates once at least: from one batch alone no noise can be told.
    """
    smallest = np.maximum(limits.initial, limits.local_smallest * workers)
    allowed = smallest <= limits.largest
    batch = np.geomspace(np.minimum(smallest, limits.largest), limits.largest, BATCHES)
    local = batch / workers
    parts = np.maximum(np.ceil(local / limits.local_largest - _SLACK), 1)
    lonely = (workers == 1) & (local > limits.initial + _SLACK)
    parts = np.where(lonely, np.maximum(parts, 2), parts)
    at_once = np.ceil(local / parts - _SLACK)
    total = workers * at_once * parts
    seconds = model.step_seconds(nodes, workers, at_once)
    seconds = seconds + (parts - 1) * model.gradient_seconds(at_once)
    goodput = total / seconds * efficiency(total, limits.initial, noise_scale)
    fits = (at_once >= limits.local_smallest) & (at_once <= limits.local_largest) & allowed
    goodput = np.where(fits, goodput, 0.0)
    best = np.argmax(goodput, axis=0)[None]
    return Tuning(
        goodput=np.take_along_axis(goodput, best, 0)[0],
        local_batch=np.take_along_axis(at_once, best, 0)[0],
        accumulated=np.take_along_axis(parts, best, 0)[0] - 1,
    )


@dataclass(frozen=True, slots=True)
class ElasticProfile:
    """A job that may take any batch: what is fitted on some GPU models, carried over to others."""

    models: Mapping[str, StepModel]
    """By GPU model; those on which the job was seen."""
    noise_scale: float
    """phi of the present phase of the training [sample]."""
    limits: Mapping[str, BatchLimits]
    """By GPU model; a model that is absent cannot run the job."""
    speeds: Mapping[str, float]
    """Throughput of one GPU alone [sample/s]; only ratios count. Carries a fit to another model."""

    def model(self, accelerator: str) -> StepModel | None:
        """The fit for a GPU model, its own or the nearest one's scaled; None: nothing is known."""
        if accelerator in self.models:
            return self.models[accelerator]
        if not self.models or accelerator not in self.speeds:
            return None
        own = self.speeds[accelerator]
        known = [name for name in self.models if name in self.speeds]
        if not known:
            return None
        # The one that is nearest in speed: its balance of gradients and synchronisation is.
        source = min(known, key=lambda name: (abs(np.log(self.speeds[name] / own)), name))
        return self.models[source].faster(own / self.speeds[source])

    def rates(self, accelerator: str, nodes: Vector, workers: Vector) -> Vector:
        """Goodput [sample/s], see `Profile`. Of a job that was never seen, that of one GPU."""
        if accelerator not in self.limits:
            return np.zeros_like(workers)
        model = self.model(accelerator)
        if model is None:
            return np.where(workers == 1, self.speeds.get(accelerator, 0.0), 0.0)
        return tune(model, self.noise_scale, self.limits[accelerator], nodes, workers).goodput


@dataclass(frozen=True, slots=True)
class RigidProfile:
    """A job of a fixed number of workers: one rate for each GPU model."""

    workers: int
    by_accelerator: Mapping[str, float]
    """[sample/s]"""

    def rates(self, accelerator: str, nodes: Vector, workers: Vector) -> Vector:
        """The rate where the number of workers is the job's, else zero [sample/s]."""
        del nodes
        return np.where(workers == self.workers, self.by_accelerator.get(accelerator, 0.0), 0.0)
