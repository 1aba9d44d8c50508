"""A job that trains in simulated time."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import ceil

import numpy as np

from quartermaster.decide.elastic.goodput import ElasticProfile, tune
from quartermaster.decide.elastic.places import Place
from quartermaster.decide.elastic.throughput import Observation, StepModel, fit
from quartermaster.simulate.application import Application, Shape

_SLACK = 1e-8
"""What a quotient may exceed a whole number by before it is rounded up."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a job lies."""

    pool: str
    place: Place

    @property
    def shape(self) -> Shape:
        """Workers on each node."""
        return tuple(workers for _, workers in self.place)

    @property
    def workers(self) -> int:
        """On all nodes together [count]."""
        return sum(self.shape)


@dataclass(eq=False)
class Knowledge:
    """What was seen of a training's steps; of one job, or of all jobs of an application."""

    _seen: dict[str, dict[tuple[int, int, float], Observation]] = field(default_factory=dict)
    _models: dict[str, StepModel] = field(default_factory=dict)

    def note(self, accelerator: str, observation: Observation) -> None:
        """Remember steps; a configuration that was seen already tells nothing new."""
        seen = self._seen.setdefault(accelerator, {})
        key = (observation.nodes, observation.workers, observation.local_batch)
        if key not in seen:
            seen[key] = observation
            self._models.pop(accelerator, None)

    def models(self) -> dict[str, StepModel]:
        """Fits by GPU model."""
        for accelerator, seen in self._seen.items():
            if accelerator not in self._models:
                self._models[accelerator] = fit(list(seen.values()))
        return dict(self._models)

    def most_workers(self) -> int:
        """Workers of the largest configuration that was seen; 0 for none [count]."""
        return max(
            (key[1] for seen in self._seen.values() for key in seen),
            default=0,
        )


@dataclass(eq=False)
class SimulatedJob:
    """A submitted training, and how far it is."""

    uid: str
    application: Application
    submitted: float
    """[s]"""
    workers: int
    """Asked for; what a rigid job always has [count]."""
    batch: int
    """Asked for; what a rigid job always takes [sample]."""
    adapts: bool
    """Whether the batch follows the workers, for the best goodput."""
    knowledge: Knowledge = field(default_factory=Knowledge)

    clock: float = 0.0
    epoch: int = 0
    progress: float = 0.0
    """[step of the initial batch]"""
    placement: Placement | None = None
    restarting: float = 0.0
    """What is left of the present restart [s]."""
    changed: float = 0.0
    """When it last got another placement, or came [s]."""
    starts: int = 0
    gpu_seconds: float = 0.0
    gradient: tuple[float, float] | None = None
    """Square and variance as last seen; None before the first step."""
    finished: float | None = None
    local_batch: int = 0
    accumulated: int = 0

    def __post_init__(self) -> None:
        self.changed = self.submitted

    @property
    def restarts(self) -> int:
        """Starts beyond the first [count]."""
        return max(0, self.starts - 1)

    @property
    def noise_scale(self) -> float:
        """Noise scale as last seen [sample]; that of the first epoch before."""
        square, variance = self.gradient or self.application.gradient(
            self.application.initial_batch, 0
        )
        return self.application.initial_batch * variance / max(square, 1e-12)

    @property
    def remaining(self) -> float:
        """What is left, at full efficiency and at the speed of the measured steps [sample]."""
        application = self.application
        left = application.progress_at(application.epochs) - self.progress
        return left * application.initial_batch * application.slowdown

    def profile(self) -> ElasticProfile:
        """What a scheduler may know: fits, the noise, limits, and the speed of one GPU."""
        tables = self.application.tables
        return ElasticProfile(
            models=self.knowledge.models(),
            noise_scale=self.noise_scale,
            limits={name: self.application.limits(name) for name in tables},
            speeds=self.application.speeds,
        )

    def assign(self, placement: Placement | None, *, charged: bool) -> None:
        """Start, move, resize or suspend.

        Args:
            placement: Where; None to suspend.
            charged: Whether other nodes of the same pool cost a restart, the shape being the same.
        """
        old, self.placement = self.placement, placement
        if placement is None:
            self.changed = self.clock if old is not None else self.changed
            return
        if (
            old is not None
            and old.pool == placement.pool
            and (old.place == placement.place if charged else old.shape == placement.shape)
        ):
            return
        self.restarting = self.application.restart_seconds
        self.changed = self.clock
        self.starts += 1
        self._choose_batch(placement)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        end = self.clock + seconds
        if self.finished is not None or self.placement is None:
            self.clock = end
            return
        delay = min(self.restarting, seconds)
        self.restarting -= delay
        self._spend(delay)
        while self.clock < end - 1e-9 and self.finished is None:
            self._train(self.placement, end - self.clock)
        self.clock = end

    def _spend(self, seconds: float) -> None:
        self.clock += seconds
        self.gpu_seconds += seconds * (self.placement.workers if self.placement else 0)

    def _train(self, placement: Placement, seconds: float) -> None:
        """To the end of the epoch or of the time, whichever is first."""
        rate = self._rate(placement)
        goal = self.application.progress_at(self.epoch + 1)
        if self.progress + rate * seconds < goal:
            self.progress += rate * seconds
            self._spend(seconds)
        else:
            self._spend(min(seconds, (goal - self.progress) / rate))
            self.progress = goal
            self.epoch += 1
            if self.epoch >= self.application.epochs:
                self.finished = self.clock
                return
        self._choose_batch(placement)

    def _rate(self, placement: Placement) -> float:
        """Progress [step of the initial batch/s], and take note of what is seen."""
        application = self.application
        shape = placement.shape
        batch = sum(shape) * self.local_batch * (self.accumulated + 1)
        square, variance = application.gradient(batch, self.epoch)
        scale = batch / application.initial_batch
        gain = (variance + square) / (variance / scale + square)
        step, sync = application.tables[placement.pool].measured(shape, self.local_batch)
        self.gradient = (square, variance)
        self.knowledge.note(
            placement.pool, Observation(len(shape), sum(shape), self.local_batch, step, sync)
        )
        return gain / (step + (step - sync) * self.accumulated) / application.slowdown

    def _choose_batch(self, placement: Placement) -> None:
        """Split the batch over workers; the best batch where the job adapts."""
        application = self.application
        table = application.tables[placement.pool]
        workers = placement.workers
        limit = table.local_limit(placement.shape)
        model = self.profile().model(placement.pool) if self.adapts and self.gradient else None
        if model is None:
            batch = self.batch
            if self.adapts:
                batch = max(application.initial_batch, table.local_smallest * workers)
            self._split(batch, workers, limit)
        else:
            limits = application.limits(placement.pool)
            best = tune(
                model,
                self.noise_scale,
                type(limits)(limits.initial, limits.largest, limits.local_smallest, limit),
                np.array([float(len(placement.shape))]),
                np.array([float(workers)]),
            )
            self.local_batch = int(best.local_batch[0])
            self.accumulated = int(best.accumulated[0])
        most = table.worker_limit(workers)
        if most is not None:
            self.local_batch = min(self.local_batch, most)
        parts = workers * (self.accumulated + 1)
        self.local_batch = min(self.local_batch, application.largest_batch // parts)

    def _split(self, batch: int, workers: int, limit: int) -> None:
        local = ceil(batch / workers - _SLACK)
        self.accumulated = ceil(local / limit - _SLACK) - 1
        if workers == 1 and batch > self.application.initial_batch:
            self.accumulated = max(1, self.accumulated)
        self.local_batch = ceil(local / (self.accumulated + 1) - _SLACK)


def unfinished(jobs: Iterable[SimulatedJob], now: float) -> list[SimulatedJob]:
    """Jobs that have come and have not ended."""
    return [job for job in jobs if job.submitted <= now and job.finished is None]
