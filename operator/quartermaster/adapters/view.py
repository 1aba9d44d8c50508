"""The operator's one picture of the cluster: caches of jobs, pods, nodes and pools."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from quartermaster.adapters import documents
from quartermaster.adapters.cache import Cache, Document
from quartermaster.adapters.devices.inventory import Devices
from quartermaster.adapters.documents import Namespace, Pod
from quartermaster.adapters.prices.overlays import overlay
from quartermaster.adapters.resources import PoolRecord, QueueRecord, pool_record, queue_record
from quartermaster.api import compute_pool, compute_queue, meta, training_job
from quartermaster.api.budgets import budget
from quartermaster.api.budgets.record import BudgetRecord, budget_record
from quartermaster.api.record import JobRecord, parse
from quartermaster.catalog.prices.price_list import PriceList
from quartermaster.decide.cost.prices import NO_BOOK, PriceBook, priced
from quartermaster.domain.cluster import Node, Pool, Reclaim, Snapshot
from quartermaster.domain.money.price import Overlay, PriceKind
from quartermaster.domain.queue import Queue
from quartermaster.domain.resources import NOTHING, Resources
from quartermaster.domain.worker import ChildJob, Worker

NOWHERE = ("", NOTHING, False)
"""Where a pod is that is on no node, what it holds there, and whether every node has such a pod."""

Touched = Callable[[str], None]
"""Called with a job's uid when something of it has changed."""
Reclaimed = Callable[[str, str, Reclaim], None]
"""Called with a node's pool, its GPU model and the sign, when jobs are on a node that goes."""


class ClusterView:
    """Caches, and the questions that reconciling asks of them."""

    def __init__(
        self,
        *,
        touched: Touched,
        room: Callable[[], None],
        reclaimed: Reclaimed = lambda *_: None,
    ) -> None:
        self._touched = touched
        self._room = room
        self._reclaimed = reclaimed
        self._workers: dict[str, set[str]] = defaultdict(set)
        self._children: dict[str, str] = {}
        self._gated: dict[str, set[str]] = defaultdict(set)
        self._nodes: dict[str, Node] = {}
        self._holds: dict[str, tuple[str, Resources, bool]] = {}
        """As `NOWHERE`, by the uid of a pod."""
        self._held: dict[str, Resources] = {}
        """What pods hold, by node."""
        self._daemons: dict[str, Resources] = {}
        """What of it pods hold that every node has, by node."""
        self._full: dict[str, tuple[Node, Node]] = {}
        """A node as it is in the cache, and with what its pods hold, by name."""
        self._listed: dict[str, tuple[Node, Node]] = {}
        """A node as it is in the cache, and with what is known of its price, by name."""
        self._book = NO_BOOK
        self._asked: dict[str, object] = {}
        self._namespaces: dict[str, Namespace] = {}
        self.training_jobs: Cache[JobRecord] = Cache(parse, self._job_changed)
        self.compute_pools: Cache[PoolRecord] = Cache(pool_record, self._pool_changed)
        self.compute_queues: Cache[QueueRecord] = Cache(queue_record, self._queue_changed)
        self.all_budgets: Cache[BudgetRecord] = Cache(budget_record, self._budget_changed)
        self.namespaces: Cache[Namespace] = Cache(documents.namespace, self._namespace_changed)
        self.pods: Cache[Pod] = Cache(documents.pod, self._pod_changed)
        self.child_jobs: Cache[ChildJob] = Cache(documents.child_job, self._child_changed)
        self.nodes: Cache[Node] = Cache(documents.node, self._node_changed)
        self.devices = Devices(changed=self._devices_changed, class_changed=self._class_changed)
        self.overlays: Cache[Overlay] = Cache(overlay, self._overlay_changed)

    def own_kinds(self) -> Mapping[str, Cache[Any]]:
        """The caches of our own kinds, which kopf fills, by resource."""
        return {
            training_job.PLURAL: self.training_jobs,
            compute_pool.PLURAL: self.compute_pools,
            compute_queue.PLURAL: self.compute_queues,
            budget.PLURAL: self.all_budgets,
        }

    def job(self, uid: str) -> JobRecord | None:
        """A TrainingJob."""
        return self.training_jobs.get(uid)

    def jobs(self) -> Iterable[JobRecord]:
        """All TrainingJobs."""
        return self.training_jobs.values()

    def child(self, job_uid: str) -> ChildJob | None:
        """The Indexed Job that a TrainingJob owns."""
        uid = self._children.get(job_uid)
        return None if uid is None else self.child_jobs.get(uid)

    def workers(self, job_uid: str) -> list[Worker]:
        """A TrainingJob's pods, by index and age."""
        found = (self.pods.get(uid) for uid in self._workers.get(job_uid, ()))
        workers = [pod.worker for pod in found if pod is not None and pod.worker is not None]
        return sorted(workers, key=lambda worker: (worker.index, worker.created, worker.uid))

    def gated(self) -> Iterable[str]:
        """Uids of jobs that have pods behind the placement gate."""
        return [uid for uid, pods in self._gated.items() if pods]

    def pools(self) -> tuple[Pool, ...]:
        """The ComputePools by name."""
        return tuple(sorted((r.pool for r in self.compute_pools.values()), key=lambda p: p.name))

    def pool_records(self) -> Iterable[tuple[str, int, Document]]:
        """Name, generation and status of each pool."""
        return [(r.pool.name, r.generation, r.status) for r in self.compute_pools.values()]

    def queues(self) -> tuple[Queue, ...]:
        """The ComputeQueues by name."""
        found = (record.queue for record in self.compute_queues.values())
        return tuple(sorted(found, key=lambda queue: queue.name))

    def queue_records(self) -> Iterable[tuple[str, int, Document]]:
        """Name, generation and status of each queue."""
        return [(r.queue.name, r.generation, r.status) for r in self.compute_queues.values()]

    def budgets(self) -> tuple[BudgetRecord, ...]:
        """The Budgets by namespace and name."""
        return tuple(sorted(self.all_budgets.values(), key=lambda record: record.budget.key))

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        """A namespace's labels; none where it is not known yet."""
        namespace = self._namespaces.get(name)
        return {} if namespace is None else namespace.labels

    def namespace_ends(self, name: str) -> bool:
        """Whether a namespace is being deleted."""
        namespace = self._namespaces.get(name)
        return namespace is not None and namespace.ending

    def node(self, name: str) -> Node | None:
        """One node, without what its pods hold."""
        node = self._nodes.get(name)
        return None if node is None else self._with_price(node)

    def why_no_devices(self, device_class: str) -> str:
        """Why no device of a class can be given to anybody; empty where that is possible."""
        return self.devices.why_none(device_class)

    def book(self) -> PriceBook:
        """What is known of prices beside pools and nodes."""
        return self._book

    def use_prices(self, lists: tuple[tuple[PriceKind, PriceList], ...]) -> None:
        """Price the nodes by these lists from now on."""
        self._reprice(replace(self._book, lists=lists))

    def _reprice(self, book: PriceBook) -> None:
        self._book = book
        self._listed.clear()
        self._full.clear()
        self._room()

    def snapshot(self) -> Snapshot:
        """Nodes with what their pods hold, and pools."""
        nodes = tuple(self._loaded(node) for node in self.nodes.values())
        return Snapshot(nodes=nodes, pools=self.pools())

    def _loaded(self, node: Node) -> Node:
        """A node with what its pods hold; the same object as before where nothing has changed."""
        found = self._full.get(node.name)
        if found is None or found[0] is not node:
            found = node, self._with_pods(node)
            self._full[node.name] = found
        return found[1]

    def _with_price(self, node: Node) -> Node:
        found = self._listed.get(node.name)
        if found is None or found[0] is not node:
            found = node, priced(self.devices.equipped(node), self._book)
            self._listed[node.name] = found
        return found[1]

    def _with_pods(self, bare: Node) -> Node:
        node = self._with_price(bare)
        held = self._held.get(node.name, NOTHING) + self.devices.used(node)
        if held == NOTHING:
            return node
        daemons = self._daemons.get(node.name, NOTHING)
        return replace(node, used=documents.held_on(node, held), daemons=daemons)

    def _hold(self, uid: str, pod: Pod | None) -> None:
        """Count what a pod holds where it is now, and not where it was before."""
        now = NOWHERE
        if pod is not None and pod.node is not None:
            now = pod.node, pod.holds, pod.daemon
        before = self._holds.pop(uid, NOWHERE)
        if now != NOWHERE:
            self._holds[uid] = now
        if now == before:
            return
        for name, amount, daemon in ((before[0], NOTHING - before[1], before[2]), now):
            if name:
                _count(self._held, name, amount)
                self._full.pop(name, None)
            if daemon:
                _count(self._daemons, name, amount)

    def _node_changed(self, node: Node, *, present: bool) -> None:
        if present:
            before = self._nodes.get(node.name)
            self._nodes[node.name] = node
            if node.reclaim is not None and (before is None or before.reclaim is None):
                jobs = self._jobs_on(node.name)
                for uid in jobs:
                    self._touched(uid)
                # What was there when this operator began has been announced to another one.
                if jobs and before is not None:
                    pool = Snapshot(pools=self.pools()).pool_of(node)
                    self._reclaimed(pool.name, node.accelerator, node.reclaim)
        elif self._nodes.get(node.name) is node:
            del self._nodes[node.name]
            self._full.pop(node.name, None)
            self._listed.pop(node.name, None)
        self._room()

    def _devices_changed(self, nodes: Iterable[str]) -> None:
        for name in nodes:
            self._listed.pop(name, None)
            self._full.pop(name, None)
        self._room()

    def _class_changed(self, name: str) -> None:
        for job in self.training_jobs.values():
            if job.spec and job.spec.trainer.resources_per_worker.device_class == name:
                self._touched(job.uid)

    def _jobs_on(self, name: str) -> set[str]:
        """Uids of the jobs that have a worker on a node."""
        there = (self.pods.get(uid) for uid, (node, _, _) in self._holds.items() if node == name)
        return {pod.worker.job_uid for pod in there if pod is not None and pod.worker}

    def _overlay_changed(self, _: Overlay, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._reprice(replace(self._book, overlays=tuple(self.overlays.values())))

    def _pool_changed(self, _: PoolRecord, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._room()

    def _queue_changed(self, _: QueueRecord, *, present: bool) -> None:  # noqa: ARG002 - the port's
        self._room()

    def _budget_changed(self, record: BudgetRecord, *, present: bool) -> None:
        acts = record.generation, tuple(record.status.actions)
        if not present:
            self._asked.pop(record.budget.uid, None)
        elif self._asked.get(record.budget.uid) == acts:
            # What it has counted lets nobody start.
            return
        else:
            self._asked[record.budget.uid] = acts
        self._room()

    def _namespace_changed(self, namespace: Namespace, *, present: bool) -> None:
        if present:
            self._namespaces[namespace.name] = namespace
            if namespace.ending:
                for job in self.training_jobs.values():
                    if job.key.namespace == namespace.name:
                        self._touched(job.uid)
        elif self._namespaces.get(namespace.name) is namespace:
            del self._namespaces[namespace.name]
        self._room()

    def _job_changed(self, job: JobRecord, *, present: bool) -> None:
        asked = (job.generation, job.queue, job.labels, job.stopped, job.resize, job.unfunded)
        if not present:
            self._asked.pop(job.uid, None)
        elif self._asked.get(job.uid) != asked:
            self._asked[job.uid] = asked
            # Its pods alone do not tell that it asks for something else, such as another queue.
            self._room()
        self._touched(job.uid)

    def _child_changed(self, child: ChildJob, *, present: bool) -> None:
        if present:
            self._children[child.owner_uid] = child.uid
        elif self._children.get(child.owner_uid) == child.uid:
            del self._children[child.owner_uid]
        self._touched(child.owner_uid)

    def _pod_changed(self, pod: Pod, *, present: bool) -> None:
        self._hold(pod.uid, pod if present else None)
        self.devices.hold(pod.uid, pod.node if present else None, pod.claims)
        worker = pod.worker
        if worker is None:
            self._room()
            return
        gated = present and worker.live and meta.PLACEMENT_GATE in worker.gates
        _mark(self._workers, worker.job_uid, pod.uid, present=present)
        _mark(self._gated, worker.job_uid, pod.uid, present=gated)
        if gated or worker.over or not present:
            self._room()
        self._touched(worker.job_uid)


def _mark(index: dict[str, set[str]], key: str, uid: str, *, present: bool) -> None:
    if present:
        index[key].add(uid)
        return
    index[key].discard(uid)
    if not index[key]:
        del index[key]


def _count(held: dict[str, Resources], name: str, amount: Resources) -> None:
    """Add to what is held on a node; where nothing is left there is no entry."""
    held[name] = held.get(name, NOTHING) + amount
    if held[name] == NOTHING:
        del held[name]
