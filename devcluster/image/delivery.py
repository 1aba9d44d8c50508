"""Images on the nodes: pulled ahead, so that no pod waits for gigabytes, and dropped when replaced.

A node pulls because a pod that ends at once is put on it. That is the kubelet's own way, which
fetches only the layers the node lacks; ``ctr images pull`` of containerd 1.6 fetches every layer
anew, 2.7 GB for a changed line of the trainer.
"""

import os
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devcluster.command import run
from devcluster.errors import CommandError, DevclusterError
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local.node import local_nodes
from devcluster.progress import Progress

_PODS = "/api/v1/namespaces/kube-system/pods"
_LABEL = "devcluster.quartermaster.dev/pulls-for"
_PATIENCE_S = 900.0
_SAY_EVERY_S = 10.0

_Json = dict[str, Any]


def deliver(layout: Layout, reference: str, progress: Progress) -> None:
    """Have every node hold an image, and of its older ones only those that pods stand on.

    Raises:
        DevclusterError: A node cannot pull it.
    """
    used = used_images(Client(layout.kubeconfig))

    def work(node: str) -> None:
        if reference not in node_images(layout, node):
            _pull(layout, node, reference, progress)
            progress.say(f"{node} has {reference}")
        _forget_older(layout, node, reference, used)

    nodes = [node.name for node in local_nodes()]
    with ThreadPoolExecutor(len(nodes)) as pool:
        list(pool.map(work, nodes))


def puller(node: str, reference: str, *, number: int) -> _Json:
    """A pod that makes a node pull an image, and does nothing with it.

    Args:
        node: Which node.
        reference: Which image.
        number: Tells it from an older one that still goes away.
    """
    tag = reference.rpartition(":")[2]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"pull-{node}-{tag}-{number}",
            "labels": {_LABEL: node},
        },
        "spec": {
            # Named, not scheduled: it takes nothing, so it has nothing to wait for.
            "nodeName": node,
            "restartPolicy": "Never",
            "automountServiceAccountToken": False,
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "pull", "image": reference, "command": ["/bin/true"]}],
        },
    }


def _pull(layout: Layout, node: str, reference: str, progress: Progress) -> None:
    """Run the pulling pod to its end."""
    client = Client(layout.kubeconfig)
    # One that was broken off stays behind; what it says about the image may be true no more.
    client.delete(f"{_PODS}?labelSelector={_LABEL}%3D{node}")
    pod = puller(node, reference, number=os.getpid())
    path = f"{_PODS}/{pod['metadata']['name']}"
    client.create(_PODS, pod)
    started = said = time.monotonic()
    try:
        while (state := pull_state(client.get(path))) != "done":
            now = time.monotonic()
            if state != "pulling" or now - started > _PATIENCE_S:
                raise DevclusterError(f"{node} cannot pull {reference}: {state}")
            if now - said > _SAY_EVERY_S:
                progress.say(f"{node}: pulling {reference}, {now - started:.0f} s")
                said = now
            time.sleep(0.2)
    finally:
        client.delete(path)


def pull_state(pod: _Json) -> str:
    """``done``, ``pulling``, or why it failed."""
    status = pod.get("status", {})
    if status.get("phase") == "Succeeded":
        return "done"
    if status.get("phase") == "Failed":
        return str(status.get("message") or status.get("reason") or "the pod failed")
    for container in status.get("containerStatuses", []):
        waiting = container.get("state", {}).get("waiting", {})
        if waiting.get("reason") in ("ErrImagePull", "ImagePullBackOff", "InvalidImageName"):
            return str(waiting.get("message", waiting["reason"]))
    return "pulling"


def used_images(client: Client) -> set[str]:
    """Every image that a pod names."""
    pods = client.items("/api/v1/pods")
    return {one["image"] for pod in pods for one in pod["spec"]["containers"]}


def _forget_older(layout: Layout, node: str, keep: str, used: set[str]) -> None:
    """Remove a node's other images of the same repository, but for those in use."""
    targets = image_targets(run([*_ctr(layout, node), "images", "list"]))
    names = outdated(targets, keep, used)
    if names:
        run([*_ctr(layout, node), "images", "remove", *names])


def outdated(targets: Mapping[str, str], keep: str, used: set[str]) -> list[str]:
    """Which names of images to remove so that one stands for its repository.

    The runtime knows an image by tag, by digest and by the bare hash of its configuration; a hash
    that no tag shares is what is left of one removed before.

    Args:
        targets: Names and their digests.
        keep: The name to keep.
        used: Further names to keep.
    """
    repository = keep.rpartition(":")[0]
    mine = (f"{repository}:", f"{repository}@")
    wanted = {
        digest
        for name, digest in targets.items()
        if name == keep or name in used or not name.startswith((*mine, "sha256:"))
    }
    return [
        name
        for name, digest in targets.items()
        if digest not in wanted and name.startswith((*mine, "sha256:"))
    ]


def image_targets(listing: str) -> dict[str, str]:
    """Every image name and the digest it stands for, from what ``ctr images list`` prints."""
    rows = (line.split() for line in listing.splitlines()[1:])
    return {row[0]: row[2] for row in rows if len(row) > 2}


def node_images(layout: Layout, node: str) -> list[str]:
    """Names of the images a node has; empty when its containerd does not run."""
    try:
        names = run([*_ctr(layout, node), "images", "list", "--quiet"]).split()
    except CommandError:
        return []
    return [name for name in names if "@sha256:" not in name and not name.startswith("sha256:")]


def _ctr(layout: Layout, node: str) -> tuple[str, ...]:
    """The start of a command to a node's containerd, in the namespace the kubelet uses."""
    return ("ctr", f"--address={layout.containerd_socket(node)}", "--namespace=k8s.io")
