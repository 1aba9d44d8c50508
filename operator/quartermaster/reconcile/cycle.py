"""The placement cycle: who waits, what is free, who gets it, and the gates come off.

One cycle at a time decides for the whole cluster, so that no two gangs are promised the same GPU.
The queues' decisions are `decide.queue`'s; here they meet the cluster. What a cycle has to know of
earlier ones stands on the objects: places on pods, and on a job that it was stopped, and for whom.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from quartermaster.api import meta
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Profile
from quartermaster.decide.cost.held import held
from quartermaster.decide.fleet import Estate
from quartermaster.decide.placement.explain import MAX_REJECTED
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.domain.cluster import NO_POOL, Snapshot
from quartermaster.domain.decision import (
    Assignment,
    Decision,
    Placed,
    Refusal,
    RejectedCandidate,
    Waiting,
)
from quartermaster.domain.queue import Resize, Stopped
from quartermaster.domain.resources import Resources
from quartermaster.domain.workload import Gang
from quartermaster.errors import ClusterError
from quartermaster.reconcile.budgets.verdicts import Verdicts
from quartermaster.reconcile.demand import kept_places, per_worker
from quartermaster.reconcile.elastic.rounds import ElasticRounds, tell
from quartermaster.reconcile.ports import Clock, Funding, Spot, Telemetry, View, Writer
from quartermaster.reconcile.scene import (
    Moment,
    ended_jobs,
    in_arrays,
    known_profile,
    seen_by,
    waiting_gangs,
)
from quartermaster.settings import Settings

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02
"""Changes come in bursts; a cycle waits this long for the rest of one."""
IDLE_SECONDS = 10.0
"""A cycle runs at least this often while gangs wait."""
PARALLEL_WRITES = 32
WANTS_ROOM = frozenset(
    {Refusal.NO_CAPACITY, Refusal.RESERVED, Refusal.PREEMPTING, Refusal.QUOTA_USED}
)
"""While somebody waits for one of these, elastic jobs do not grow."""


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


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a cycle works with."""

    view: View
    writer: Writer
    telemetry: Telemetry
    clock: Clock
    spot: Spot
    hardware: Hardware = NOTHING_KNOWN
    """What is known of GPU models and machine types."""


class PlacementCycle:
    """Decides, one cycle at a time, and takes the gates away."""

    def __init__(self, around: Surroundings, *, settings: Settings, changed: Changed) -> None:
        self._view = around.view
        self._writer = around.writer
        self._telemetry = around.telemetry
        self._clock = around.clock
        self._hardware = around.hardware
        self._spot = around.spot
        self._funding: Funding = Verdicts(around.view, around.clock)
        self._partial_gang = timedelta(seconds=settings.partial_gang_seconds)
        self._changed = changed
        self._trainer_image = settings.trainer_image
        self._half_life_s = settings.queue_half_life_seconds
        self._rounds = ElasticRounds(
            around.view,
            around.writer,
            around.telemetry,
            around.clock,
            hardware=around.hardware,
            period_s=settings.elastic_round_seconds,
        )
        self._wake = asyncio.Event()
        self._promises: dict[str, Promise] = {}
        self._partial_since: dict[str, datetime] = {}
        self._estate: Estate | None = None
        """What the cycle before has kept of the nodes."""
        self.decisions: dict[str, Decision] = {}
        self.last_scene: Scene | None = None
        """What the newest cycle with somebody waiting was decided from."""

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
        waiting = await self._funded(waiting_gangs(self._view, self._trainer_image))
        if not waiting:
            self._promises.clear()
            await self._resize_running()
            return
        placing: list[asyncio.Task[None]] = []
        limit = asyncio.Semaphore(PARALLEL_WRITES)
        wanted = False
        # A thread outlives the cycle that is cancelled: what it may still write to is its own.
        before, self._estate = self._estate, None
        scene = self.last_scene = await self._scene(waiting, before)
        async for verdict in self._decided(scene):
            gang, decision = verdict.gang, verdict.decision
            if isinstance(decision, Placed):
                placing.append(asyncio.create_task(self._place(gang, decision, limit)))
            else:
                wanted = wanted or decision.refusal in WANTS_ROOM
                await self._stop_others(verdict)
                await self._resize_others(verdict)
                await self._wait(gang, decision)
        await asyncio.gather(*placing)
        self._estate = None if scene.fleet is None else scene.fleet.estate
        if not placing and not wanted:
            await self._resize_running()

    async def _funded(self, gangs: Sequence[Gang]) -> list[Gang]:
        """Those for which there is money and time, some on less capacity; the others are told."""
        funded: list[Gang] = []
        for gang in gangs:
            answer = self._spot.judge(gang)
            if not isinstance(answer, Waiting):
                answer = self._funding.judge(answer)
            if isinstance(answer, Waiting):
                await self._wait(gang, answer)
            else:
                funded.append(answer)
        return funded

    async def _resize_running(self) -> None:
        """Room that nobody waits for goes to elastic jobs."""
        await self._rounds.once(self._snapshot, self._profile_of)

    def _profile_of(self) -> Callable[[JobRecord], Profile | None]:
        """What is known of a job's steps, of any job at this moment."""
        ended, image = ended_jobs(self._view), self._trainer_image
        return partial(known_profile, ended=ended, trainer_image=image)

    async def _decided(self, scene: Scene) -> AsyncIterator[Verdict]:
        """The verdicts, worked out in a thread: the lease and the watches do not wait for them.

        What a scene holds is never changed by anybody, and one thread at a time works on it.
        """
        verdicts = admit(scene)
        while True:
            verdict, seconds = await asyncio.to_thread(_next, verdicts)
            if verdict is None:
                return
            if not verdict.repeated:
                self._telemetry.decided(verdict.decision, seconds)
            yield verdict

    async def _scene(self, waiting: Sequence[Gang], before: Estate | None) -> Scene:
        """Everything that this cycle is decided from, at one moment."""
        now, snapshot = self._clock.now(), self._snapshot()
        places = {uid: promise.node for uid, promise in self._promises.items()}
        at = Moment(now, self._half_life_s, self._hardware, places)
        seen = seen_by(self._view, snapshot, waiting, at)
        # All has been read: what happens from here on is for the next cycle.
        return await asyncio.to_thread(in_arrays, seen, at, before)

    async def _stop_others(self, verdict: Verdict) -> None:
        """Note on each victim that it has to stop; its own pass stops its workers.

        The notes are what the next cycle knows of it, so one that fails is decided anew.
        """
        gang = verdict.gang
        for victim, why in verdict.stop:
            job = self._view.job(victim.uid)
            if job is None:
                continue
            try:
                await self._writer.preempt(
                    job, Stopped(gang.key, gang.uid, why, self._clock.now(), verdict.places)
                )
            except ClusterError as error:
                logger.info("%s: not stopped for %s, again: %s", job.key, gang.key, error)
                self.wake()
                return
            logger.info("%s: stopped %s", job.key, why)
            self._telemetry.preempted("Priority" if victim.queue == gang.queue else "Reclaim")
            self._changed(victim.uid)

    async def _resize_others(self, verdict: Verdict) -> None:
        """Note on each job that gives workers, or its nodes, with how many and where it goes on."""
        room = f"makes room for {verdict.gang.key}"
        notes = [
            (one.rest, one.after, f"shrinks from {one.before} to {one.after} workers", one.places)
            for one in verdict.shrink
        ]
        notes += [
            (one.holding, len(one.holding.seats), "moves to other nodes", one.places)
            for one in verdict.move
        ]
        for holding, workers, what, places in notes:
            job = self._view.job(holding.uid)
            if job is None:
                continue
            note = Resize(workers, f"{what}: {room}", self._clock.now(), places)
            if not await tell(job, note, self._writer, self._telemetry):
                self.wake()
                return
            self._changed(job.uid)

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
        for node, holds in self._kept():
            more[node] = more.get(node, Resources()) + holds
        return snapshot.loaded(more)

    def _kept(self) -> Iterator[tuple[str, Resources]]:
        """What is kept for gangs that change their size, where nobody is at the moment."""
        for job in self._view.jobs():
            if job.resize is None or job.spec is None or job.finished:
                continue
            left = kept_places(job, self._view)
            for worker in self._view.workers(job.uid):
                if worker.node is not None and not worker.over and left.get(worker.node, 0):
                    left[worker.node] -= 1
            for node, count in left.items():
                for _ in range(count):
                    yield node, per_worker(job.spec)

    async def _place(self, gang: Gang, decision: Placed, limit: asyncio.Semaphore) -> None:
        self._remember(gang.uid, decision)
        self._partial_since.pop(gang.uid, None)
        try:
            size = await self._settle_size(gang, decision)
        except ClusterError as error:
            logger.info("%s: not placed, again: %s", gang.key, error)
            self.wake()
            return
        workers = {
            worker.index: worker
            for worker in self._view.workers(gang.uid)
            if worker.live and meta.PLACEMENT_GATE in worker.gates
        }

        pools = {pool.name: pool for pool in self._view.pools()}

        async def give(assignment: Assignment) -> None:
            worker = workers.get(assignment.index)
            if worker is None or worker.uid in self._promises:
                return
            self._promises[worker.uid] = Promise(assignment.node, gang.per_worker)
            node = self._view.node(assignment.node)
            pool = pools.get(assignment.pool, NO_POOL)
            holds = None if node is None else held(node, pool, gang.per_worker)
            try:
                async with limit:
                    await self._writer.place(worker, assignment, size, holds)
            except ClusterError as error:
                self._promises.pop(worker.uid, None)
                logger.info("%s: worker %d not placed, again: %s", gang.key, worker.index, error)
                self.wake()

        await asyncio.gather(*(give(assignment) for assignment in decision.assignments))
        self._telemetry.placed((self._clock.now() - gang.created).total_seconds())

    async def _settle_size(self, gang: Gang, decision: Placed) -> int | None:
        """Leave an elastic gang as many pods as have places [count]; None: it is not elastic."""
        child, job = self._view.child(gang.uid), self._view.job(gang.uid)
        if job is None or job.spec is None or child is None:
            return None
        places = Counter(assignment.node for assignment in decision.assignments)
        if job.resize is not None and dict(job.resize.places) != places and not gang.held:
            # It gets others than were kept for it, so the note would never come true.
            await self._writer.resize(job, None)
        if job.spec.trainer.min_workers is None:
            return None
        if len(decision.assignments) == gang.size:
            return child.workers
        workers = len(decision.assignments)
        await self._writer.resize_child(child, workers)
        return workers

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
        if why := self._spot.refused(uid):
            off = RejectedCandidate("spot", why)
            decision = replace(decision, rejected=(off, *decision.rejected)[:MAX_REJECTED])
        if self.decisions.get(uid) != decision:
            self.decisions[uid] = decision
            self._changed(uid)

    def _forget_the_gone(self) -> None:
        for uid in [uid for uid in self.decisions if self._view.job(uid) is None]:
            del self.decisions[uid]
            self._partial_since.pop(uid, None)


def _next(verdicts: Iterator[Verdict]) -> tuple[Verdict | None, float]:
    """The next verdict, if there is one, and how long it took [s]."""
    began = time.perf_counter()
    verdict = next(verdicts, None)
    return verdict, time.perf_counter() - began
