"""The best choice of one configuration a job, exactly: a binary programme, solved by HiGHS.

    maximise    sum over jobs j and options c of value[j, c] * x[j, c]
    subject to  each job has at most one option
                each row of the capacity is not exceeded
                x is 0 or 1

The relaxation is nearly always integral, because the capacity rows are few and nested; so the tree
stays small. The limit is a number of its nodes, not of seconds: the answer is the same on a slow
machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, vstack

from quartermaster.decide.elastic.throughput import Vector


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that could be chosen, as columns."""

    job: NDArray[np.intp]
    """Whose option each column is: indices of jobs, ascending."""
    value: Vector
    """What it is worth beside having nothing; may be negative."""
    usage: Vector
    """What it takes of each row of the capacity: (rows, columns)."""
    capacity: Vector
    """What each row has."""

    @property
    def jobs(self) -> int:
        """How many jobs have options at all [count]."""
        return int(self.job.max()) + 1 if len(self.job) else 0


@dataclass(frozen=True, slots=True)
class Limits:
    """When to stop looking for a better choice."""

    nodes: int = 2000
    """Nodes of the branch-and-bound tree [count]: the same on every machine."""
    gap: float = 1e-4
    """How far below the best possible a choice may stay, relative to it [1]."""
    seconds: float | None = None
    """Time [s]; None for none. With it, the answer may depend on the machine's speed."""


def solve(options: Options, limits: Limits) -> list[int] | None:
    """The chosen columns, ascending; None when no choice was found within the limits."""
    count = len(options.job)
    if count == 0:
        return []
    one_each = csr_array(
        (np.ones(count), (options.job, np.arange(count))), shape=(options.jobs, count)
    )
    matrix = vstack([one_each, csr_array(options.usage)], format="csr")
    upper = np.concatenate([np.ones(options.jobs), options.capacity])
    settings: dict[str, float] = {"node_limit": limits.nodes, "mip_rel_gap": limits.gap}
    if limits.seconds is not None:
        settings["time_limit"] = limits.seconds
    found = milp(
        c=-options.value,
        constraints=LinearConstraint(matrix, ub=upper),
        integrality=np.ones(count),
        bounds=Bounds(0.0, 1.0),
        options=settings,
    )
    if found.x is None:
        return None
    return [int(column) for column in np.flatnonzero(found.x > 0.5)]


def feasible(options: Options, chosen: Sequence[int]) -> bool:
    """Whether a choice has at most one option a job, and room for all."""
    columns = np.asarray(chosen, dtype=np.intp)
    jobs = options.job[columns]
    return len(set(jobs.tolist())) == len(jobs) and bool(
        (options.usage[:, columns].sum(axis=1) <= options.capacity + 1e-9).all()
    )
