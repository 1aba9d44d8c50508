"""Clusters that are not ours to run: one by kind, or whichever the kubeconfig names.

Running kind needs a Docker engine. That path has not been run by us; see the cluster page of the
documentation.
"""

import json
import os
import shutil
from pathlib import Path

from devcluster.command import run, run_logged, succeeds
from devcluster.errors import CommandError, DevclusterError
from devcluster.hardware import GPU_RESOURCE, LOCAL_NODES
from devcluster.image import product
from devcluster.layout import Layout
from devcluster.local.binaries import KUBERNETES_VERSION
from devcluster.progress import Progress

KIND_NAME = "quartermaster"


def kind_config() -> dict[str, object]:
    """A control plane, and a worker for each node of the local cluster, labelled as that is."""
    workers = [{"role": "worker", "labels": shape.labels()} for shape in LOCAL_NODES]
    return {
        "kind": "Cluster",
        "apiVersion": "kind.x-k8s.io/v1alpha4",
        "name": KIND_NAME,
        "nodes": [{"role": "control-plane"}, *workers],
    }


def kind_up(layout: Layout, progress: Progress) -> None:
    """Create the kind cluster unless it is there, and give its workers their GPUs.

    Raises:
        DevclusterError: kind, docker or kubectl is missing, or one of them failed.
    """
    for program in ("kind", "docker", "kubectl"):
        if shutil.which(program) is None:
            raise DevclusterError(f"{program} is not installed; CLUSTER=local needs none of it")
    if KIND_NAME not in run(["kind", "get", "clusters"]).split():
        config = layout.config / "kind.json"
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(json.dumps(kind_config(), indent=2) + "\n")
        run_logged(
            [
                *("kind", "create", "cluster", "--wait=120s", f"--config={config}"),
                f"--image=kindest/node:v{KUBERNETES_VERSION}",
            ],
            log=layout.logs / "kind.log",
            what="kind create cluster",
            progress=progress,
        )
    names = ("worker", *(f"worker{index}" for index in range(2, len(LOCAL_NODES) + 1)))
    for suffix, shape in zip(names, LOCAL_NODES, strict=True):
        patch = {"status": {"capacity": {GPU_RESOURCE: str(shape.hardware.gpus)}}}
        run(
            [
                *("kubectl", "--context", f"kind-{KIND_NAME}", "patch", "node"),
                *(f"{KIND_NAME}-{suffix}", "--subresource=status", "--type=merge"),
                *("--patch", json.dumps(patch)),
            ]
        )
    progress.say(f"kind cluster {KIND_NAME} up; context kind-{KIND_NAME}")


def kind_images(layout: Layout, chosen: list[product.Image], progress: Progress) -> None:
    """Build images with Docker and load them into kind's nodes.

    Raises:
        DevclusterError: A build or the loading failed.
    """
    for image in chosen:
        reference = product.docker_build(layout, image, "", progress)
        run(["kind", "load", "docker-image", "--name", KIND_NAME, reference])
        progress.say(f"{reference} loaded")


def kind_down(progress: Progress) -> None:
    """Delete the kind cluster."""
    run(["kind", "delete", "cluster", "--name", KIND_NAME])
    progress.say(f"kind cluster {KIND_NAME} deleted")


def existing_up(progress: Progress) -> None:
    """Only check that the current kubeconfig lets us in, and may define new kinds.

    Raises:
        DevclusterError: kubectl is missing, or access is refused.
    """
    try:
        version = json.loads(run(["kubectl", "version", "--output=json"]))["serverVersion"]
    except (CommandError, KeyError) as error:
        raise DevclusterError(f"no access to the cluster of {_kubeconfig()}: {error}") from None
    may = ["kubectl", "auth", "can-i", "create", "customresourcedefinitions"]
    if not succeeds(may):
        raise DevclusterError(
            f"the user of {_kubeconfig()} may not create custom resource definitions"
        )
    progress.say(f"the cluster of {_kubeconfig()} runs {version['gitVersion']} and lets us in")


def existing_images(
    layout: Layout, chosen: list[product.Image], registry: str, progress: Progress
) -> None:
    """Build images with Docker and push them to a registry of the user's.

    Raises:
        DevclusterError: No registry was named, or building or pushing failed.
    """
    if not registry:
        raise DevclusterError("name where your cluster pulls from: IMAGE_REGISTRY=REGISTRY/PATH")
    for image in chosen:
        reference = product.docker_build(layout, image, registry, progress)
        run(["docker", "push", "--quiet", reference])
        progress.say(f"{reference} pushed")


def _kubeconfig() -> Path:
    return Path(os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
