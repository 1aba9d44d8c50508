"""One pass over one TrainingJob: observe, account, build, apply, report."""

import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import (
    State,
    TrainingJobStatus,
)
from quartermaster.decide import workers as facts
from quartermaster.decide.cost.together import Gang, recovered
from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.domain.worker import Phase, Worker
from quartermaster.errors import ConflictError
from quartermaster.manifests import devices, volume
from quartermaster.manifests import worker as manifests
from quartermaster.reconcile import blame
from quartermaster.reconcile.blame import Verdict
from quartermaster.reconcile.demand import per_worker, size_of
from quartermaster.reconcile.elastic import sizes
from quartermaster.reconcile.elastic.rounds import tell
from quartermaster.reconcile.leaving import readmission
from quartermaster.reconcile.leaving.reclaim import departure
from quartermaster.reconcile.money import accounts, repricing
from quartermaster.reconcile.money.accounts import Books, Charging
from quartermaster.reconcile.money.idling import Idling
from quartermaster.reconcile.money.predictions import outcome
from quartermaster.reconcile.money.recording import (
    brought_back,
    recorded,
    recorded_if_possible,
    to_bring_back,
)
from quartermaster.reconcile.profile import measured
from quartermaster.reconcile.profile.length import earlier_steps
from quartermaster.reconcile.progress import last_words
from quartermaster.reconcile.status import report
from quartermaster.reconcile.status.news import news
from quartermaster.reconcile.world import World

SLOW_START = timedelta(seconds=5)
"""A worker that is bound and not started after this time is asked for its warning events."""
REFRESH_SECONDS = 10.0
REFRESHES_PER_SECOND = 5.0
"""Cost and progress of all running jobs together are written at most this often."""


class TrainingJobReconciler:
    """Brings one TrainingJob nearer to its spec, and says how it is."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._written: dict[str, datetime] = {}
        self._idling = Idling()

    async def __call__(self, uid: str) -> float | None:
        """One pass; returns when to look again [s].

        Raises:
            ClusterError: The API server refused or did not answer.
        """
        began = time.perf_counter()
        outcome = "error"
        try:
            delay = await self._pass(uid)
            outcome = "ok"
            return delay
        finally:
            self._world.telemetry.reconciled(outcome, time.perf_counter() - began)

    async def _pass(self, uid: str) -> float | None:
        job, workers = self._world.view.job(uid), self._world.view.workers(uid)
        if job is None:
            self._forget(uid)
            await self._release_orphans(workers)
            return None
        ledger = self._world.ledger
        if ledger is not None and to_bring_back(ledger, [job]):
            await brought_back(ledger, job, self._world.clock.now())
        if job.deleting:
            return await self._let_go(job, workers)
        ends = self._world.view.namespace_ends(job.key.namespace)
        if ends:
            # Kubernetes deletes a namespace's pods first and waits until they are gone; of a pod
            # that has failed the Job controller does not let go before it is replaced, and there
            # nothing can be made any more.
            await self._world.writer.delete_job(job)
        if ends or (job.spec is not None and job.spec.managed_by is not None):
            return None
        if job.finished:
            return await self._after_the_end(job, workers)
        if job.spec is None:
            await self._refuse(job)
            return None
        return await self._drive(job, job.spec, workers)

    async def _release_orphans(self, workers: list[Worker]) -> None:
        """Pods whose job is gone have nobody to be charged to.

        A job that is merely not seen yet, just after a start, is no reason to let its pods go.
        """
        leaving = [w for w in workers if w.accounted and (w.over or w.deleting is not None)]
        if not leaving or await self._world.writer.has_job(leaving[0]):
            return
        for worker in leaving:
            await self._world.writer.release(worker)

    async def _let_go(self, job: JobRecord, workers: list[Worker]) -> float | None:
        """The job is being deleted: its pods end first, then it goes."""
        if not job.held:
            return None
        child = self._world.view.child(job.uid)
        if child is not None and not child.deleting:
            await self._world.writer.delete_child(child)
        await self._settle(job, workers)
        await self._fail_lost(workers)
        if child is not None or any(worker.accounted for worker in workers):
            return 2.0
        if self._world.funding.owes(job):
            return 2.0
        # Asked once more, of the database: with the job goes what a lost ledger is made from.
        await brought_back(self._world.ledger, job, self._world.clock.now())
        await self._world.writer.remove_finalizer(job)
        return None

    async def _after_the_end(self, job: JobRecord, workers: list[Worker]) -> float | None:
        """What is finished stays finished: late pods are charged, and the time to live runs."""
        await self._settle(job, workers)
        ttl = job.spec.ttl_seconds_after_finished if job.spec else None
        if ttl is None or job.status.completion_time is None:
            return None
        due = job.status.completion_time + timedelta(seconds=ttl)
        left = (due - self._world.clock.now()).total_seconds()
        if left > 0:
            return left
        await self._world.writer.delete_job(job)
        return None

    async def _settle(self, job: JobRecord, workers: list[Worker]) -> None:
        """Charge the pods that are over, and let them go after that."""
        late = [worker for worker in workers if worker.accounted and worker.settled]
        for worker in await self._charge_late(job, late, workers):
            await self._world.writer.release(worker)

    async def _charge_late(
        self, job: JobRecord, late: Sequence[Worker], workers: list[Worker]
    ) -> Sequence[Worker]:
        """The end of a Job and the ends of its pods come by two watches, in either order.

        Returns those of the late pods that may go now.
        """
        closing = job.status.cost.closing if job.status.cost else []
        if all(worker.uid in closing or worker.bound is None for worker in late):
            return late
        now = self._world.clock.now()
        by = Charging(
            now,
            accounts.owner(job),
            accounts.stretches_of(job.status.stretches),
            suspended=job.deleting or (job.spec is not None and job.spec.suspend),
        )
        close = partial(accounts.close, job.status.cost, job.status.goodput, workers)
        books = await recorded(self._world.ledger, job, close, by)
        cost = books.cost.model_copy(update={"forecast": books.cost.total})
        changes = {"cost": cost, "goodput": books.goodput}
        status = job.status.model_copy(update=changes)
        if job.spec is not None:
            status = status.model_copy(update={"outcome": outcome(status, job.spec)})
        await self._write(job, status, now)
        return books.to_release

    async def _refuse(self, job: JobRecord) -> None:
        """A document that got past admission and cannot be read: it fails with the paths."""
        now = self._world.clock.now()
        await self._write(job, blame.invalid_spec(job, now), now)

    async def _drive(
        self, job: JobRecord, spec: TrainingJobSpec, workers: list[Worker]
    ) -> float | None:
        now = self._world.clock.now()
        if not job.held:
            await self._world.writer.add_finalizer(job)
        if (leaving := departure(job, workers, self._world.view, now)) and not spec.suspend:
            await tell(job, leaving, self._world.writer, self._world.telemetry)
            job = self._world.view.job(job.uid) or job
        stop = _is_to_stop(job, spec, workers) or sizes.makes_way(job, self._world.view, workers)
        conflict = await self._apply(job, spec, stop=stop)
        await self._tend(job, workers, now)
        found = await self._observe(job, spec, workers, conflict, now)
        for worker, prices in repricing.changes(workers, found.cluster, per_worker(spec), now):
            await self._world.writer.reprice(worker, prices)
        books = await self._account(found)
        status = report.status(found, books)
        await self._write(job, status, now)
        for worker in books.to_release:
            await self._world.writer.release(worker)
        patience = timedelta(seconds=self._world.settings.preemption_claim_seconds)
        if readmission.is_due(job, self._world.view, patience, now):
            await self._world.writer.readmit(job)
        if sizes.is_reached(job, spec, self._world.view):
            await self._world.writer.resize(job, None)
        again = self._when_again(job, status, workers)
        return REFRESH_SECONDS if books.stays(workers) else again

    async def _apply(self, job: JobRecord, spec: TrainingJobSpec, *, stop: bool) -> Verdict | None:
        """Make what is missing. A name that is taken is the user's to clear up."""
        child = self._world.view.child(job.uid)
        if child is not None:
            # A suspended Job is stopped already, but perhaps for another size than it is to have.
            workers = sizes.wanted(job, spec, child)
            late = child.suspended and child.workers != workers
            if (child.suspended != stop or late) and not (child.complete or child.failed):
                await self._world.writer.suspend_child(child, suspend=stop, workers=workers)
            return None
        needs = spec.trainer.resources_per_worker
        if needs.device_class and (why := self._world.view.why_no_devices(needs.device_class)):
            return "NoDevices", why
        if (claim := volume.claim(spec, job.key, job.uid)) is not None:
            await self._world.writer.create_claim(claim)
        settings = self._world.settings
        try:
            if spec.trainer.workers > 1:
                await self._world.writer.create(manifests.service(job.key, job.uid))
            if (template := devices.template(spec, job.key, job.uid)) is not None:
                await self._world.writer.create(template)
            await self._world.writer.create(
                manifests.job(
                    spec,
                    job.key,
                    job.uid,
                    trainer_image=settings.trainer_image,
                    progress_url=settings.progress_url,
                )
            )
        except ConflictError as error:
            return "NameConflict", str(error)
        return None

    async def _tend(self, job: JobRecord, workers: list[Worker], now: datetime) -> None:
        """Clear away what keeps the gang from going on."""
        settings = self._world.settings
        await self._fail_lost(workers)
        peers = timedelta(seconds=settings.peer_grace_seconds)
        stuck = timedelta(seconds=settings.unschedulable_seconds)
        last = self._world.reports.last(job.uid)
        reported = last.received if last is not None else None
        hanging = facts.left_behind(workers, peers, now, reported)
        for worker in hanging + facts.refused(workers, stuck, now):
            await self._world.writer.delete_worker(worker)

    async def _fail_lost(self, workers: list[Worker]) -> None:
        if not any(worker.deleting is not None and not worker.over for worker in workers):
            return
        now = self._world.clock.now()
        for worker in workers:
            if facts.is_lost(worker, self._node(worker), now):
                await self._world.writer.fail_lost(worker)

    async def _observe(
        self,
        job: JobRecord,
        spec: TrainingJobSpec,
        workers: list[Worker],
        conflict: Verdict | None,
        now: datetime,
    ) -> report.Facts:
        child = self._world.view.child(job.uid)
        nodes = {node.name: node for w in workers if (node := self._node(w)) is not None}
        failed = None
        if child is not None and child.failed is not None:
            failed = blame.failed_job(child, workers, spec.failure_policy.max_restarts)
        elif facts.hopeless(workers) and all(worker.settled for worker in workers):
            failed = blame.hopeless(workers)
        progress = self._world.reports.last(job.uid) or last_words(workers, now)
        own = measured.mark(spec, self._world.settings.trainer_image)
        known = job.status.profile or measured.borrowed(job, own, self._world.view.jobs())
        size = size_of(job, self._world.view)
        return report.Facts(
            job=job,
            spec=spec,
            location=volume.location(spec, job.key, job.uid),
            now=now,
            wanted=size,
            child=child,
            workers=workers,
            decision=self._world.decisions.get(job.uid),
            cluster=Snapshot(tuple(nodes.values()), self._world.view.pools()),
            progress=progress,
            stretches=self._idling.followed(
                job, Gang(size, workers, progress), self._world.counters, now
            ),
            counters=self._world.counters.of(w.key for w in workers if w.phase is Phase.RUNNING),
            fingerprint=own,
            known=known,
            earlier_steps=earlier_steps(job, known, self._world.view.jobs()),
            stalled=conflict or await self._stalled(workers, now),
            failed=failed,
            outlook=self._world.spot.outlook(job.uid),
        )

    async def _stalled(self, workers: list[Worker], now: datetime) -> Verdict | None:
        slow = next(
            (
                worker
                for worker in workers
                if worker.live
                and worker.bound is not None
                and worker.started is None
                and worker.held_up is None
                and now - worker.bound > SLOW_START
            ),
            None,
        )
        warnings = await self._world.writer.warnings(slow) if slow is not None else []
        return blame.stalled(workers, warnings, now)

    def _node(self, worker: Worker) -> Node | None:
        return None if worker.node is None else self._world.view.node(worker.node)

    async def _account(self, found: report.Facts) -> Books:
        moved = found.job.stopped is not None or found.job.resize is not None
        preempted = moved and not found.spec.suspend
        by = Charging(
            now=found.now,
            owner=accounts.owner(found.job),
            stretches=found.stretches,
            source=accounts.price_source(found.workers),
            suspended=found.spec.suspend or preempted or found.job.unfunded is not None,
        )
        before = found.job.status
        close = partial(accounts.close, before.cost, before.goodput, found.workers)
        books = await recorded_if_possible(self._world.ledger, found.job, close, by)
        if preempted:
            return accounts.with_interruptions(books, found.job.status.cost, found.workers)
        return books

    async def _write(self, job: JobRecord, status: TrainingJobStatus, now: datetime) -> None:
        """Write the status when it differs; what only ticks is written at a bounded rate."""
        if status == job.status:
            return
        old = job.status
        urgent = (
            status.state is not old.state
            or [(c.type, c.status, c.reason) for c in status.conditions]
            != [(c.type, c.status, c.reason) for c in old.conditions]
            or (status.cost and status.cost.closing) != (old.cost and old.cost.closing)
        )
        last = self._written.get(job.uid)
        if not urgent and last is not None and now - last < self._interval():
            return
        body: dict[str, Any] = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._world.writer.set_status(job, body)
        self._written[job.uid] = now
        took = recovered(*map(accounts.stretches_of, (old.stretches, status.stretches)))
        if took is not None:
            self._world.telemetry.recovered(took.total_seconds())
        self._announce(job, status)

    def _interval(self) -> timedelta:
        running = sum(1 for other in self._world.view.jobs() if other.status.state is State.RUNNING)
        seconds = max(self._world.settings.status_interval_seconds, running / REFRESHES_PER_SECOND)
        return timedelta(seconds=seconds)

    def _announce(self, job: JobRecord, status: TrainingJobStatus) -> None:
        for it in news(job.status.conditions, status.conditions):
            told = it.condition
            self._world.recorder.event(
                job, warning=it.warning, reason=told.reason, message=told.message
            )

    def _when_again(
        self, job: JobRecord, status: TrainingJobStatus, workers: list[Worker]
    ) -> float | None:
        if status.completion_time is not None:
            return 0.0 if job.spec and job.spec.ttl_seconds_after_finished is not None else None
        if any(worker.deleting is not None and not worker.over for worker in workers):
            return 5.0
        if status.state in (State.STARTING, State.STALLED, State.PENDING, State.RESIZING):
            return 3.0
        return max(REFRESH_SECONDS, self._interval().total_seconds())

    def _forget(self, uid: str) -> None:
        self._written.pop(uid, None)
        self._idling.forget(uid)
        self._world.reports.forget(uid)


def _is_to_stop(job: JobRecord, spec: TrainingJobSpec, workers: list[Worker]) -> bool:
    """Whether the job's workers have to go, with their grace."""
    return spec.suspend or job.sent_away or facts.hopeless(workers)
