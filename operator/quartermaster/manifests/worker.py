"""A gang's objects: headless Service, Indexed Job, and the patch that gives a pod its place."""

from typing import Any

from quartermaster.api import meta
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.domain import failure
from quartermaster.domain.decision import Assignment
from quartermaster.domain.money.ledger import Held
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.resources import GpuResource
from quartermaster.domain.worker import Worker
from quartermaster.manifests import devices, metadata, runtime, volume
from quartermaster.manifests.held import held_text, rate_text

CONTAINER = "trainer"
USER_ID = 65532
NODE_LOST_SECONDS = 60
"""How long a worker stays on a node that does not answer before it is replaced [s]."""


def service(key: NamespacedName, uid: str) -> dict[str, Any]:
    """The headless Service that gives each worker a name before it is ready."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.owned(key, uid),
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {meta.JOB_UID_LABEL: uid},
            "ports": [{"name": "rendezvous", "port": runtime.MASTER_PORT}],
        },
    }


def job(
    spec: TrainingJobSpec, key: NamespacedName, uid: str, *, trainer_image: str, progress_url: str
) -> dict[str, Any]:
    """The Indexed Job whose pods wait behind the placement gate."""
    workers = spec.trainer.workers
    body: dict[str, Any] = {
        "completions": workers,
        "parallelism": workers,
        "completionMode": "Indexed",
        "suspend": spec.suspend,
        "backoffLimitPerIndex": spec.failure_policy.max_restarts,
        "maxFailedIndexes": 0,
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {"rules": failure_rules()},
        "template": pod_template(
            spec, key, uid, trainer_image=trainer_image, progress_url=progress_url
        ),
    }
    if spec.active_deadline_seconds is not None:
        body["activeDeadlineSeconds"] = spec.active_deadline_seconds
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata.owned(key, uid),
        "spec": body,
    }


def failure_rules() -> list[dict[str, Any]]:
    """What the Job controller makes of a worker's end, in the order in which it looks."""

    def on_exit(action: str, codes: tuple[int, ...]) -> dict[str, Any]:
        match = {"containerName": CONTAINER, "operator": "In", "values": list(codes)}
        return {"action": action, "onExitCodes": match}

    disruption = {"type": "DisruptionTarget", "status": "True"}
    return [
        {"action": "Ignore", "onPodConditions": [disruption]},
        on_exit("Ignore", failure.BLAMELESS),
        on_exit("FailJob", failure.HOPELESS),
    ]


def pod_template(
    spec: TrainingJobSpec, key: NamespacedName, uid: str, *, trainer_image: str, progress_url: str
) -> dict[str, Any]:
    """A worker pod under the `restricted` Pod Security Standard."""
    return {
        "metadata": {
            "labels": metadata.labels(key, uid),
            "annotations": {
                "karpenter.sh/do-not-disrupt": "true",
                "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
                **devices.note(spec.trainer.resources_per_worker),
            },
            "finalizers": [meta.POD_FINALIZER],
        },
        "spec": {
            "restartPolicy": "Never",
            "schedulingGates": [{"name": meta.PLACEMENT_GATE}],
            "subdomain": key.name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": runtime.GRACE_SECONDS,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER_ID,
                "runAsGroup": USER_ID,
                "fsGroup": USER_ID,
                "fsGroupChangePolicy": "OnRootMismatch",
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "tolerations": _tolerations(spec.trainer.resources_per_worker.gpu_resource),
            "containers": [_container(spec, key, uid, trainer_image, progress_url)],
            "volumes": _volumes(spec, key, uid),
            **devices.claims(spec.trainer.resources_per_worker, key),
        },
    }


def _tolerations(gpus: GpuResource) -> list[dict[str, Any]]:
    # Nodes with devices are tainted with the resource's name, by custom and by the API server's
    # admission plugin ExtendedResourceToleration.
    gpu = {"key": gpus.value, "operator": "Exists", "effect": "NoSchedule"}
    lost = [
        {
            "key": f"node.kubernetes.io/{key}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": NODE_LOST_SECONDS,
        }
        for key in ("not-ready", "unreachable")
    ]
    return [gpu, *lost]


def _container(
    spec: TrainingJobSpec, key: NamespacedName, uid: str, image: str, progress_url: str
) -> dict[str, Any]:
    needs = spec.trainer.resources_per_worker
    requests = {"cpu": needs.cpu, "memory": needs.memory}
    limits = {"memory": needs.memory}
    if needs.gpus and needs.device_class is None:
        device = devices.kind(needs) or needs.gpu_resource.value
        limits[device] = str(needs.gpus)
        requests[device] = str(needs.gpus)
    container: dict[str, Any] = {
        "name": CONTAINER,
        "image": spec.trainer.image or image,
        "command": spec.trainer.command or list(runtime.LAUNCH),
        "env": runtime.environment(spec, key, uid, progress_url),
        "resources": {"requests": requests, "limits": limits, **devices.claimed(needs)},
        "ports": [{"name": "rendezvous", "containerPort": runtime.MASTER_PORT}],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": _mounts(spec),
    }
    if spec.trainer.args:
        container["args"] = spec.trainer.args
    return container


def _mounts(spec: TrainingJobSpec) -> list[dict[str, Any]]:
    mounts: list[dict[str, Any]] = [
        {"name": "artifacts", "mountPath": volume.MOUNT},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the pod's own, private directory
        {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - NCCL and data workers need it
        {"name": "token", "mountPath": runtime.TOKEN_DIR, "readOnly": True},
    ]
    if spec.trainer.code is not None:
        mounts.append({"name": "code", "mountPath": runtime.WORKSPACE, "readOnly": True})
    return mounts


def _volumes(spec: TrainingJobSpec, key: NamespacedName, uid: str) -> list[dict[str, Any]]:
    token = {
        "path": "token",
        "audience": meta.token_audience(key.namespace, key.name),
        "expirationSeconds": 3600,
    }
    claim = volume.location(spec, key, uid).claim
    kept = {"persistentVolumeClaim": {"claimName": claim}} if claim else {"emptyDir": {}}
    volumes: list[dict[str, Any]] = [
        {"name": "artifacts", **kept},
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory"}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    if spec.trainer.code is not None:
        name = spec.trainer.code.config_map_name
        volumes.append({"name": "code", "configMap": {"name": name}})
    return volumes


def placement_patch(
    worker: Worker, assignment: Assignment, workers: int | None = None, holds: Held | None = None
) -> list[dict[str, Any]]:
    """The JSON patch that gives a gated pod its node, its price and its way past the gate.

    `workers` is the size of an elastic gang [count], which its processes read; `holds` is what the
    pod is charged for.

    The node is named by a field selector, as a DaemonSet does it: the scheduler then looks at one
    node instead of all. The tests make a patch that meets another pod of that name a refusal.
    """
    gate = worker.gates.index(meta.PLACEMENT_GATE)
    term = {
        "matchFields": [{"key": "metadata.name", "operator": "In", "values": [assignment.node]}]
    }
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    price = rate_text(assignment.usd_per_hour)
    notes = {meta.PRICE_ANNOTATION: price}
    if holds is not None:
        notes[meta.HELD_ANNOTATION] = held_text(holds)
    if workers is not None:
        notes[meta.WORKERS_ANNOTATION] = str(workers)
    passes = [
        {"op": "add", "path": "/spec/tolerations/-", "value": _toleration(t.key, t.value)}
        for t in assignment.tolerations
    ]
    return [
        {"op": "test", "path": "/metadata/uid", "value": worker.uid},
        {"op": "test", "path": f"/spec/schedulingGates/{gate}/name", "value": meta.PLACEMENT_GATE},
        *(
            {"op": "add", "path": f"/metadata/annotations/{key.replace('/', '~1')}", "value": value}
            for key, value in notes.items()
        ),
        {"op": "add", "path": "/spec/affinity", "value": {"nodeAffinity": required}},
        *passes,
        {"op": "remove", "path": f"/spec/schedulingGates/{gate}"},
    ]


def _toleration(key: str, value: str | None) -> dict[str, Any]:
    if value is None:
        return {"key": key, "operator": "Exists"}
    return {"key": key, "operator": "Equal", "value": value}
