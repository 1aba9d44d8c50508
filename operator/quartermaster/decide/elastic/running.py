"""Elastic jobs that run while nobody waits: which of them go on with more or fewer workers.

A round over what they hold and what is free (`rounds`). What it proposes is tried as the placement
cycle would do it, so that no job is stopped for places that it would not get.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np
from typing_extensions import override

from quartermaster.decide.cost import rates
from quartermaster.decide.elastic.configurations import Capacity, Configuration, PoolRoom
from quartermaster.decide.elastic.places import Place
from quartermaster.decide.elastic.rounds import Round, decide_round
from quartermaster.decide.elastic.throughput import Vector
from quartermaster.decide.elastic.values import ElasticJob, Policy
from quartermaster.decide.fleet import Fleet, confined, fleet_of
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.placement.fit import refusal
from quartermaster.decide.placement.forecast import step_on
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.order import gpus_of, queue_of
from quartermaster.decide.queue.room import without
from quartermaster.decide.queue.tree import Ledger
from quartermaster.domain.cluster import Node, Pool, Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.profile import Shape
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang


@dataclass(frozen=True, slots=True)
class Running:
    """An elastic job, all of whose present workers have their places."""

    gang: Gang
    """With as many workers as it may have."""
    holding: Holding
    since: datetime
    """When it got its present workers."""
    restart_s: float
    """What a change costs: save, stop, start, load [s]."""

    @property
    def gpus(self) -> int:
        """Of one worker [count]."""
        return self.gang.per_worker.gpus


@dataclass(frozen=True, slots=True)
class Change:
    """A job that is to go on with another number of workers."""

    uid: str
    workers: int
    """[count]"""
    places: tuple[tuple[str, int], ...]
    """Nodes and workers [count]."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Nodes of a round that are alike."""

    pool: str
    accelerator: str
    capacity: str
    instance: str
    gpus: int

    @override
    def __str__(self) -> str:
        """Its name in a round."""
        return "/".join((self.pool, self.accelerator, self.capacity, self.instance, str(self.gpus)))


@dataclass(frozen=True, slots=True)
class Cluster:
    """What a round is decided from, beside the jobs."""

    snapshot: Snapshot
    hardware: Hardware
    ledger: Ledger
    """What the queues hold."""
    fleet: Fleet = field(init=False, repr=False, compare=False)
    """The snapshot in arrays, which keeps what one trial works out for the next."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fleet", fleet_of(self.snapshot))


def changes(
    running: Sequence[Running], cluster: Cluster, now: datetime, policy: Policy
) -> list[Change]:
    """Who is to have more or fewer workers; together they fit, within quota.

    A round knows pools of nodes that are alike. Where it changes nothing, one job at a time may
    grow onto nodes of any kind.

    Args:
        running: The jobs; those without GPUs stay as they are.
        cluster: The nodes, what is known of them, and the quotas.
        now: The time.
        policy: What counts in a round.
    """
    with_gpus = [job for job in running if job.gpus]
    found = _round(with_gpus, cluster, now, policy)
    if found:
        return found
    for job in sorted(with_gpus, key=lambda job: (job.since, job.gang.key)):
        change = _anywhere(job, cluster, now, policy)
        if change is not None:
            return [change]
    return []


def _round(
    running: Sequence[Running], cluster: Cluster, now: datetime, policy: Policy
) -> list[Change]:
    kinds = {node.name: (kind_of(node, pool), pool) for node, pool in _pooled(cluster.snapshot)}
    movable = [job for job in running if len(_kinds(job, kinds)) == 1]
    pinned: set[str] = set()
    while len(pinned) < len(movable):
        rooms, speeds = _rooms(movable, cluster, kinds)
        jobs = [_asks(job, kinds, rooms, speeds, pinned) for job in movable]
        found, refused = _found(decide_round(jobs, rooms, now.timestamp(), policy), movable)
        refused |= {change.uid for change in found if not _stands(change, found, movable, cluster)}
        if not refused:
            return found
        if refused <= pinned:
            return []
        pinned |= refused
    return []


def kind_of(node: Node, pool: Pool) -> Kind:
    """Which nodes it is like."""
    return Kind(
        pool=pool.name,
        accelerator=node.accelerator,
        capacity=str(node.capacity),
        instance=node.instance_type,
        gpus=node.allocatable.gpus,
    )


def _pooled(snapshot: Snapshot) -> list[tuple[Node, Pool]]:
    return [(node, snapshot.pool_of(node)) for node in snapshot.nodes]


def _kinds(job: Running, kinds: Mapping[str, tuple[Kind, Pool]]) -> set[Kind]:
    return {kinds[seat.node][0] for seat in job.holding.seats if seat.node in kinds}


def _rooms(
    jobs: Sequence[Running], cluster: Cluster, kinds: Mapping[str, tuple[Kind, Pool]]
) -> tuple[Capacity, dict[str, "Speed"]]:
    """The rooms of a round, and each job's speed in them, by uid."""
    empty = without(cluster.fleet, [job.holding for job in jobs]).snapshot()
    nodes: dict[Kind, list[tuple[str, int]]] = {}
    prices: dict[Kind, float] = {}
    open_to: dict[str, set[str]] = {job.gang.uid: set() for job in jobs}
    for node in empty.nodes:
        kind, pool = kinds[node.name]
        takers = [job for job in jobs if refusal(node, pool, job.gang) is None]
        if not takers:
            continue
        for job in takers:
            open_to[job.gang.uid].add(str(kind))
        fits = (job.gang.per_worker.times_within(node.free) * job.gpus for job in takers)
        nodes.setdefault(kind, []).append((node.name, max(0, min(fits))))
        rate = rates.node_rate(node, pool)
        prices[kind] = 0.0 if rate is None else float(rate) / max(1, kind.gpus)
    rooms = tuple(
        PoolRoom(str(kind), str(kind), tuple(sorted(held)), kind.gpus, prices[kind])
        for kind, held in sorted(nodes.items(), key=lambda entry: str(entry[0]))
    )
    by_name = {str(kind): kind for kind in nodes}
    return Capacity(rooms), {
        job.gang.uid: Speed(job, by_name, frozenset(open_to[job.gang.uid]), cluster.hardware)
        for job in jobs
    }


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a job is with so many GPUs of a kind of node."""

    job: Running
    kinds: Mapping[str, Kind]
    open_to: frozenset[str]
    """Names of the kinds on which it may run."""
    hardware: Hardware

    def rates(self, accelerator: str, nodes: Vector, workers: Vector) -> Vector:
        """Samples a second; of a job whose steps are unknown, its GPUs: as if it scaled ideally.

        Args:
            accelerator: The name of a kind of node.
            nodes: How many of them [count].
            workers: GPUs [count]; what is no whole number of the job's workers gives nothing.
        """
        if accelerator not in self.open_to:
            return np.zeros_like(workers)
        found = [
            self._rate(self.kinds[accelerator], int(count), int(gpus))
            for count, gpus in zip(nodes, workers, strict=True)
        ]
        return np.array(found, dtype=np.float64)

    def _rate(self, kind: Kind, nodes: int, gpus: int) -> float:
        profile = self.job.gang.profile
        if gpus % self.job.gpus:
            return 0.0
        if profile is None:
            return float(gpus)
        model, instance = (
            self.hardware.accelerator(kind.accelerator),
            self.hardware.instance(kind.instance),
        )
        if model is None:
            return 0.0
        shape = Shape(
            per_node=-(-gpus // nodes),
            nodes=nodes,
            linked=instance is None or instance.linked,
            network_bandwidth=None if instance is None else instance.network_bandwidth,
        )
        # Where a link is unknown, as if there were nothing to exchange: the next step is measured.
        step = step_on(profile, model, shape, self.hardware) or step_on(
            profile, model, Shape(), self.hardware
        )
        return 0.0 if step is None else gpus * profile.batch / step.total


def _asks(
    job: Running,
    kinds: Mapping[str, tuple[Kind, Pool]],
    rooms: Capacity,
    speeds: Mapping[str, Speed],
    pinned: set[str],
) -> ElasticJob:
    held = Counter(seat.node for seat in job.holding.seats)
    place: Place = tuple(sorted((node, count * job.gpus) for node, count in held.items()))
    gpus = sum(count for _, count in place)
    name = str(next(iter(_kinds(job, kinds))))
    current = _current(name, gpus, len(place), rooms)
    speed = speeds[job.gang.uid]
    rate = float(speed.rates(name, np.array([len(place)]), np.array([gpus]))[0])
    left = job.holding.remaining_s
    return ElasticJob(
        uid=job.gang.uid,
        profile=speed,
        least=(job.gang.least or job.gang.size) * job.gpus,
        most=job.gang.size * job.gpus,
        changed=job.since.timestamp(),
        restart_seconds=job.restart_s,
        current=current,
        held=place,
        remaining=None if left is None or not rate else left * rate,
        pinned=job.gang.uid in pinned or not rate or job.holding.resizing,
    )


def _current(name: str, gpus: int, nodes: int, rooms: Capacity) -> Configuration:
    """What it holds, as a configuration; one that no round would have made lies scattered."""
    plain = Configuration(name, gpus, nodes)
    room = rooms.by_name.get(name)
    made = room is not None and plain in room.elastic(gpus, gpus)
    return plain if made else replace(plain, scattered=True)


def _found(decided: Round, running: Sequence[Running]) -> tuple[list[Change], set[str]]:
    """The changes, and who must be left where it is: a job that would only be moved, or stopped."""
    found: list[Change] = []
    left: set[str] = set()
    for job in running:
        allocation = decided.allocations.get(job.gang.uid)
        held = Counter(seat.node for seat in job.holding.seats)
        if allocation is None:
            left.add(job.gang.uid)
            continue
        places = tuple((node, gpus // job.gpus) for node, gpus in allocation.place)
        workers = sum(count for _, count in places)
        if workers != len(job.holding.seats):
            found.append(Change(job.gang.uid, workers, places))
        elif dict(places) != held:
            left.add(job.gang.uid)
    return found, left


def _stands(
    change: Change, found: Sequence[Change], running: Sequence[Running], cluster: Cluster
) -> bool:
    """Whether the cycle would place it so, once all that change have stopped, and has the quota."""
    jobs = {job.gang.uid: job for job in running}
    job = jobs[change.uid]
    free = without(cluster.fleet, [jobs[other.uid].holding for other in found])
    room = confined(free, dict(change.places), job.gang.per_worker)
    return _placed(job, change.workers, room, cluster) is not None


def _placed(job: Running, workers: int, room: Fleet, cluster: Cluster) -> Placed | None:
    """The job's places with so many workers, within its queue's quota."""
    gang = job.gang.of(workers)
    decision = choose(gang, room, cluster.hardware)
    if not isinstance(decision, Placed):
        return None
    queue, needs = queue_of(gang), gpus_of(gang, decision)
    if cluster.ledger.tree.queues[queue].unlimited:
        return decision
    held = job.holding.gpus_by_model()
    more = {model: n for model, count in needs.items() if (n := count - held.get(model, 0)) > 0}
    return decision if cluster.ledger.affords(queue, more) else None


def _anywhere(job: Running, cluster: Cluster, now: datetime, policy: Policy) -> Change | None:
    """As many more workers as have a place on nodes of any kind, if that is worth a restart."""
    present = len(job.holding.seats)
    if job.holding.resizing or present >= job.gang.size:
        return None
    room = without(cluster.fleet, [job.holding])
    row = range(present + 1, job.gang.size + 1)
    count = bisect_left(row, 1, key=lambda n: int(_placed(job, n, room, cluster) is None))
    if not count:
        return None
    workers = row[count - 1]
    placed = _placed(job, workers, room, cluster)
    seats = Counter(seat.node for seat in job.holding.seats)
    stays = _placed(job, present, confined(room, seats, job.gang.per_worker), cluster)
    if placed is None or not _pays(job, _speedup(stays, placed), now, policy):
        return None
    places = Counter(assignment.node for assignment in placed.assignments)
    return Change(job.gang.uid, workers, tuple(sorted(places.items())))


def _speedup(stays: Placed | None, grown: Placed) -> float:
    """Samples a second by those of now [1]; in proportion to the workers where it is not known."""
    now = stays.predicted_step_seconds if stays is not None else None
    then, workers = grown.predicted_step_seconds, len(grown.assignments)
    present = len(stays.assignments) if stays is not None else workers
    return workers / present * (now / then if now and then else 1.0)


def _pays(job: Running, speedup: float, now: datetime, policy: Policy) -> bool:
    """Whether a job of that speed, less its restart, is worth more than one that is left alone.

    By the terms of a round, see `values`.
    """
    lasting = max(policy.settle_seconds, (now - job.since).total_seconds())
    left = job.holding.remaining_s
    lookahead = min(policy.horizon_seconds, lasting)
    if left is not None:
        lookahead = min(lookahead, left / max(speedup, 1e-9))
    kept = lookahead / (lookahead + job.restart_s)
    gained = kept * (policy.running + float(speedup**policy.fairness))
    return gained > policy.running + 1.0
