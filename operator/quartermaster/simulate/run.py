"""Rounds of a scheduler over simulated jobs, until all have ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from quartermaster.simulate.job import Placement, SimulatedJob, unfinished


@dataclass(frozen=True, slots=True)
class Pool:
    """Equal nodes with one GPU model, which has the pool's name."""

    name: str
    nodes: int
    gpus_per_node: int


class Scheduler(Protocol):
    """Who decides each round."""

    @property
    def period(self) -> float:
        """Time between rounds [s]."""
        ...

    def decide(self, now: float, jobs: Sequence[SimulatedJob]) -> Mapping[str, Placement]:
        """Placements by uid; jobs that are absent wait."""
        ...


PATIENCE_SECONDS = 60 * 86400.0
"""Simulated time after which jobs that have not ended are taken to be starved [s]."""


class StarvedError(Exception):
    """A scheduler lets jobs wait for ever."""


class OvercommittedError(Exception):
    """A scheduler gave away GPUs that are not there."""


def run(
    jobs: Sequence[SimulatedJob],
    pools: Sequence[Pool],
    scheduler: Scheduler,
    *,
    charged: bool,
    after_round: Callable[[float, int], None] | None = None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> "Outcome":
    """Simulate until every job has ended.

    Args:
        jobs: Fresh ones; they are changed.
        pools: The cluster.
        scheduler: Who decides.
        charged: Whether moving within a pool costs a restart, see `SimulatedJob.assign`.
        after_round: Called with the time and the number of unfinished jobs.
        patience_seconds: Simulated time after which jobs are taken to be starved [s].

    Raises:
        OvercommittedError: A node was given to more workers than it has GPUs.
        StarvedError: A job does not end.
    """
    now = 0.0
    while any(job.finished is None for job in jobs):
        for job in jobs:
            job.advance(scheduler.period)
        now += scheduler.period
        active = unfinished(jobs, now)
        if active:
            decided = scheduler.decide(now, active)
            _check(decided, pools)
            for job in active:
                job.assign(decided.get(job.uid), charged=charged)
        if after_round is not None:
            after_round(now, sum(1 for job in jobs if job.finished is None))
        if now > patience_seconds:
            waiting = ", ".join(job.uid for job in active)
            raise StarvedError(f"not ended after {now / 86400:.0f} days: {waiting}")
    return Outcome.of(jobs)


def _check(decided: Mapping[str, Placement], pools: Sequence[Pool]) -> None:
    size = {pool.name: pool.gpus_per_node for pool in pools}
    used: dict[tuple[str, str], int] = {}
    for placement in decided.values():
        for node, workers in placement.place:
            key = (placement.pool, node)
            used[key] = used.get(key, 0) + workers
    over = [f"{pool}/{node}" for (pool, node), count in used.items() if count > size[pool]]
    nodes: dict[str, set[str]] = {}
    for pool, node in used:
        nodes.setdefault(pool, set()).add(node)
    over += [pool.name for pool in pools if len(nodes.get(pool.name, ())) > pool.nodes]
    if over:
        raise OvercommittedError(f"more workers than GPUs on {', '.join(over)}")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a workload."""

    completion_seconds: tuple[float, ...]
    """From submission to end, by job [s]."""
    makespan_seconds: float
    """From the first submission to the last end [s]."""
    gpu_hours: float
    """A job, restarts included, all GPU models alike [GPU h]."""
    restarts: float
    """A job [count]."""

    @classmethod
    def of(cls, jobs: Sequence[SimulatedJob]) -> "Outcome":
        """The outcome of jobs that have all ended."""
        ends = [job.finished for job in jobs if job.finished is not None]
        return cls(
            completion_seconds=tuple(
                end - job.submitted for job, end in zip(jobs, ends, strict=True)
            ),
            makespan_seconds=max(ends) - min(job.submitted for job in jobs),
            gpu_hours=sum(job.gpu_seconds for job in jobs) / 3600 / len(jobs),
            restarts=sum(job.restarts for job in jobs) / len(jobs),
        )

    @property
    def mean_seconds(self) -> float:
        """Mean completion time [s]."""
        return float(np.mean(self.completion_seconds))
