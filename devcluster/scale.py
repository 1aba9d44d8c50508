"""Fake nodes in their hundreds, for questions of scale: real objects, nothing behind them."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from devcluster.hardware import FAKE_TYPE, fake_node_object, fake_nodes
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import binaries, controlplane, processes
from devcluster.progress import Progress

_NODES = "/api/v1/nodes"
_CONNECTIONS = 8


def set_count(layout: Layout, count: int, progress: Progress) -> None:
    """Have exactly so many fake nodes; with none of them, their controller ends.

    Pods that stood on nodes which go are deleted with them by Kubernetes itself.

    Raises:
        DevclusterError: The cluster does not run.
    """
    wanted = {shape.name: fake_node_object(shape) for shape in fake_nodes(count)}
    present = present_names(Client(layout.kubeconfig))
    if count:
        component = controlplane.kwok(layout, binaries.folder(layout))
        processes.start(layout, component)
        processes.wait_ready(layout, [component], progress)
    _on_each(
        layout, sorted(present - set(wanted)), lambda api, name: api.delete(f"{_NODES}/{name}")
    )
    _on_each(
        layout, sorted(set(wanted) - present), lambda api, name: api.create(_NODES, wanted[name])
    )
    if not count:
        processes.stop(layout, "kwok")
    progress.say(f"{count} fake nodes (were {len(present)})")


def present_names(client: Client) -> set[str]:
    """The fake nodes there are."""
    found = client.items(f"{_NODES}?labelSelector=type%3D{FAKE_TYPE}")
    return {node["metadata"]["name"] for node in found}


def _on_each(layout: Layout, names: list[str], act: Callable[[Client, str], object]) -> None:
    """Do one thing for every name, over a few connections at once."""

    def work(part: list[str]) -> None:
        client = Client(layout.kubeconfig)
        for name in part:
            act(client, name)

    parts = [part for start in range(_CONNECTIONS) if (part := names[start::_CONNECTIONS])]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(work, parts))
