"""Fake nodes in their hundreds, for questions of scale: real objects, nothing behind them."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from devcluster.errors import DevclusterError
from devcluster.hardware import FAKE_TYPE, fake_node_object, fake_nodes
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import binaries, controlplane, processes
from devcluster.progress import Progress

_NODES = "/api/v1/nodes"
_CONNECTIONS = 8
_READY_S = 60.0
"""So long may pass without one more node becoming ready."""
_POLL_S = 0.5


def set_count(layout: Layout, count: int, progress: Progress) -> None:
    """Have exactly so many fake nodes, all ready; with none of them, their controller ends.

    Pods that stood on nodes which go are deleted with them by Kubernetes itself.

    Raises:
        DevclusterError: The cluster does not run, or the nodes do not become ready.
    """
    wanted = {shape.name: fake_node_object(shape) for shape in fake_nodes(count)}
    client = Client(layout.kubeconfig)
    present = present_names(client)
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
    if count:
        _wait_ready(client, set(wanted), progress)
    else:
        processes.stop(layout, "kwok")
    progress.say(f"{count} fake nodes (were {len(present)})")


def present_names(client: Client) -> set[str]:
    """The fake nodes there are."""
    return {node["metadata"]["name"] for node in _present(client)}


def _present(client: Client) -> list[dict[str, Any]]:
    return client.items(f"{_NODES}?labelSelector=type%3D{FAKE_TYPE}")


def _wait_ready(client: Client, wanted: set[str], progress: Progress) -> None:
    """What is placed next would miss those that come late."""
    left, changed = len(wanted) + 1, time.monotonic()
    while missing := wanted - {one["metadata"]["name"] for one in _present(client) if _ready(one)}:
        now = time.monotonic()
        if len(missing) < left:
            left, changed = len(missing), now
            progress.say(f"{len(wanted) - left} of {len(wanted)} fake nodes ready")
        elif now > changed + _READY_S:
            raise DevclusterError(
                f"{left} fake nodes, {min(missing)} first, are not ready after {_READY_S:.0f} s:"
                " see the log of kwok"
            )
        time.sleep(_POLL_S)


def _ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _on_each(layout: Layout, names: list[str], act: Callable[[Client, str], object]) -> None:
    """Do one thing for every name, over a few connections at once."""

    def work(part: list[str]) -> None:
        client = Client(layout.kubeconfig)
        for name in part:
            act(client, name)

    parts = [part for start in range(_CONNECTIONS) if (part := names[start::_CONNECTIONS])]
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        list(pool.map(work, parts))
