"""The placement cycle: who waits, what is free, who gets it, and the gates come off.

One cycle at a time decides for the whole cluster, so that no two gangs are promised the same GPU.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Protocol

from quartermaster.api import meta, training_job
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.decide.placement.choose import choose
from quartermaster.domain.cluster import Capacity, Node, Snapshot, Toleration
from quartermaster.domain.decision import Assignment, Decision, Placed, Waiting
from quartermaster.domain.resources import Resources
from quartermaster.domain.worker import Phase, Worker
from quartermaster.domain.workload import Gang, TopologyMode
from quartermaster.errors import ClusterError
from quartermaster.manifests.worker import GPU_RESOURCE
from quartermaster.reconcile.ports import Clock, Telemetry, View, Writer
from quartermaster.units import byte_count, millicores

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02
"""Changes come in bursts; a cycle waits this long for the rest of one."""
IDLE_SECONDS = 10.0
"""A cycle runs at least this often while gangs wait."""
PARALLEL_WRITES = 32

_CAPACITY = {
    training_job.CapacityType.AUTO: None,
    training_job.CapacityType.SPOT: Capacity.SPOT,
    training_job.CapacityType.ON_DEMAND: Capacity.ON_DEMAND,
}
_GPU_TOLERATION = Toleration(GPU_RESOURCE)


def per_worker(spec: TrainingJobSpec) -> Resources:
    """What one worker takes of a node."""
    needs = spec.trainer.resources_per_worker
    return Resources(
        cpu_m=millicores(needs.cpu), memory=byte_count(needs.memory), gpus=needs.gpus, pods=1
    )


def gang_of(job: JobRecord, workers: Iterable[Worker]) -> Gang | None:
    """The job's workers that want a place; None while some of its pods are still to be created."""
    spec = job.spec
    if spec is None or spec.suspend or job.deleting or job.finished:
        return None
    alive = [worker for worker in workers if worker.live]
    waiting = [worker for worker in alive if meta.PLACEMENT_GATE in worker.gates]
    done = {worker.index for worker in workers if worker.phase is Phase.SUCCEEDED}
    present = {worker.index for worker in alive} | done
    if not waiting or len(present) < spec.trainer.workers:
        return None
    return Gang(
        key=job.key,
        uid=job.uid,
        created=job.created,
        indices=tuple(sorted(worker.index for worker in waiting)),
        per_worker=per_worker(spec),
        priority=spec.priority,
        held=tuple(sorted({w.node for w in alive if not w.gates and w.node is not None})),
        capacity=_CAPACITY[spec.placement.capacity_type],
        accelerators=tuple(spec.placement.accelerators),
        pools=tuple(spec.placement.pools),
        topology=TopologyMode(spec.placement.topology.mode.value),
        topology_level=spec.placement.topology.level,
        tolerations=(_GPU_TOLERATION,),
    )


def in_order(gangs: Iterable[Gang]) -> list[Gang]:
    """Higher priority first, then the older, then by name."""
    return sorted(gangs, key=lambda gang: (-gang.priority, gang.created, gang.key))


def taken(snapshot: Snapshot, assignments: Iterable[Assignment], each: Resources) -> Snapshot:
    """The snapshot after these places are given away."""
    more: dict[str, Resources] = {}
    for assignment in assignments:
        more[assignment.node] = more.get(assignment.node, Resources()) + each
    nodes = tuple(_with(node, more.get(node.name)) for node in snapshot.nodes)
    return replace(snapshot, nodes=nodes)


def _with(node: Node, more: Resources | None) -> Node:
    return node if more is None else replace(node, used=node.used + more)


class Changed(Protocol):
    """Called with the uid of a job whose decision is a new one."""

    def __call__(self, uid: str, /) -> None:
        """Look at the job."""
        ...


@dataclass(slots=True)
class Promise:
    """A place that is given away and not yet seen in the cache."""

    node: str
    holds: Resources


class PlacementCycle:
    """Decides, one cycle at a time, and takes the gates away."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        telemetry: Telemetry,
        clock: Clock,
        *,
        partial_gang: timedelta,
        changed: Changed,
    ) -> None:
        self._view = view
        self._writer = writer
        self._telemetry = telemetry
        self._clock = clock
        self._partial_gang = partial_gang
        self._changed = changed
        self._wake = asyncio.Event()
        self._promises: dict[str, Promise] = {}
        self._partial_since: dict[str, datetime] = {}
        self.decisions: dict[str, Decision] = {}

    def wake(self) -> None:
        """Something has changed that may give somebody a place."""
        self._wake.set()

    async def run(self) -> None:
        """Cycle until cancelled."""
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(SETTLE_SECONDS)
            self._wake.clear()
            try:
                await self.once()
            except Exception:  # the cycle serves everybody: it goes on
                logger.exception("placement cycle failed")

    async def once(self) -> None:
        """One cycle: decide on all, while the gates of those decided on come off."""
        self._forget_the_gone()
        gangs = in_order(self._waiting())
        if not gangs:
            self._promises.clear()
            return
        snapshot = self._snapshot()
        refused: dict[tuple[object, ...], Waiting] = {}
        placing: list[asyncio.Task[None]] = []
        limit = asyncio.Semaphore(PARALLEL_WRITES)
        for gang in gangs:
            shape = _shape(gang)
            decision: Decision | None = refused.get(shape)
            if decision is None:
                began = time.perf_counter()
                decision = choose(gang, snapshot)
                self._telemetry.decided(decision, time.perf_counter() - began)
            if isinstance(decision, Placed):
                snapshot = taken(snapshot, decision.assignments, gang.per_worker)
                placing.append(asyncio.create_task(self._place(gang, decision, limit)))
            else:
                # Free places only shrink within a cycle: a gang of the same shape has no chance.
                refused[shape] = decision
                await self._wait(gang, decision)
            await asyncio.sleep(0)
        await asyncio.gather(*placing)

    def _waiting(self) -> list[Gang]:
        gangs: list[Gang] = []
        for uid in list(self._view.gated()):
            job = self._view.job(uid)
            gang = gang_of(job, self._view.workers(uid)) if job is not None else None
            if gang is not None:
                gangs.append(gang)
        return gangs

    def _snapshot(self) -> Snapshot:
        """What the cache shows, and what has been promised since."""
        snapshot = self._view.snapshot()
        gated = {
            worker.uid
            for uid in self._view.gated()
            for worker in self._view.workers(uid)
            if worker.gates
        }
        self._promises = {uid: p for uid, p in self._promises.items() if uid in gated}
        more: dict[str, Resources] = {}
        for promise in self._promises.values():
            more[promise.node] = more.get(promise.node, Resources()) + promise.holds
        nodes = tuple(_with(node, more.get(node.name)) for node in snapshot.nodes)
        return replace(snapshot, nodes=nodes)

    async def _place(self, gang: Gang, decision: Placed, limit: asyncio.Semaphore) -> None:
        self._remember(gang.uid, decision)
        self._partial_since.pop(gang.uid, None)
        workers = {
            worker.index: worker
            for worker in self._view.workers(gang.uid)
            if worker.live and meta.PLACEMENT_GATE in worker.gates
        }

        async def give(assignment: Assignment) -> None:
            worker = workers.get(assignment.index)
            if worker is None or worker.uid in self._promises:
                return
            self._promises[worker.uid] = Promise(assignment.node, gang.per_worker)
            try:
                async with limit:
                    await self._writer.place(worker, assignment)
            except ClusterError as error:
                self._promises.pop(worker.uid, None)
                logger.info("%s: worker %d not placed, again: %s", gang.key, worker.index, error)
                self.wake()

        await asyncio.gather(*(give(assignment) for assignment in decision.assignments))
        self._telemetry.placed((self._clock.now() - gang.created).total_seconds())

    async def _wait(self, gang: Gang, decision: Waiting) -> None:
        self._remember(gang.uid, decision)
        if not gang.held:
            self._partial_since.pop(gang.uid, None)
            return
        since = self._partial_since.setdefault(gang.uid, self._clock.now())
        if self._clock.now() - since < self._partial_gang:
            return
        for worker in self._view.workers(gang.uid):
            if worker.live and not worker.gates:
                await self._writer.delete_worker(worker)
        self._partial_since.pop(gang.uid, None)

    def _remember(self, uid: str, decision: Decision) -> None:
        if self.decisions.get(uid) != decision:
            self.decisions[uid] = decision
            self._changed(uid)

    def _forget_the_gone(self) -> None:
        for uid in [uid for uid in self.decisions if self._view.job(uid) is None]:
            del self.decisions[uid]
            self._partial_since.pop(uid, None)


def _shape(gang: Gang) -> tuple[object, ...]:
    return (
        gang.size,
        gang.per_worker,
        gang.held,
        gang.capacity,
        gang.accelerators,
        gang.pools,
        gang.topology,
        gang.topology_level,
    )
