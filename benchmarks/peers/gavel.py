"""Gavel (Narayanan et al., OSDI 2020): shares of time by a linear programme, rounds that follow.

Policy `max_sum_throughput`, as the Sia paper's Table 3 runs it: jobs of fixed workers and batch,
rounds of 360 s. A round gives GPUs to jobs by (share wanted) / (share received), the largest first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

import numpy as np
from scipy.optimize import linprog

from quartermaster.simulate.job import Placement, SimulatedJob
from quartermaster.simulate.run import Pool

ROUND_SECONDS = 360.0
IMPOSSIBLE = 0.1
"""Rate of a job in a pool that is too small for it [step/s]: how the reference has it."""


def step_rate(job: SimulatedJob, pool: Pool) -> float:
    """Steps a second of a job as asked for, packed on a pool's nodes [step/s]."""
    workers = job.workers
    if workers > pool.nodes * pool.gpus_per_node:
        return IMPOSSIBLE
    whole, rest = divmod(workers, pool.gpus_per_node)
    shape = (pool.gpus_per_node,) * whole + ((rest,) if rest else ())
    table = job.application.tables[pool.name]
    local = ceil(job.batch / workers - 1e-8)
    parts = ceil(local / table.local_limit(shape) - 1e-8)
    if workers == 1:
        parts = max(2, parts)
    at_once = min(ceil(local / parts - 1e-8), job.application.largest_batch // (workers * parts))
    step, sync = table.measured(shape, at_once)
    return 1 / (step + (step - sync) * (parts - 1)) / job.application.slowdown


@dataclass
class Gavel:
    """The state that its rounds carry along."""

    pools: Sequence[Pool]
    period: float = ROUND_SECONDS
    _time: dict[str, list[float]] = field(default_factory=dict)
    _pool_time: list[float] = field(default_factory=list)
    _workers: dict[str, tuple[int, list[int]]] = field(default_factory=dict)

    def decide(self, now: float, jobs: Sequence[SimulatedJob]) -> Mapping[str, Placement]:
        """A round."""
        del now
        self._pool_time = self._pool_time or [0.0] * len(self.pools)
        for job in jobs:
            if job.uid not in self._time:
                self._time[job.uid] = [self.period / 2] * len(self.pools)
                self._pool_time = [total + self.period / 2 for total in self._pool_time]
        shares = self._shares(jobs)
        received = np.array([self._time[job.uid] for job in jobs]) / np.array(self._pool_time)
        chosen = self._choose(jobs, shares, shares / received)
        self._workers = self._seat(chosen)
        for uid, (index, _) in self._workers.items():
            self._time[uid][index] += self.period
            self._pool_time[index] += self.period
        return {uid: self._placement(*seats) for uid, seats in self._workers.items()}

    def _shares(self, jobs: Sequence[SimulatedJob]) -> np.ndarray:
        """Shares of time that maximise the sum of rates: (jobs, pools)."""
        count, kinds = len(jobs), len(self.pools)
        rates = np.array([[step_rate(job, pool) for pool in self.pools] for job in jobs])
        one = np.kron(np.eye(count), np.ones(kinds))
        room = np.zeros((kinds, count * kinds))
        for index in range(kinds):
            room[index, index::kinds] = [job.workers for job in jobs]
        gpus = [pool.nodes * pool.gpus_per_node for pool in self.pools]
        found = linprog(
            -rates.ravel(),
            A_ub=np.vstack([one, room]),
            b_ub=np.concatenate([np.ones(count), gpus]),
            bounds=(0, 1),
            method="highs",
        )
        shares = np.clip(found.x, 0, 1).reshape(count, kinds)
        return np.round(_evened(shares, rates, np.array([job.workers for job in jobs])), 5)

    def _choose(
        self, jobs: Sequence[SimulatedJob], shares: np.ndarray, priority: np.ndarray
    ) -> list[list[tuple[str, int]]]:
        queue = [
            (priority[row, column], shares[row, column], job, column)
            for column in range(len(self.pools))
            for row, job in enumerate(jobs)
        ]
        queue.sort(key=lambda entry: (entry[0], entry[1]), reverse=True)
        left = [pool.nodes * pool.gpus_per_node for pool in self.pools]
        chosen: list[list[tuple[str, int]]] = [[] for _ in self.pools]
        seen: set[str] = set()
        for _, _, job, column in queue:
            if job.uid not in seen and job.workers <= left[column]:
                left[column] -= job.workers
                seen.add(job.uid)
                chosen[column].append((job.uid, job.workers))
        return chosen

    def _seat(self, chosen: list[list[tuple[str, int]]]) -> dict[str, tuple[int, list[int]]]:
        """GPUs by number: the largest jobs first, those that keep theirs before others."""
        seated: dict[str, tuple[int, list[int]]] = {}
        for index, pool in enumerate(self.pools):
            taken: set[int] = set()
            cursor = 0
            wanted = sorted(chosen[index], key=lambda pair: -pair[1])
            for size in sorted({workers for _, workers in wanted}, reverse=True):
                group = [uid for uid, workers in wanted if workers == size]
                for uid in group:
                    before, seats = self._workers.get(uid, (-1, []))
                    if before == index and not taken.intersection(seats):
                        seated[uid] = (index, seats)
                        taken.update(seats)
                for uid in group:
                    if uid in seated:
                        continue
                    seats = []
                    while len(seats) < size:
                        if cursor >= pool.nodes * pool.gpus_per_node:
                            raise RuntimeError(f"pool {pool.name} has no GPU left for {uid}")
                        if cursor not in taken:
                            seats.append(cursor)
                            taken.add(cursor)
                        cursor += 1
                    seated[uid] = (index, seats)
        return seated

    def _placement(self, index: int, seats: list[int]) -> Placement:
        pool = self.pools[index]
        nodes: dict[str, int] = {}
        for seat in seats:
            node = f"{pool.name}-{seat // pool.gpus_per_node}"
            nodes[node] = nodes.get(node, 0) + 1
        return Placement(pool.name, tuple(nodes.items()))


def _evened(shares: np.ndarray, rates: np.ndarray, workers: np.ndarray) -> np.ndarray:
    """The same optimum with equal shares for equal jobs.

    The reference solves by an interior-point method, whose answer lies in the middle of all optimal
    ones; a simplex answer gives one of several equal jobs everything, which is another policy.
    """
    _, group = np.unique(np.column_stack([rates, workers]), axis=0, return_inverse=True)
    group = group.ravel()
    sums = np.zeros((group.max() + 1, shares.shape[1]))
    np.add.at(sums, group, shares)
    return (sums / np.bincount(group)[:, None])[group]
