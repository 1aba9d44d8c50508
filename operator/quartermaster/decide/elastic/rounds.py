"""One round: every job gets a configuration and nodes, or waits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from quartermaster.decide.elastic import greedy, places, programme
from quartermaster.decide.elastic.configurations import Capacity, Configuration
from quartermaster.decide.elastic.places import Piece, Place
from quartermaster.decide.elastic.programme import Limits, Options
from quartermaster.decide.elastic.values import ElasticJob, Policy, configuration_values

DEFAULT_LIMITS = Limits()


class Method(StrEnum):
    """What made the choice."""

    PROGRAMME = "Programme"
    GREEDY = "Greedy"


@dataclass(frozen=True, slots=True)
class Allocation:
    """What a job gets."""

    configuration: Configuration
    place: Place


@dataclass(frozen=True, slots=True)
class Round:
    """What was decided."""

    allocations: Mapping[str, Allocation]
    """By uid; jobs that are absent wait."""
    method: Method
    value: float
    """Sum of the chosen values [1]."""


def decide_round(
    jobs: Sequence[ElasticJob],
    capacity: Capacity,
    now: float,
    policy: Policy,
    limits: Limits | None = DEFAULT_LIMITS,
) -> Round:
    """Who runs on what until the next round.

    The programme's answer, or the greedy one where the programme found none within its limits or a
    worse one. Each answer fits on the nodes; a job that keeps its configuration keeps its nodes,
    unless a larger one needs them.

    Args:
        jobs: All that run or wait; their uids are distinct.
        capacity: The nodes that they may use, what they hold included.
        now: [s], on the clock of the jobs' times.
        policy: What counts.
        limits: How long the programme looks; None to be greedy at once.
    """
    standing = [_standing(job, capacity) for job in sorted(jobs, key=lambda job: job.uid)]
    kept = {
        job.uid: Allocation(job.current, job.held)
        for job in standing
        if job.pinned and job.current is not None
    }
    free = _without(capacity, kept.values())
    asking = [job for job in standing if job.uid not in kept]
    table, options = _options(asking, free, now, policy)
    chosen, method = _choose(options, limits)
    picked = {asking[int(options.job[column])].uid: table[column] for column in chosen}
    return Round(
        allocations=kept | _place(asking, picked, free),
        method=method,
        value=float(options.value[chosen].sum()),
    )


def _standing(job: ElasticJob, capacity: Capacity) -> ElasticJob:
    """The job, without what it held if that is not there any more."""
    if job.current is None:
        return job
    room = capacity.by_name.get(job.current.pool)
    nodes = dict(room.nodes) if room is not None else {}
    if job.held and all(nodes.get(node, 0) >= workers for node, workers in job.held):
        return job
    return replace(job, current=None, held=(), pinned=False)


def _without(capacity: Capacity, taken: Iterable[Allocation]) -> Capacity:
    by_pool: dict[str, dict[str, int]] = {}
    for allocation in taken:
        nodes = by_pool.setdefault(allocation.configuration.pool, {})
        for node, workers in allocation.place:
            nodes[node] = nodes.get(node, 0) + workers
    return Capacity(tuple(room.without(by_pool.get(room.pool, {})) for room in capacity.pools))


def _choose(options: Options, limits: Limits | None) -> tuple[list[int], Method]:
    fast = greedy.choose(options)
    exact = programme.solve(options, limits) if limits is not None else None
    if exact is None or not programme.feasible(options, exact):
        return fast, Method.GREEDY
    # A search that was cut short may have found less than greed.
    if options.value[exact].sum() < options.value[fast].sum() - 1e-9:
        return fast, Method.GREEDY
    return exact, Method.PROGRAMME


def _options(
    jobs: Sequence[ElasticJob], capacity: Capacity, now: float, policy: Policy
) -> tuple[list[Configuration], Options]:
    table: list[Configuration] = []
    owners: list[int] = []
    values: list[float] = []
    for index, job in enumerate(jobs):
        for configuration, value in configuration_values(job, capacity, now, policy):
            table.append(configuration)
            owners.append(index)
            values.append(value)
    return table, Options(
        job=np.array(owners, dtype=np.intp),
        value=np.array(values, dtype=np.float64),
        usage=capacity.usage(table),
        capacity=capacity.rows,
    )


def _place(
    jobs: Sequence[ElasticJob], picked: Mapping[str, Configuration], capacity: Capacity
) -> dict[str, Allocation]:
    placed: dict[str, Allocation] = {}
    for room in capacity.pools:
        pieces = [
            Piece(
                uid=job.uid,
                configuration=picked[job.uid],
                held=job.held if picked[job.uid] == job.current else (),
                cost=job.restart_seconds * job.weight * picked[job.uid].workers,
            )
            for job in jobs
            if job.uid in picked and picked[job.uid].pool == room.pool
        ]
        for uid, nodes in places.place(room, pieces).items():
            placed[uid] = Allocation(picked[uid], nodes)
    return placed
