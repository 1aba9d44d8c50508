"""Names, labels and owners of everything that is made for a job."""

from typing import Any

from quartermaster import __version__
from quartermaster.api import meta, training_job
from quartermaster.domain.name import NamespacedName


def labels(key: NamespacedName, uid: str) -> dict[str, str]:
    """The labels that every object of a job carries."""
    return {
        "app.kubernetes.io/name": "quartermaster-worker",
        "app.kubernetes.io/instance": key.name,
        "app.kubernetes.io/version": __version__,
        "app.kubernetes.io/managed-by": "quartermaster",
        meta.JOB_LABEL: key.name,
        meta.JOB_UID_LABEL: uid,
    }


def owner(key: NamespacedName, uid: str) -> dict[str, Any]:
    """The reference by which Kubernetes deletes an object together with its job."""
    return {
        "apiVersion": meta.API_VERSION,
        "kind": training_job.KIND,
        "name": key.name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def owned(key: NamespacedName, uid: str) -> dict[str, Any]:
    """The metadata of an object that has its job's name and goes with it."""
    return {
        "name": key.name,
        "namespace": key.namespace,
        "labels": labels(key, uid),
        "ownerReferences": [owner(key, uid)],
    }
