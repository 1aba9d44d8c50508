"""Which resources are watched beside our own kinds, each into its cache."""

import asyncio
import logging
from collections.abc import Callable

from quartermaster.adapters.devices.inventory import Devices
from quartermaster.adapters.informer import Informer
from quartermaster.adapters.kube import ApiError, KubeClient
from quartermaster.adapters.prices import overlays
from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.errors import ClusterError

logger = logging.getLogger(__name__)

Heard = Callable[[str], None]
"""Called with a resource when something of it has come."""


def of_cluster(client: KubeClient, view: ClusterView, heard: Heard) -> list[Informer]:
    """Of what every cluster has, and of Karpenter's overlays."""
    ours = meta.JOB_UID_LABEL
    jobs = "/apis/batch/v1/jobs"
    return [
        Informer(client, "/api/v1/nodes", view.nodes, heard=heard),
        Informer(client, "/api/v1/namespaces", view.namespaces, heard=heard),
        Informer(client, "/api/v1/pods", view.pods, heard=heard),
        Informer(client, jobs, view.child_jobs, selector=ours, heard=heard),
        # Only Karpenter has them, and only where its alpha feature is there.
        Informer(client, overlays.PATH, view.overlays, optional=True, heard=heard),
    ]


async def of_devices(client: KubeClient, inventory: Devices, heard: Heard) -> list[Informer]:
    """Of Dynamic Resource Allocation, where the cluster has it; waits until that is known."""
    group = "/apis/resource.k8s.io/v1"
    while True:
        try:
            await client.get(group)
        except ClusterError as error:
            if isinstance(error, ApiError) and error.status == 404:
                inventory.served = False
                return []
            logger.info("not known yet whether there is %s, again: %s", group, error)
            await asyncio.sleep(1.0)
        else:
            inventory.served = True
            return [
                Informer(client, f"{group}/deviceclasses", inventory.classes, heard=heard),
                Informer(client, f"{group}/resourceslices", inventory.slices, heard=heard),
                Informer(client, f"{group}/resourceclaims", inventory.claims, heard=heard),
            ]
