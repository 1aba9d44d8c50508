"""What is told to Kubernetes. Each write can be repeated; the cache learns its answer at once."""

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

from quartermaster.adapters.cache import Document
from quartermaster.adapters.clock import Clock
from quartermaster.adapters.kube import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_MERGE_PATCH,
    ApiError,
    KubeClient,
)
from quartermaster.adapters.view import ClusterView
from quartermaster.api import compute_pool, compute_queue, meta, training_job
from quartermaster.api.budgets import budget as budget_kind
from quartermaster.api.budgets.record import BudgetRecord, unfunded_text
from quartermaster.api.record import JobRecord, resize_text, stopped_text
from quartermaster.domain.decision import Assignment
from quartermaster.domain.money.budget import Budget, Unfunded
from quartermaster.domain.money.ledger import Held
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import Resize, Stopped
from quartermaster.domain.worker import ChildJob, Worker
from quartermaster.errors import ConflictError
from quartermaster.manifests.held import prices_text
from quartermaster.manifests.worker import placement_patch

logger = logging.getLogger(__name__)

_PATHS = {
    "Service": "/api/v1/namespaces/{}/services",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "PersistentVolumeClaim": "/api/v1/namespaces/{}/persistentvolumeclaims",
    "ResourceClaimTemplate": "/apis/resource.k8s.io/v1/namespaces/{}/resourceclaimtemplates",
}


def job_path(key: NamespacedName) -> str:
    """A TrainingJob's path."""
    group = f"/apis/{meta.API_VERSION}/namespaces/{key.namespace}"
    return f"{group}/{training_job.PLURAL}/{key.name}"


def budget_path(key: NamespacedName) -> str:
    """A Budget's path."""
    group = f"/apis/{meta.API_VERSION}/namespaces/{key.namespace}"
    return f"{group}/{budget_kind.PLURAL}/{key.name}"


def pod_path(key: NamespacedName) -> str:
    """A pod's path."""
    return f"/api/v1/namespaces/{key.namespace}/pods/{key.name}"


def child_path(key: NamespacedName) -> str:
    """An Indexed Job's path."""
    return f"{_PATHS['Job'].format(key.namespace)}/{key.name}"


def _sizes(child: ChildJob, workers: int) -> dict[str, int]:
    """An Indexed Job is resized by both numbers at once."""
    return {} if workers == child.workers else {"completions": workers, "parallelism": workers}


def same(uid: str) -> dict[str, Any]:
    """The first operation of every JSON patch: this object, and no later one of its name."""
    return {"op": "test", "path": "/metadata/uid", "value": uid}


class ClusterWriter:
    """The writes of the operator."""

    def __init__(self, client: KubeClient, view: ClusterView, clock: Clock) -> None:
        self._client = client
        self._view = view
        self._clock = clock

    async def has_job(self, worker: Worker) -> bool:
        """Whether the worker's TrainingJob is there, asked of the API server and not of a cache."""
        job = await self._read(job_path(NamespacedName(worker.key.namespace, worker.job_name)))
        return job is not None and job["metadata"]["uid"] == worker.job_uid

    async def add_finalizer(self, job: JobRecord) -> None:
        """Keep the job until its accounts are closed."""
        body = [
            same(job.uid),
            {
                "op": "add",
                "path": "/metadata/finalizers",
                "value": [*job.finalizers, meta.JOB_FINALIZER],
            },
        ]
        self._keep_job(await self._client.patch(job_path(job.key), body, JSON_PATCH))

    async def remove_finalizer(self, job: JobRecord) -> None:
        """Let the job go."""
        kept = [name for name in job.finalizers if name != meta.JOB_FINALIZER]
        body = [same(job.uid), {"op": "replace", "path": "/metadata/finalizers", "value": kept}]
        await self._unless_gone(job_path(job.key), body)
        self._view.training_jobs.drop(job.uid)

    async def preempt(self, job: JobRecord, stopped: Stopped) -> None:
        """Note on the job that it has to stop for another one, whatever size it was to have."""
        await self._annotate(
            job, {meta.PREEMPTED_ANNOTATION: stopped_text(stopped), meta.RESIZE_ANNOTATION: None}
        )

    async def readmit(self, job: JobRecord) -> None:
        """Let a job that was stopped wait for its turn again."""
        await self._annotate(job, {meta.PREEMPTED_ANNOTATION: None})

    async def resize(self, job: JobRecord, resize: Resize | None) -> None:
        """Note on an elastic job how many workers it is to have; None: it has them."""
        text = None if resize is None else resize_text(resize)
        await self._annotate(job, {meta.RESIZE_ANNOTATION: text})

    async def unfund(self, job: JobRecord, unfunded: Unfunded | None) -> None:
        """Note on the job that it has to stop since its money is spent; None: there is more."""
        told: dict[str, str | None] = {meta.UNFUNDED_ANNOTATION: None}
        if unfunded is not None:
            # Whatever size it was to have: nothing is kept for a job that stops.
            told[meta.UNFUNDED_ANNOTATION] = unfunded_text(unfunded)
            told[meta.RESIZE_ANNOTATION] = None
        await self._annotate(job, told)

    async def is_gone(self, job: NamespacedName, uid: str) -> bool:
        """Whether a TrainingJob is gone, asked of the API server and not of a cache."""
        found = await self._read(job_path(job))
        return found is None or found["metadata"]["uid"] != uid

    async def _annotate(self, job: JobRecord, texts: Mapping[str, str | None]) -> None:
        # With the uid: a later job of the same name is refused.
        told = {"uid": job.uid, "annotations": dict(texts)}
        try:
            made = await self._client.patch(job_path(job.key), {"metadata": told}, MERGE_PATCH)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            logger.debug("%s is gone: %s", job.key, error)
            return
        self._keep_job(made)

    async def create(self, document: Document) -> None:
        """Create an owned object.

        Raises:
            ConflictError: One of that name is there and belongs to somebody else.
        """
        metadata, kind = document["metadata"], document["kind"]
        path = _PATHS[kind].format(metadata["namespace"])
        try:
            made = await self._client.create(path, dict(document))
        except ApiError as error:
            if error.status != 409:
                raise
            made = await self._client.get(f"{path}/{metadata['name']}")
            owner = metadata["ownerReferences"][0]["uid"]
            theirs = made["metadata"].get("ownerReferences") or []
            if owner not in [reference["uid"] for reference in theirs]:
                raise ConflictError(
                    f"a {kind} named {metadata['name']} exists in {metadata['namespace']} and "
                    "does not belong to this job; delete it, or give the job another name"
                ) from error
        if kind == "Job":
            self._view.child_jobs.put(made)

    async def create_claim(self, document: Document) -> None:
        """Create a claim unless there is one: it is kept over runs of the same name."""
        path = _PATHS["PersistentVolumeClaim"].format(document["metadata"]["namespace"])
        try:
            await self._client.create(path, dict(document))
        except ApiError as error:
            if error.status != 409:
                raise

    async def suspend_child(self, child: ChildJob, *, suspend: bool, workers: int) -> None:
        """Stop the pods of a Job, or let them come again; so many of them from now on [count]."""
        wanted = {"suspend": suspend} | _sizes(child, workers)
        await self._change_child(child, wanted)

    async def resize_child(self, child: ChildJob, workers: int) -> None:
        """Keep so many pods [count]: those of the highest indices go, or further ones come."""
        await self._change_child(child, _sizes(child, workers))

    async def _change_child(self, child: ChildJob, wanted: Mapping[str, Any]) -> None:
        fields = [{"op": "add", "path": f"/spec/{k}", "value": v} for k, v in wanted.items()]
        body = [same(child.uid), *fields]
        made = await self._client.patch(child_path(child.key), body, JSON_PATCH)
        self._view.child_jobs.put(made)

    async def delete_child(self, child: ChildJob) -> None:
        """Delete a Job and its pods."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": child.uid}}
        if await self._client.delete(child_path(child.key), body) is None:
            self._view.child_jobs.drop(child.uid)

    async def delete_job(self, job: JobRecord) -> None:
        """Delete a TrainingJob."""
        body = {"propagationPolicy": "Background", "preconditions": {"uid": job.uid}}
        await self._client.delete(job_path(job.key), body)

    async def place(
        self,
        worker: Worker,
        assignment: Assignment,
        workers: int | None = None,
        holds: Held | None = None,
    ) -> None:
        """Give a gated pod its node and, in an elastic gang, its size; take its gate away."""
        body = placement_patch(worker, assignment, workers, holds)
        self._view.pods.put(await self._client.patch(pod_path(worker.key), body, JSON_PATCH))

    async def delete_worker(self, worker: Worker) -> None:
        """Delete a pod, with its grace."""
        await self._client.delete(pod_path(worker.key), {"preconditions": {"uid": worker.uid}})

    async def fail_lost(self, worker: Worker) -> None:
        """Mark a pod failed whose node is gone, and delete it for good.

        This is what Kubernetes' own pod garbage collector does for nodes that are marked out of
        service: without a kubelet nobody else ever ends the pod.
        """
        now = self._clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": meta.NODE_LOST,
            "message": "the node does not answer and the pod's grace is over",
            "lastTransitionTime": now,
        }
        pod = await self._read(pod_path(worker.key))
        if pod is None or pod["metadata"]["uid"] != worker.uid:
            return
        others = [
            c
            for c in (pod.get("status") or {}).get("conditions") or ()
            if c.get("type") != condition["type"]
        ]
        status = {
            "metadata": {"uid": worker.uid},
            "status": {
                "phase": "Failed",
                "reason": meta.NODE_LOST,
                "conditions": [*others, condition],
            },
        }
        made = await self._client.patch(f"{pod_path(worker.key)}/status", status, MERGE_PATCH)
        self._view.pods.put(made)
        final = {"gracePeriodSeconds": 0, "preconditions": {"uid": worker.uid}}
        await self._client.delete(pod_path(worker.key), final)

    async def reprice(
        self, worker: Worker, prices: Iterable[tuple[datetime, Fraction | None]]
    ) -> None:
        """Note on a pod what it costs from when on."""
        notes = {meta.REPRICED_ANNOTATION: prices_text(prices)}
        body = {"metadata": {"uid": worker.uid, "annotations": notes}}
        self._view.pods.put(await self._client.patch(pod_path(worker.key), body, MERGE_PATCH))

    async def release(self, worker: Worker) -> None:
        """Take the accounting finalizer off a pod that has been charged.

        One request: the finalizer is named, not its place in the list, which the Job controller
        changes too.
        """
        body = {
            "metadata": {
                "uid": worker.uid,
                "$deleteFromPrimitiveList/finalizers": [meta.POD_FINALIZER],
            }
        }
        try:
            made = await self._client.patch(pod_path(worker.key), body, STRATEGIC_MERGE_PATCH)
            self._view.pods.put(made)
        except ApiError as error:
            if error.status not in (404, 409):
                raise
            # Gone, or another pod has its name by now.
            self._view.pods.drop(worker.uid)

    async def set_status(self, job: JobRecord, status: Document) -> None:
        """Replace a job's status."""
        body = [same(job.uid), {"op": "add", "path": "/status", "value": dict(status)}]
        path = f"{job_path(job.key)}/status"
        self._keep_job(await self._client.patch(path, body, JSON_PATCH))

    async def set_pool_status(self, name: str, status: Document) -> None:
        """Replace a pool's status."""
        body = [{"op": "add", "path": "/status", "value": dict(status)}]
        path = f"/apis/{meta.API_VERSION}/{compute_pool.PLURAL}/{name}/status"
        self._view.compute_pools.put(await self._client.patch(path, body, JSON_PATCH))

    async def set_queue_status(self, name: str, status: Document) -> None:
        """Replace a queue's status."""
        body = [{"op": "add", "path": "/status", "value": dict(status)}]
        path = f"/apis/{meta.API_VERSION}/{compute_queue.PLURAL}/{name}/status"
        self._view.compute_queues.put(await self._client.patch(path, body, JSON_PATCH))

    async def set_budget_status(self, record: BudgetRecord, status: Document) -> None:
        """Replace a Budget's status."""
        body = [
            same(record.budget.uid),
            {"op": "add", "path": "/status", "value": dict(status)},
        ]
        path = f"{budget_path(record.budget.key)}/status"
        self._view.all_budgets.put(await self._client.patch(path, body, JSON_PATCH))

    async def warnings(self, worker: Worker) -> list[tuple[str, str]]:
        """Reasons and messages of a pod's warning events, the newest last."""
        query = {"fieldSelector": f"involvedObject.uid={worker.uid},type=Warning", "limit": "50"}
        path = f"/api/v1/namespaces/{worker.key.namespace}/events"
        items: list[Document] = (await self._client.get(path, query)).get("items") or []
        items.sort(key=lambda e: str(e.get("lastTimestamp") or e.get("eventTime") or ""))
        return [(str(e.get("reason", "")), str(e.get("message", ""))) for e in items]

    async def _read(self, path: str) -> Document | None:
        try:
            return await self._client.get(path)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def _unless_gone(self, path: str, body: list[dict[str, Any]]) -> Document | None:
        try:
            return await self._client.patch(path, body, JSON_PATCH)
        except ApiError as error:
            if error.status in (404, 422):
                logger.debug("%s is gone or has changed: %s", path, error)
                return None
            raise

    def _keep_job(self, document: Document) -> None:
        self._view.training_jobs.put(document)


class EventPoster:
    """Posts events on our objects; one that is lost costs nobody anything."""

    def __init__(self, client: KubeClient, clock: Clock, identity: str) -> None:
        self._client = client
        self._clock = clock
        self._identity = identity

    async def post(
        self, about: JobRecord | Budget, *, warning: bool, reason: str, message: str
    ) -> None:
        """Post one event."""
        now: datetime = self._clock.now()
        stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
        namespace = about.key.namespace
        body: dict[str, Any] = {
            "metadata": {"generateName": f"{about.key.name}.", "namespace": namespace},
            "involvedObject": {
                "apiVersion": meta.API_VERSION,
                "kind": budget_kind.KIND if isinstance(about, Budget) else training_job.KIND,
                "name": about.key.name,
                "namespace": namespace,
                "uid": about.uid,
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message[:1024],
            "source": {"component": meta.FIELD_MANAGER},
            "reportingComponent": meta.FIELD_MANAGER,
            "reportingInstance": self._identity,
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
        try:
            await self._client.create(f"/api/v1/namespaces/{namespace}/events", body)
        except ApiError as error:
            logger.debug("event on %s not posted: %s", about.key, error)
