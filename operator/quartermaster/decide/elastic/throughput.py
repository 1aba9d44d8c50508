"""The time of a training step on any number of workers, fitted to the steps that were seen.

The model is Pollux's (Qiao et al., OSDI 2021, section 3.2): gradients take a time linear in the
batch of a worker, their synchronisation a time linear in the number of workers, apart for workers
on one node and on several, and the two overlap by an exponent.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Vector = NDArray[np.float64]

OVERLAP_RANGE = (1.0, 10.0)
"""1 is no overlap; at 10 the step is as good as the longer part."""
_LOG_RANGE = (-20.0, 6.0)
"""Bounds of the logarithms of the times [log s]: nothing to seven minutes."""
_OVERLAP_PRIOR = 0.03
"""Residual of one unit of overlap: without evidence there is none."""
_RETROGRESSION_PRIOR = 0.1
"""Residual of a step that gets longer by its whole synchronisation with each worker."""
_FARTHER = 1.1
"""Nodes that were never seen to synchronise are taken to be this much slower than one node."""


@dataclass(frozen=True, slots=True)
class Observation:
    """Steps seen in one configuration."""

    nodes: int
    workers: int
    local_batch: float
    """Samples that a worker takes at once [sample]."""
    step_seconds: float
    """A step with synchronisation [s]."""
    sync_seconds: float
    """What of it is not gradients [s]."""


@dataclass(frozen=True, slots=True)
class StepModel:
    """Coefficients of the step's time."""

    gradient: tuple[float, float]
    """Constant [s] and per sample of a worker [s/sample]."""
    between_nodes: tuple[float, float] = (0.0, 0.0)
    """Synchronisation of two workers on two nodes [s], and what each further worker adds [s]."""
    within_node: tuple[float, float] = (0.0, 0.0)
    """The same on one node."""
    overlap: float = 1.0
    """Exponent of the sum of gradients and synchronisation [1]."""

    def gradient_seconds(self, local_batch: Vector) -> Vector:
        """Forward and backward of one worker's batch [s]."""
        return self.gradient[0] + self.gradient[1] * local_batch

    def sync_seconds(self, nodes: Vector, workers: Vector) -> Vector:
        """Synchronisation of one step, were there nothing to hide it behind [s]."""
        more = np.maximum(workers - 2, 0)
        apart = self.between_nodes[0] + self.between_nodes[1] * more
        together = self.within_node[0] + self.within_node[1] * more
        return np.where(nodes > 1, apart, np.where(workers > 1, together, 0.0))

    def step_seconds(self, nodes: Vector, workers: Vector, local_batch: Vector) -> Vector:
        """One step: (gradients^overlap + sync^overlap)^(1/overlap) [s]."""
        gradient = self.gradient_seconds(local_batch)
        sync = self.sync_seconds(nodes, workers)
        # Divided by the longer part first, so that no power of a small time vanishes.
        longer = np.maximum(gradient, sync)
        return longer * ((gradient / longer) ** self.overlap + (sync / longer) ** self.overlap) ** (
            1 / self.overlap
        )

    def faster(self, factor: float) -> "StepModel":
        """The same model on a GPU that is `factor` times as fast in everything [1]."""
        return StepModel(
            gradient=_scaled(self.gradient, factor),
            between_nodes=_scaled(self.between_nodes, factor),
            within_node=_scaled(self.within_node, factor),
            overlap=self.overlap,
        )


def _scaled(pair: tuple[float, float], factor: float) -> tuple[float, float]:
    return pair[0] / factor, pair[1] / factor


def fit(seen: Sequence[Observation]) -> StepModel:
    """The model that explains the observations, and is hopeful about what was not seen.

    Least squares of the logarithms of the gradient's and the step's times. What no observation
    tells about is not fitted: one batch size splits the gradient's time in halves, one worker knows
    of no synchronisation, and nodes that were not seen are a little slower than a node that was.
    Hope is what makes a job be tried with twice the workers; what is seen then corrects it.

    Raises:
        ValueError: Nothing was seen.
    """
    if not seen:
        raise ValueError("no observation: nothing to fit a step to")
    table = np.array(
        [(o.nodes, o.workers, o.local_batch, o.step_seconds, o.sync_seconds) for o in seen],
        dtype=np.float64,
    )
    nodes, workers, batch, step, sync = table.T
    gradient = np.maximum(step - sync, 1e-9)
    apart, together = nodes > 1, (nodes == 1) & (workers > 1)
    start = _start(batch, gradient, (apart, together), sync)
    free = _told(batch, workers, (apart, together))
    fixed = np.where(free, 0.0, np.where(np.isnan(start), 0.0, start))

    def residuals(x: Vector) -> Vector:
        model = _model(_merged(fixed, free, x), free)
        predicted_gradient = model.gradient_seconds(batch)
        predicted_step = model.step_seconds(nodes, workers, batch)
        priors = [_OVERLAP_PRIOR * (model.overlap - 1)]
        priors += [
            _RETROGRESSION_PRIOR * pair[1] / pair[0]
            for pair in (model.between_nodes, model.within_node)
            if pair[0] > 0
        ]
        return np.concatenate(
            [np.log(predicted_gradient / gradient), np.log(predicted_step / step), priors]
        )

    lower = np.array([_LOG_RANGE[0]] * 6 + [OVERLAP_RANGE[0]])[free]
    upper = np.array([_LOG_RANGE[1]] * 6 + [OVERLAP_RANGE[1]])[free]
    begin = np.clip(start[free], lower + 1e-6, upper - 1e-6)
    found = least_squares(residuals, begin, bounds=(lower, upper), xtol=1e-6, ftol=1e-6, gtol=1e-6)
    model = _model(_merged(fixed, free, found.x), free)
    return model if apart.any() else _with_farther_nodes(model)


def _start(
    batch: Vector,
    gradient: Vector,
    where: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    sync: Vector,
) -> Vector:
    """Where the search begins: logarithms of six times, and the overlap."""
    half = gradient.mean() / 2
    start = [np.log(half), np.log(half / batch.mean())]
    for mask in where:
        typical = float(np.median(np.maximum(sync[mask], 1e-6))) if mask.any() else 1.0
        start += [np.log(typical), np.log(typical / 20)]
    return np.array([*start, 1.01])


def _told(
    batch: Vector, workers: Vector, where: tuple[NDArray[np.bool_], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Which of the seven coefficients the observations say anything about."""
    apart, together = where
    more = workers > 2
    several = len(np.unique(batch)) > 1
    return np.array(
        [
            several,
            True,
            apart.any(),
            (apart & more).any(),
            together.any(),
            (together & more).any(),
            apart.any() or together.any(),
        ]
    )


def _merged(fixed: Vector, free: NDArray[np.bool_], x: Vector) -> Vector:
    merged = fixed.copy()
    merged[free] = x
    return merged


def _model(x: Vector, free: NDArray[np.bool_]) -> StepModel:
    times = np.exp(x[:6])
    known = np.where(free[2:6], times[2:6], 0.0)
    return StepModel(
        gradient=(float(times[0]), float(times[1])),
        between_nodes=(float(known[0]), float(known[1])),
        within_node=(float(known[2]), float(known[3])),
        overlap=float(x[6]) if free[6] else 1.0,
    )


def _with_farther_nodes(model: StepModel) -> StepModel:
    constant, further = model.within_node
    return replace(model, between_nodes=(constant * _FARTHER, further * _FARTHER))
