"""Devices by DeviceClass: the template of the claims that a job's pods make, and its use in them.

Source: Kubernetes, Dynamic Resource Allocation, resource.k8s.io/v1.
"""

from typing import Any

from quartermaster.api import meta
from quartermaster.api.resources import Resources
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.catalog import device_classes, partitions
from quartermaster.domain.name import NamespacedName
from quartermaster.manifests import metadata

CLAIM = "gpus"
"""What the pod calls its claim."""


def kind(needs: Resources) -> str | None:
    """What a worker's devices are counted as; None where they are whole GPUs, or none."""
    if needs.device_class is not None:
        return device_classes.resource(needs.device_class)
    return None if needs.gpu_partition is None else partitions.resource(needs.gpu_partition)


def template(spec: TrainingJobSpec, key: NamespacedName, uid: str) -> dict[str, Any] | None:
    """The ResourceClaimTemplate of a job; None where it asks for no DeviceClass."""
    needs = spec.trainer.resources_per_worker
    if needs.device_class is None:
        return None
    asked = {
        "deviceClassName": needs.device_class,
        "allocationMode": "ExactCount",
        "count": needs.gpus,
    }
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": metadata.owned(key, uid),
        "spec": {
            "metadata": {"labels": metadata.labels(key, uid)},
            "spec": {"devices": {"requests": [{"name": CLAIM, "exactly": asked}]}},
        },
    }


def claims(needs: Resources, key: NamespacedName) -> dict[str, Any]:
    """The part of a pod's spec that makes its claim."""
    if needs.device_class is None:
        return {}
    return {"resourceClaims": [{"name": CLAIM, "resourceClaimTemplateName": key.name}]}


def claimed(needs: Resources) -> dict[str, Any]:
    """The part of a container's resources that uses the claim."""
    return {} if needs.device_class is None else {"claims": [{"name": CLAIM}]}


def note(needs: Resources) -> dict[str, str]:
    """The annotation that tells what the pod holds."""
    if needs.device_class is None:
        return {}
    return {meta.DEVICES_ANNOTATION: f"{needs.device_class}={needs.gpus}"}


def noted(text: str) -> dict[str, int]:
    """Devices by class [count] as `note` wrote them; nothing where it is no such text."""
    name, _, count = text.rpartition("=")
    return {name: int(count)} if name and count.isascii() and count.isdigit() else {}
