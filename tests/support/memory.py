"""A cluster in memory that fits the ports of `reconcile`: a small honest model, no mock.

It keeps what Kubernetes promises and reconciling builds on: names are unique, a finalizer holds an
object, an Indexed Job keeps one pod alive for each index, a gate is taken off once. Time passes
when the test says so. Every write goes through `_effect`, where a test can let it fail.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any

from quartermaster.api import meta
from quartermaster.api.budgets.budget import BudgetStatus
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import TrainingJobStatus
from quartermaster.decide.profile.counters import mean
from quartermaster.domain.cluster import Node, Pool, Snapshot
from quartermaster.domain.decision import Assignment, Decision
from quartermaster.domain.measurement import DeviceCounters
from quartermaster.domain.money.budget import Budget, Unfunded
from quartermaster.domain.money.ledger import Held
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.progress import Report
from quartermaster.domain.queue import Queue, Resize, Stopped
from quartermaster.domain.resources import Resources
from quartermaster.domain.worker import ChildJob, Exit, Phase, Worker
from quartermaster.errors import ClusterError, ConflictError
from quartermaster.reconcile.demand import per_worker
from tests.support import make

Document = Mapping[str, Any]


class CrashError(Exception):
    """The operator's process dies here."""


@dataclass
class FakeClock:
    """A clock that the test moves."""

    time: datetime = make.T0

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class Trip:
    """Lets the n-th write from now fail, once."""

    countdown: int
    effective: bool
    """Whether the write is done all the same: the answer is lost, or the process dies after it."""
    error: type[Exception] = ClusterError


@dataclass
class MemoryCluster:
    """The API server, the Job controller and the kubelets."""

    clock: FakeClock = field(default_factory=FakeClock)
    nodes: dict[str, Node] = field(default_factory=dict)
    all_pools: tuple[Pool, ...] = ()
    all_queues: tuple[Queue, ...] = ()
    all_budgets: dict[str, BudgetRecord] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    """Of namespaces."""
    ending: set[str] = field(default_factory=set)
    """Namespaces that are being deleted."""
    no_devices: dict[str, str] = field(default_factory=dict)
    """Why a DeviceClass has no devices, by its name."""
    records: dict[str, JobRecord] = field(default_factory=dict)
    children: dict[str, ChildJob] = field(default_factory=dict)
    pods: dict[str, Worker] = field(default_factory=dict)
    objects: dict[tuple[str, str], str] = field(default_factory=dict)
    """Owner's uid by kind and name."""
    tombs: dict[str, Worker] = field(default_factory=dict)
    """Pods that are gone, as they were last."""
    writes: list[str] = field(default_factory=list)
    statuses: list[TrainingJobStatus] = field(default_factory=list)
    warning_events: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    sizes: dict[str, int | None] = field(default_factory=dict)
    """What placed pods were told of the size of their gang."""
    trip: Trip | None = None
    at_write: Callable[[int], None] = lambda number: None
    """Called before each write, with how many there were."""

    # ---- what the test does -------------------------------------------------------------------

    def add_node(self, *nodes: Node) -> None:
        self.nodes |= {node.name: node for node in nodes}

    def submit(self, record: JobRecord) -> str:
        self.records[record.uid] = record
        return record.uid

    def edit(self, uid: str, **changes: Any) -> None:
        """The user changes the spec."""
        old = self.records[uid]
        assert old.spec is not None
        spec = old.spec.model_copy(update=changes)
        self.records[uid] = replace(old, spec=spec, generation=old.generation + 1)

    def delete(self, uid: str) -> None:
        """The user deletes the job."""
        record = self.records[uid]
        if record.finalizers:
            self.records[uid] = replace(record, deleting=True)
        else:
            self._job_gone(uid)

    def living(self, index: int = 0, job_uid: str = "uid-job") -> Worker:
        found = [w for w in self.workers(job_uid) if w.index == index and w.live]
        assert len(found) == 1, f"{len(found)} living pods for worker {index}"
        return found[0]

    def change(self, worker: Worker, **changes: Any) -> Worker:
        self.pods[worker.uid] = replace(self.pods[worker.uid], **changes)
        return self.pods[worker.uid]

    def run_pods(self, job_uid: str = "uid-job") -> None:
        """Scheduler and kubelets: what is placed is bound and started now."""
        for worker in self.workers(job_uid):
            if worker.live and worker.node and worker.bound is None and not worker.gates:
                now = self.clock.now()
                self.change(worker, bound=now, started=now, phase=Phase.RUNNING)

    def end(self, worker: Worker, code: int = 0, message: str = "", reason: str = "") -> None:
        """A worker's container ends now."""
        phase = Phase.SUCCEEDED if code == 0 else Phase.FAILED
        end = Exit(code, reason, message)
        self.change(worker, phase=phase, ended=self.clock.now(), exit=end)
        self._sweep(worker.uid)

    def evict(self, worker: Worker) -> None:
        """Kubernetes ends a worker, and its kubelet sees to it at once."""
        now = self.clock.now()
        self.change(worker, disrupted=now, deleting=now, phase=Phase.FAILED, ended=now)
        self._sweep(worker.uid)

    def delete_pod(self, uid: str) -> None:
        """Somebody deletes a pod: one that was never bound is over at once, but for finalizers."""
        worker = self.pods[uid]
        if worker.deleting is None:
            self.change(worker, deleting=self.clock.now() + timedelta(seconds=30))
        self._sweep(uid)

    def controllers(self) -> None:
        """The Job controller, once over all Jobs."""
        for child in list(self.children.values()):
            record = self.records.get(child.owner_uid)
            if record is None or record.spec is None or child.complete or child.failed:
                continue
            mine = self.workers(child.owner_uid)
            if child.suspended:
                for worker in mine:
                    if worker.live:
                        self.delete_pod(worker.uid)
                continue
            for worker in mine:
                if worker.live and worker.index >= child.workers:
                    self.delete_pod(worker.uid)
            self._replace_pods(child, mine, child.workers)

    def _replace_pods(self, child: ChildJob, mine: list[Worker], wanted: int) -> None:
        done = {w.index for w in mine if w.phase is Phase.SUCCEEDED}
        done |= {w.index for w in self._buried(child.owner_uid) if w.phase is Phase.SUCCEEDED}
        if len(done) == wanted:
            self.children[child.owner_uid] = replace(child, complete=True, ended=self.clock.now())
            return
        for index in range(wanted):
            lives = [w for w in self._ever(child.owner_uid) if w.index == index]
            # podReplacementPolicy: Failed - a pod that is being deleted is not replaced before
            # it is over.
            if index not in done and all(w.over or w.settled for w in lives):
                name = child.key.name
                uid = f"pod-{name}-{index}-{len(lives)}"
                self.pods[uid] = make.worker(
                    index,
                    job_uid=child.owner_uid,
                    life=len(lives),
                    uid=uid,
                    created=self.clock.now(),
                    gates=(meta.PLACEMENT_GATE,),
                )

    def fail_child(self, job_uid: str, reason: str = "PodFailurePolicy", message: str = "") -> None:
        """The Job controller gives a Job up, after its pods are over."""
        self.children[job_uid] = replace(
            self.children[job_uid], failed=(reason, message), ended=self.clock.now()
        )

    def _ever(self, job_uid: str) -> list[Worker]:
        return [*self.workers(job_uid), *self._buried(job_uid)]

    def _buried(self, job_uid: str) -> list[Worker]:
        return [w for w in self.tombs.values() if w.job_uid == job_uid]

    def ever(self, job_uid: str = "uid-job") -> list[Worker]:
        """Every pod of a job that there ever was."""
        return self._ever(job_uid)

    def _sweep(self, uid: str) -> None:
        """A pod that is deleted, over (or never bound) and without finalizers is gone."""
        worker = self.pods[uid]
        if worker.deleting is not None and worker.settled and not worker.accounted:
            self.tombs[uid] = self.pods.pop(uid)

    def _job_gone(self, uid: str) -> None:
        self.records.pop(uid)
        self.children.pop(uid, None)
        self.objects = {key: owner for key, owner in self.objects.items() if owner != uid}
        for worker in self.workers(uid):
            self.delete_pod(worker.uid)

    # ---- View ---------------------------------------------------------------------------------

    def job(self, uid: str) -> JobRecord | None:
        return self.records.get(uid)

    def jobs(self) -> Iterable[JobRecord]:
        return list(self.records.values())

    def child(self, job_uid: str) -> ChildJob | None:
        return self.children.get(job_uid)

    def workers(self, job_uid: str) -> list[Worker]:
        mine = [w for w in self.pods.values() if w.job_uid == job_uid]
        return sorted(mine, key=lambda w: (w.index, w.created, w.uid))

    def gated(self) -> Iterable[str]:
        return sorted({w.job_uid for w in self.pods.values() if w.live and w.gates})

    def pools(self) -> tuple[Pool, ...]:
        return self.all_pools

    def queues(self) -> tuple[Queue, ...]:
        return self.all_queues

    def budgets(self) -> tuple[BudgetRecord, ...]:
        return tuple(sorted(self.all_budgets.values(), key=lambda record: record.budget.key))

    def why_no_devices(self, device_class: str) -> str:
        return self.no_devices.get(device_class, "")

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        return self.labels.get(name, {})

    def namespace_ends(self, name: str) -> bool:
        return name in self.ending

    def node(self, name: str) -> Node | None:
        return self.nodes.get(name)

    def snapshot(self) -> Snapshot:
        held: dict[str, Resources] = {}
        for worker in self.pods.values():
            record = self.records.get(worker.job_uid)
            if worker.node and not worker.over and record and record.spec:
                needs = per_worker(record.spec)
                held[worker.node] = held.get(worker.node, Resources()) + needs
        nodes = (
            replace(node, used=node.used + held.get(node.name, Resources()))
            for node in self.nodes.values()
        )
        return Snapshot(tuple(nodes), self.all_pools)

    # ---- Writer -------------------------------------------------------------------------------

    @contextmanager
    def _effect(self, what: str) -> Iterator[None]:
        """One write; the armed trip makes it fail before or after its effect."""
        self.at_write(len(self.writes))
        self.writes.append(what)
        trip = self.trip
        if trip is not None:
            trip.countdown -= 1
        if trip is not None and trip.countdown == 0:
            self.trip = None
            if not trip.effective:
                raise trip.error(f"{what}: not done")
            yield
            raise trip.error(f"{what}: done, and nobody knows")
        yield

    async def has_job(self, worker: Worker) -> bool:
        return worker.job_uid in self.records

    async def add_finalizer(self, job: JobRecord) -> None:
        with self._effect(f"add finalizer {job.key}"):
            record = self.records[job.uid]
            finalizers = tuple({*record.finalizers, meta.JOB_FINALIZER})
            self.records[job.uid] = replace(record, finalizers=finalizers)

    async def remove_finalizer(self, job: JobRecord) -> None:
        with self._effect(f"remove finalizer {job.key}"):
            record = self.records.get(job.uid)
            if record is None:
                return
            self.records[job.uid] = replace(record, finalizers=())
            if record.deleting:
                self._job_gone(job.uid)

    async def preempt(self, job: JobRecord, stopped: Stopped) -> None:
        with self._effect(f"preempt {job.key}"):
            if job.uid in self.records:
                told = replace(self.records[job.uid], stopped=stopped, resize=None)
                self.records[job.uid] = told

    async def readmit(self, job: JobRecord) -> None:
        with self._effect(f"readmit {job.key}"):
            if job.uid in self.records:
                self.records[job.uid] = replace(self.records[job.uid], stopped=None)

    async def resize(self, job: JobRecord, resize: Resize | None) -> None:
        with self._effect(f"resize {job.key}: {resize.workers if resize else 'done'}"):
            if job.uid in self.records:
                self.records[job.uid] = replace(self.records[job.uid], resize=resize)

    async def unfund(self, job: JobRecord, unfunded: Unfunded | None) -> None:
        with self._effect(f"unfund {job.key}: {unfunded is not None}"):
            if job.uid in self.records:
                old = self.records[job.uid]
                resize = old.resize if unfunded is None else None
                self.records[job.uid] = replace(old, unfunded=unfunded, resize=resize)

    async def is_gone(self, job: NamespacedName, uid: str) -> bool:
        return uid not in self.records

    async def set_budget_status(self, record: BudgetRecord, status: Document) -> None:
        with self._effect(f"set budget status {record.budget.key}"):
            uid = record.budget.uid
            if uid not in self.all_budgets:
                raise ClusterError("404 NotFound")
            stored = BudgetStatus.model_validate(status)
            self.all_budgets[uid] = replace(self.all_budgets[uid], status=stored)

    async def create(self, document: Document) -> None:
        kind, metadata = document["kind"], document["metadata"]
        with self._effect(f"create {kind} {metadata['name']}"):
            owner = metadata["ownerReferences"][0]["uid"]
            standing = self.objects.setdefault((kind, metadata["name"]), owner)
            if standing != owner:
                raise ConflictError(f"a {kind} named {metadata['name']} is somebody else's")
            if kind == "Job" and owner not in self.children:
                spec = document["spec"]
                self.children[owner] = make.child(
                    owner,
                    metadata["name"],
                    suspended=spec["suspend"],
                    workers=spec["completions"],
                )

    async def create_claim(self, document: Document) -> None:
        with self._effect(f"create claim {document['metadata']['name']}"):
            self.objects.setdefault(("PersistentVolumeClaim", document["metadata"]["name"]), "")

    async def suspend_child(self, child: ChildJob, *, suspend: bool, workers: int) -> None:
        with self._effect(f"suspend child {child.key}: {suspend}"):
            old = self.children[child.owner_uid]
            self.children[child.owner_uid] = replace(old, suspended=suspend, workers=workers)

    async def resize_child(self, child: ChildJob, workers: int) -> None:
        with self._effect(f"resize child {child.key}: {workers}"):
            old = self.children[child.owner_uid]
            self.children[child.owner_uid] = replace(old, workers=workers)

    async def delete_child(self, child: ChildJob) -> None:
        with self._effect(f"delete child {child.key}"):
            self.children.pop(child.owner_uid, None)
            self.objects.pop(("Job", child.key.name), None)
            for worker in self.workers(child.owner_uid):
                self.delete_pod(worker.uid)

    async def delete_job(self, job: JobRecord) -> None:
        with self._effect(f"delete job {job.key}"):
            self.delete(job.uid)

    async def place(
        self,
        worker: Worker,
        assignment: Assignment,
        workers: int | None = None,
        holds: Held | None = None,
    ) -> None:
        with self._effect(f"place {worker.key.name} on {assignment.node}"):
            pod = self.pods.get(worker.uid)
            if pod is None or meta.PLACEMENT_GATE not in pod.gates:
                raise ClusterError("422 Invalid: the patch's test failed")
            self.sizes[worker.uid] = workers
            self.change(
                pod,
                gates=(),
                node=assignment.node,
                usd_per_hour=assignment.usd_per_hour,
                held=holds,
            )

    async def delete_worker(self, worker: Worker) -> None:
        with self._effect(f"delete pod {worker.uid}"):
            if worker.uid in self.pods:
                self.delete_pod(worker.uid)

    async def fail_lost(self, worker: Worker) -> None:
        with self._effect(f"fail lost {worker.uid}"):
            if worker.uid in self.pods:
                self.change(worker, phase=Phase.FAILED, disrupted=self.clock.now())
                self._sweep(worker.uid)

    async def reprice(
        self, worker: Worker, prices: Iterable[tuple[datetime, Fraction | None]]
    ) -> None:
        with self._effect(f"reprice {worker.uid}"):
            if worker.uid in self.pods:
                self.change(self.pods[worker.uid], repriced=tuple(prices))

    async def release(self, worker: Worker) -> None:
        with self._effect(f"release {worker.uid}"):
            if worker.uid in self.pods:
                self.change(worker, accounted=False)
                self._sweep(worker.uid)

    async def set_status(self, job: JobRecord, status: Document) -> None:
        with self._effect(f"set status {job.key}"):
            stored = TrainingJobStatus.model_validate(status)
            record = self.records.get(job.uid)
            if record is None:
                raise ClusterError("404 NotFound")
            self.records[job.uid] = replace(record, status=stored)
            self.statuses.append(stored)

    async def warnings(self, worker: Worker) -> list[tuple[str, str]]:
        return self.warning_events.get(worker.uid, [])


@dataclass
class Told:
    """One event on a job."""

    warning: bool
    reason: str
    message: str


@dataclass
class MemoryRecorder:
    """Keeps the events."""

    told: list[Told] = field(default_factory=list)
    told_of_budgets: list[Told] = field(default_factory=list)

    def event(self, job: JobRecord, *, warning: bool, reason: str, message: str) -> None:
        self.told.append(Told(warning, reason, message))

    def budget_event(self, budget: Budget, *, warning: bool, reason: str, message: str) -> None:
        self.told_of_budgets.append(Told(warning, reason, message))


@dataclass
class MemoryTelemetry:
    """Keeps the measurements."""

    decisions: list[Decision] = field(default_factory=list)
    gangs_placed: list[float] = field(default_factory=list)
    passes: list[str] = field(default_factory=list)
    preemptions: list[str] = field(default_factory=list)
    resizes: list[str] = field(default_factory=list)
    recoveries: list[float] = field(default_factory=list)

    def decided(self, decision: Decision, seconds: float) -> None:
        self.decisions.append(decision)

    def placed(self, seconds: float) -> None:
        self.gangs_placed.append(seconds)

    def preempted(self, reason: str) -> None:
        self.preemptions.append(reason)

    def resized(self, direction: str) -> None:
        self.resizes.append(direction)

    def recovered(self, seconds: float) -> None:
        self.recoveries.append(seconds)

    def reconciled(self, outcome: str, seconds: float) -> None:
        self.passes.append(outcome)


@dataclass
class MemoryCounters:
    """What an exporter tells of pods."""

    counters: dict[NamespacedName, DeviceCounters] = field(default_factory=dict)

    def of(self, pods: Iterable[NamespacedName]) -> DeviceCounters | None:
        return mean([self.counters[pod] for pod in pods if pod in self.counters])


@dataclass
class MemoryReports:
    """The last report of each job."""

    reports: dict[str, Report] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)

    def last(self, job_uid: str) -> Report | None:
        return self.reports.get(job_uid)

    def forget(self, job_uid: str) -> None:
        self.forgotten.append(job_uid)
        self.reports.pop(job_uid, None)
