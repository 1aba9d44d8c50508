"""A training that was measured: the time of its steps anywhere, and what each of them teaches.

Between what was measured is interpolated, linearly: in the batch of a worker where the placement
itself was measured, else in the numbers of nodes and workers and the batch (Delaunay).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from quartermaster.decide.elastic.goodput import BatchLimits
from quartermaster.decide.elastic.throughput import Vector

Shape = tuple[int, ...]
"""Workers on each node."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Measured steps, one a row."""

    shape: Shape | None
    """None where only numbers of nodes and workers are known."""
    nodes: int
    workers: int
    local_batch: float
    step_seconds: float
    sync_seconds: float


@dataclass(eq=False)
class StepTable:
    """The steps of one application on one GPU model."""

    rows: Sequence[Steps]
    local_cap: int | None = None
    """Most samples that a worker takes at once, where it is less than what was measured."""
    local_smallest: int = field(init=False)
    """Fewest samples of a worker that were measured [sample]."""
    local_largest: int = field(init=False)
    """Most samples that a worker takes at once [sample]."""
    _by_shape: dict[Shape, Vector] = field(init=False)
    _spread: LinearNDInterpolator | None = field(init=False, default=None)
    _known: dict[tuple[Shape, float], tuple[float, float]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        grouped: dict[Shape, list[tuple[float, float, float]]] = {}
        for row in self.rows:
            if row.shape is not None:
                grouped.setdefault(normal(row.shape), []).append(
                    (row.local_batch, row.step_seconds, row.sync_seconds)
                )
        self._by_shape = {shape: np.array(sorted(points)).T for shape, points in grouped.items()}
        batches = [batch for points in grouped.values() for batch, _, _ in points]
        self.local_smallest = int(min(batches))
        self.local_largest = self.local_cap or int(max(batches))

    def single_rate(self) -> float:
        """Throughput of one GPU with the largest batch that was measured [sample/s]."""
        batch, step, _ = self._by_shape[(1,)]
        return float(batch.max() / step.max())

    def local_limit(self, shape: Shape) -> int:
        """Most samples that a worker of this placement takes at once [sample]."""
        points = self._by_shape.get(normal(shape))
        if points is not None:
            return int(points[0].max())
        nodes, workers = len(shape), sum(shape)
        return int(
            max(
                row.local_batch
                for row in self.rows
                if row.shape is None and row.nodes >= nodes and row.workers >= workers
            )
        )

    def worker_limit(self, workers: int) -> int | None:
        """The same over all measured placements of this many workers; None: none was measured."""
        batches = [
            points[0].max() for shape, points in self._by_shape.items() if sum(shape) == workers
        ]
        return int(max(batches)) if batches else None

    def measured(self, shape: Shape, local_batch: float) -> tuple[float, float]:
        """A step and the synchronisation in it [s].

        Raises:
            ValueError: Neither measured nor between what was.
        """
        key = (normal(shape), float(local_batch))
        if key not in self._known:
            self._known[key] = self._look_up(*key)
        return self._known[key]

    def _look_up(self, shape: Shape, local_batch: float) -> tuple[float, float]:
        points = self._by_shape.get(shape)
        if points is not None:
            batch, step, sync = points
            if not batch[0] <= local_batch <= batch[-1]:
                raise ValueError(f"{local_batch} samples a worker on {shape} were not measured")
            return float(np.interp(local_batch, batch, step)), float(
                np.interp(local_batch, batch, sync)
            )
        if self._spread is None:
            self._spread = self._interpolator()
        step, sync = self._spread([[len(shape), sum(shape), local_batch]])[0]
        if not np.isfinite(step):
            raise ValueError(f"{local_batch} samples a worker on {shape} were not measured")
        return float(step), float(sync)

    def _interpolator(self) -> LinearNDInterpolator:
        means: dict[tuple[int, int, float], list[tuple[float, float]]] = {}
        for row in self.rows:
            if row.shape is not None:
                means.setdefault((row.nodes, row.workers, row.local_batch), []).append(
                    (row.step_seconds, row.sync_seconds)
                )
        points = [(key, np.mean(values, axis=0)) for key, values in sorted(means.items())]
        points += [
            ((row.nodes, row.workers, row.local_batch), (row.step_seconds, row.sync_seconds))
            for row in self.rows
            if row.shape is None
        ]
        return LinearNDInterpolator(
            np.array([key for key, _ in points], dtype=np.float64),
            np.array([value for _, value in points], dtype=np.float64),
        )


def normal(shape: Shape) -> Shape:
    """The smallest rotation of a shape: what tables are kept by."""
    present = tuple(workers for workers in shape if workers)
    return min(present[i:] + present[:i] for i in range(len(present)))


@dataclass(eq=False)
class Application:
    """A kind of training: steps by GPU model, learning by epoch and batch size."""

    name: str
    tables: Mapping[str, StepTable]
    """By GPU model."""
    batches: Vector
    """Batch sizes whose training was recorded, ascending [sample]."""
    progress: Vector
    """Progress at the end of each epoch: (batches, epochs) [step of the initial batch]."""
    gradient_square: Vector
    """Squared norm of the gradient: (batches, epochs)."""
    gradient_variance: Vector
    """Variance of the gradient at the initial batch: (batches, epochs)."""
    epochs: int
    restart_seconds: float
    """Save, start and load [s]."""
    slowdown: float
    """How much slower real training was than the measured steps [1]."""

    speeds: Mapping[str, float] = field(init=False)
    """Throughput of one GPU alone by GPU model [sample/s]."""

    def __post_init__(self) -> None:
        self.speeds = {name: table.single_rate() for name, table in self.tables.items()}

    @property
    def initial_batch(self) -> int:
        """What learning is measured against [sample]."""
        return int(self.batches[0])

    @property
    def largest_batch(self) -> int:
        """The largest that was recorded [sample]."""
        return int(self.batches[-1])

    def progress_at(self, epoch: int) -> float:
        """Progress when so many epochs are done [step of the initial batch]."""
        return float(self.progress[:, epoch - 1].min()) if epoch else 0.0

    def gradient(self, batch: float, epoch: int) -> tuple[float, float]:
        """Square and variance of the gradient in an epoch, between the recorded batch sizes."""
        return (
            float(np.interp(batch, self.batches, self.gradient_square[:, epoch])),
            float(np.interp(batch, self.batches, self.gradient_variance[:, epoch])),
        )

    def limits(self, accelerator: str) -> BatchLimits:
        """Which batch sizes it takes on a GPU model."""
        table = self.tables[accelerator]
        return BatchLimits(
            self.initial_batch, self.largest_batch, table.local_smallest, table.local_largest
        )
