"""The contract with the trainer image: docs/reference/trainer-contract.md, version 1."""

import json
from typing import Any

from quartermaster.api import meta
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.domain.name import NamespacedName
from quartermaster.manifests.volume import location
from quartermaster.units import millicores

CONTRACT = "1"
MASTER_PORT = 29400
GRACE_SECONDS = 30
"""From SIGTERM to SIGKILL [s], for a save: the clouds but AWS leave a spot node no more."""
LOOPBACK = "127.0.0.1"
WORKSPACE = "/workspace"
TOKEN_DIR = "/var/run/secrets/quartermaster"  # noqa: S105 - a path, not a secret
SECRET_KEYS = {
    "AWS_ACCESS_KEY_ID": False,
    "AWS_SECRET_ACCESS_KEY": False,
    "AWS_SESSION_TOKEN": True,
    "AWS_REGION": True,
    "AWS_ENDPOINT_URL": True,
}
"""Of the Secret with the keys to a bucket: the variables, and whether each may be absent."""
LAUNCH = ("python", "-m", "qm_trainer", "launch")


def processes_per_worker(spec: TrainingJobSpec) -> int:
    """One process a GPU, or one where there is none [count]."""
    return max(1, spec.trainer.resources_per_worker.gpus)


def run_config(spec: TrainingJobSpec, key: NamespacedName, uid: str) -> str | None:
    """`QM_CONFIG`: the run as JSON; None where the user brings a command."""
    if spec.model is None or spec.dataset is None:
        return None
    trainer = spec.trainer
    config: dict[str, dict[str, Any]] = {
        "job": {"namespace": key.namespace, "name": key.name, "uid": uid},
        "model": {"factory": spec.model.factory, "args": spec.model.args},
        "dataset": {"uri": spec.dataset.uri, "args": spec.dataset.args},
        "trainer": {
            "epochs": trainer.epochs,
            "batchSize": trainer.batch_size,
            "gradientAccumulation": trainer.gradient_accumulation,
            "activationCheckpointing": trainer.activation_checkpointing,
            "learningRate": trainer.learning_rate,
            "precision": trainer.precision.value,
            "strategy": trainer.strategy.mode.value,
            "shards": trainer.strategy.shards,
            "tensorParallel": trainer.strategy.tensor_parallel,
            "seed": trainer.seed,
        },
        "checkpoint": {
            "periodSeconds": spec.checkpoint.period_seconds,
            "keep": spec.checkpoint.keep,
        },
    }
    where = location(spec, key, uid)
    if where.bucket is not None:
        config["checkpoint"]["uri"] = where.bucket
    return json.dumps(config, sort_keys=True)


def environment(
    spec: TrainingJobSpec, key: NamespacedName, uid: str, progress_url: str
) -> list[dict[str, Any]]:
    """A worker's environment; the user's own variables come last."""
    processes = processes_per_worker(spec)
    threads = max(1, millicores(spec.trainer.resources_per_worker.cpu) // 1000 // processes)
    variables = {
        "QM_CONTRACT": CONTRACT,
        "QM_GRACE_SECONDS": str(GRACE_SECONDS),
        "QM_RUN_DIR": location(spec, key, uid).run_dir,
        "QM_PROGRESS_URL": progress_url,
        "QM_PROGRESS_TOKEN_FILE": f"{TOKEN_DIR}/token",
        "QM_JOB_NAMESPACE": key.namespace,
        "QM_JOB_NAME": key.name,
        "QM_JOB_UID": uid,
        "PET_NPROC_PER_NODE": str(processes),
        # One worker has nobody to meet, and no Service that would give it a name.
        "PET_MASTER_ADDR": f"{key.name}-0.{key.name}" if spec.trainer.workers > 1 else LOOPBACK,
        "PET_MASTER_PORT": str(MASTER_PORT),
        "PET_RDZV_BACKEND": "static",
        "PET_RDZV_ID": uid,
        "PET_MAX_RESTARTS": "0",
        "OMP_NUM_THREADS": str(threads),
        "HOME": "/tmp",  # noqa: S108 - the pod's own, private directory
    }
    config = run_config(spec, key, uid)
    if config is not None:
        variables["QM_CONFIG"] = config
    if spec.trainer.code is not None:
        variables["PYTHONPATH"] = WORKSPACE
    rank = _of_pod("PET_NODE_RANK", "labels['batch.kubernetes.io/job-completion-index']")
    size: dict[str, Any] = {"name": "PET_NNODES", "value": str(spec.trainer.workers)}
    if spec.trainer.min_workers is not None:
        # A Job's template cannot be changed: each pod is told when it is given its place.
        size = _of_pod("PET_NNODES", f"annotations['{meta.WORKERS_ANNOTATION}']")
    fixed = [{"name": name, "value": value} for name, value in sorted(variables.items())]
    own = [{"name": var.name, "value": var.value} for var in spec.trainer.env]
    return [rank, size, *fixed, *_keys(spec), *own]


def _keys(spec: TrainingJobSpec) -> list[dict[str, Any]]:
    """The keys to a bucket, from the user's own Secret: they are in no object of ours."""
    secret = spec.checkpoint.secret_name
    if secret is None:
        return []
    own = {variable.name for variable in spec.trainer.env}
    return [
        {
            "name": name,
            "valueFrom": {"secretKeyRef": {"name": secret, "key": name, "optional": optional}},
        }
        for name, optional in SECRET_KEYS.items()
        if name not in own
    ]


def _of_pod(name: str, path: str) -> dict[str, Any]:
    """A variable that holds a field of the pod's own metadata."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": f"metadata.{path}"}}}
