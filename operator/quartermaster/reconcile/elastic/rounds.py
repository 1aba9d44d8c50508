"""From time to time, while nobody waits: who goes on with more or fewer workers."""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import Profile
from quartermaster.decide.elastic.running import Change, Cluster, Running, changes
from quartermaster.decide.elastic.values import Policy
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.tree import ledger_of, tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.queue import Resize
from quartermaster.domain.worker import Phase, Worker
from quartermaster.errors import ClusterError
from quartermaster.reconcile.demand import NOWHERE, holding_of, holdings, whole_gang
from quartermaster.reconcile.ports import Clock, Telemetry, View, Writer

logger = logging.getLogger(__name__)

LEAST_RESTART_S = 10.0
"""What a change costs at least: to save, and to load PyTorch [s]. Pulls and mounts come on top."""

Known = Callable[[JobRecord], Profile | None]
"""What is known of a job's steps."""


async def tell(job: JobRecord, note: Resize, writer: Writer, telemetry: Telemetry) -> bool:
    """Note on a job how it goes on; its reason begins with the verb. False: it was not written."""
    try:
        await writer.resize(job, note)
    except ClusterError as error:
        logger.info("%s: not told that it %s: %s", job.key, note.why, error)
        return False
    logger.info("%s: %s", job.key, note.why)
    telemetry.resized(note.why.partition(" ")[0])
    return True


class ElasticRounds:
    """Decides at most once in a period."""

    def __init__(
        self,
        view: View,
        writer: Writer,
        telemetry: Telemetry,
        clock: Clock,
        *,
        hardware: Hardware,
        period_s: float,
    ) -> None:
        self._view = view
        self._writer = writer
        self._telemetry = telemetry
        self._clock = clock
        self._hardware = hardware
        self._period = timedelta(seconds=period_s)
        self._last: datetime | None = None

    async def once(self, snapshot: Callable[[], Snapshot], known: Callable[[], Known]) -> None:
        """Look whether a round is due, and note its changes on the jobs.

        It is asked whenever nobody waits, so what it works with is made only where it is needed.
        """
        now = self._clock.now()
        if self._last is not None and now - self._last < self._period:
            return
        elastic = [job for job in self._view.jobs() if _is_elastic(job)]
        if not elastic:
            return
        profile_of = known()
        running = [found for job in elastic if (found := self._running(job, profile_of, now))]
        if not any(_could_change(one) for one in running):
            return
        self._last = now
        tree = tree_of(self._view.queues())
        ledger = ledger_of(tree, holdings(self._view, NOWHERE, now))
        cluster = Cluster(snapshot(), self._hardware, ledger)
        # In a thread, like the cycle's decisions: the lease does not wait for a programme.
        for change in await asyncio.to_thread(changes, running, cluster, now, Policy()):
            await self._note(change, now)

    async def _note(self, change: Change, now: datetime) -> None:
        job = self._view.job(change.uid)
        child = self._view.child(change.uid)
        if job is None or child is None:
            return
        verb = "grows" if change.workers > child.workers else "shrinks"
        why = f"{verb} from {child.workers} to {change.workers} workers: more is learnt so in all"
        note = Resize(change.workers, why, now, change.places)
        await tell(job, note, self._writer, self._telemetry)

    def _running(self, job: JobRecord, known: Known, now: datetime) -> Running | None:
        spec = job.spec
        if spec is None or not _steady(job, spec):
            return None
        child = self._view.child(job.uid)
        workers = [w for w in self._view.workers(job.uid) if w.live]
        there = [w for w in workers if w.phase is Phase.RUNNING and w.started is not None]
        if child is None or child.suspended or len(there) != len(workers) or not there:
            return None
        holding = holding_of(job, self._view, NOWHERE, now)
        if len(there) != child.workers or holding is None:
            return None
        since = max(worker.started for worker in there if worker.started is not None)
        return Running(whole_gang(job, spec, known(job)), holding, since, _restart_s(there))


def _is_elastic(job: JobRecord) -> bool:
    """One that follows a deadline keeps its size: a round knows nothing of slack and capacity."""
    if job.spec is None or job.spec.placement.follows_deadline:
        return False
    return job.spec.trainer.min_workers is not None


def _steady(job: JobRecord, spec: TrainingJobSpec) -> bool:
    """Whether nothing else is about to happen to it."""
    moved = job.sent_away or job.resize is not None or spec.managed_by is not None
    return not (job.finished or job.deleting or spec.suspend or moved)


def _could_change(one: Running) -> bool:
    return bool(one.gpus) and len(one.holding.seats) < one.gang.size


def _restart_s(workers: list[Worker]) -> float:
    """As long as the present workers took from their binding to their start, and the rest [s]."""
    waits = [
        (worker.started - worker.bound).total_seconds()
        for worker in workers
        if worker.started is not None and worker.bound is not None
    ]
    return LEAST_RESTART_S + max(waits, default=0.0)
