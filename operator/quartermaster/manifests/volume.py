"""Where a run keeps its state: a directory on a claim or in a bucket, and the claim made for it."""

from dataclasses import dataclass
from typing import Any

from quartermaster.api import meta
from quartermaster.api.training.checkpoint import is_in_s3
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.domain.name import NamespacedName
from quartermaster.manifests import metadata

MOUNT = "/artifacts"


@dataclass(frozen=True, slots=True)
class Location:
    """A run's directory on a claim, or in a bucket with one on each worker beside."""

    claim: str | None
    path: str
    """Below the volume's root, without a leading slash."""
    bucket: str | None = None
    """The directory in it, `s3://BUCKET/PATH`; None where it is on a claim."""

    @property
    def run_dir(self) -> str:
        """The directory as a worker sees it."""
        return f"{MOUNT}/{self.path}"

    @property
    def uri(self) -> str:
        """The directory as users name it."""
        return self.bucket or f"pvc://{self.claim}/{self.path}"


def location(spec: TrainingJobSpec, key: NamespacedName, uid: str) -> Location:
    """Where this run lives; the uid's head keeps it apart from a later job of the same name."""
    run = f"{key.name}-{uid[:8]}"
    if spec.checkpoint.uri is None:
        return Location(claim=f"{key.name}-artifacts", path=run)
    if is_in_s3(spec.checkpoint.uri):
        return Location(claim=None, path=run, bucket=f"{spec.checkpoint.uri.rstrip('/')}/{run}")
    claim, _, folder = spec.checkpoint.uri.removeprefix("pvc://").partition("/")
    parts = [part for part in folder.split("/") if part not in ("", ".", "..")]
    return Location(claim=claim, path="/".join([*parts, run]))


def claim(spec: TrainingJobSpec, key: NamespacedName, uid: str) -> dict[str, Any] | None:
    """The claim to make; None where the user brings one.

    It has no owner on purpose: deleting a job must not delete its model.
    """
    if spec.checkpoint.uri is not None:
        return None
    request: dict[str, Any] = {
        "accessModes": ["ReadWriteMany" if spec.trainer.workers > 1 else "ReadWriteOnce"],
        "resources": {"requests": {"storage": spec.checkpoint.size}},
    }
    if spec.checkpoint.storage_class_name is not None:
        request["storageClassName"] = spec.checkpoint.storage_class_name
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": location(spec, key, uid).claim,
            "namespace": key.namespace,
            "labels": {
                k: v for k, v in metadata.labels(key, uid).items() if k != meta.JOB_UID_LABEL
            },
        },
        "spec": request,
    }
