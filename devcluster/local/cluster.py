"""Bringing the local cluster up, down and partly down: the order of things, and nothing else."""

import shutil
import time
from pathlib import Path

from devcluster.errors import ApiError, DevclusterError
from devcluster.hardware import GPU_RESOURCE
from devcluster.kube import Client
from devcluster.layout import Layout
from devcluster.local import binaries, certificates, controlplane, host, pause, processes, volumes
from devcluster.local.node import LocalNode, containerd, kubelet, local_nodes
from devcluster.local.processes import Component
from devcluster.progress import Progress

_NODE_PATIENCE_S = 90.0
_KWOK = "kwok"


def stages(layout: Layout, programs: Path) -> tuple[tuple[Component, ...], ...]:
    """All components, in groups that start together, each after the one before it is ready."""
    nodes = local_nodes()
    return (
        (
            controlplane.etcd(layout, programs),
            controlplane.registry(layout, programs),
            *(containerd(layout, node) for node in nodes),
        ),
        (controlplane.apiserver(layout, programs),),
        (
            controlplane.controller_manager(layout, programs),
            controlplane.scheduler(layout, programs),
            controlplane.coredns(layout, programs),
            *(kubelet(layout, programs, node) for node in nodes),
        ),
        (
            controlplane.kube_proxy(layout, programs),
            controlplane.provisioner(layout),
        ),
    )


def components(layout: Layout, programs: Path) -> dict[str, Component]:
    """Every component by name, the optional kwok included."""
    every = [one for stage in stages(layout, programs) for one in stage]
    return {one.name: one for one in [*every, controlplane.kwok(layout, programs)]}


def up(layout: Layout, progress: Progress) -> None:
    """Start what does not run, replace what would run differently, leave the rest alone.

    Raises:
        DevclusterError: Something is missing, or a component does not come up.
    """
    binaries.ensure_packages(layout, progress)
    programs = binaries.ensure(layout, progress)
    certificates.ensure(layout)
    host.prepare(layout)
    _keep_optional(layout, programs)
    link_kubectl(layout, programs)
    groups = stages(layout, programs)
    if processes.running(layout, "registry") is None:
        _drop_unfinished_uploads(layout)
    if _is_whole(layout, groups):
        progress.say("everything runs already")
        settle(layout, progress)
        return
    for group in groups:
        _start_group(layout, group, progress)
        if any(one.name == "registry" for one in group):
            pause.ensure(layout, progress)
    settle(layout, progress)
    progress.say(f"cluster up; export KUBECONFIG={layout.kubeconfig}")


def _is_whole(layout: Layout, groups: tuple[tuple[Component, ...], ...]) -> bool:
    """Whether everything runs with the wanted configuration and answers."""
    for one in (component for group in groups for component in group):
        record = processes.running(layout, one.name)
        if record is None or record.fingerprint != one.fingerprint():
            return False
        if not processes.answers(one.probe):
            return False
    return True


def _start_group(layout: Layout, group: tuple[Component, ...], progress: Progress) -> None:
    for component in group:
        processes.start(layout, component)
    processes.wait_ready(layout, group, progress)


def _drop_unfinished_uploads(layout: Layout) -> None:
    """A push that was broken off leaves gigabytes behind; the registry would keep them a week."""
    for folder in (layout.state / "registry").rglob("_uploads"):
        shutil.rmtree(folder, ignore_errors=True)


def _keep_optional(layout: Layout, programs: Path) -> None:
    """Start kwok again when it was running before the machine restarted."""
    if _KWOK in processes.recorded_names(layout):
        record = processes.running(layout, _KWOK)
        wanted = controlplane.kwok(layout, programs)
        if record is None or record.fingerprint != wanted.fingerprint():
            processes.start(layout, wanted)


def link_kubectl(layout: Layout, programs: Path) -> None:
    """Keep kubectl and helm under a path that does not change with the versions."""
    folder = layout.state / "bin"
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("kubectl", "helm"):
        link = folder / name
        if not link.is_symlink() or link.readlink() != programs / name:
            link.unlink(missing_ok=True)
            link.symlink_to(programs / name)


def settle(layout: Layout, progress: Progress) -> None:
    """Wait for the nodes, give them their GPUs, and see to the storage."""
    client = Client(layout.kubeconfig)
    wait_nodes(client, progress)
    for node in local_nodes():
        advertise_gpus(client, node)
    volumes.ensure_classes(client, layout)
    volumes.reconcile(client, layout)


def wait_nodes(client: Client, progress: Progress) -> None:
    """Wait until every node with a kubelet is ready.

    Raises:
        DevclusterError: One is not ready in time; its own reason is shown.
    """
    deadline = time.monotonic() + _NODE_PATIENCE_S
    waiting = {node.name for node in local_nodes()}
    reasons: dict[str, str] = {}
    while waiting:
        for name in sorted(waiting):
            reason = _unready_reason(client, name)
            if reason is None:
                progress.say(f"node {name} ready")
                waiting.discard(name)
            else:
                reasons[name] = reason
        if waiting and time.monotonic() > deadline:
            name = min(waiting)
            raise DevclusterError(f"node {name} is not ready: {reasons.get(name)}")
        if waiting:
            time.sleep(0.2)


def _unready_reason(client: Client, name: str) -> str | None:
    """Why a node is not ready; None when it is."""
    try:
        node = client.get(f"/api/v1/nodes/{name}")
    except ApiError as error:
        return "it has not registered" if error.status == 404 else str(error)
    for condition in node["status"].get("conditions", []):
        if condition["type"] == "Ready":
            return None if condition["status"] == "True" else str(condition.get("message"))
    return "it has no Ready condition yet"


def advertise_gpus(client: Client, node: LocalNode) -> None:
    """Give a node its GPUs as an extended resource, and wait until pods can have them.

    There is no device and no plugin: the kubelet keeps what is patched into the capacity, until it
    registers anew, and derives what is allocatable from it.
    """
    path, wanted = f"/api/v1/nodes/{node.name}", str(node.shape.hardware.gpus)
    deadline = time.monotonic() + 30.0
    while time.monotonic() < deadline:
        status = client.get(path)["status"]
        if status["capacity"].get(GPU_RESOURCE) != wanted:
            client.patch(f"{path}/status", {"status": {"capacity": {GPU_RESOURCE: wanted}}})
        elif status["allocatable"].get(GPU_RESOURCE) == wanted:
            return
        else:
            # The kubelet follows within its status period; waiting for it here would be wasted.
            client.patch(f"{path}/status", {"status": {"allocatable": {GPU_RESOURCE: wanted}}})
        time.sleep(0.1)
    raise DevclusterError(f"node {node.name} does not keep {GPU_RESOURCE}={wanted}")


def start_one(layout: Layout, name: str, progress: Progress) -> None:
    """Start one component again after `stop_one`.

    Raises:
        DevclusterError: There is no such component, or it does not come up.
    """
    component = _named(layout, name)
    processes.start(layout, component)
    processes.wait_ready(layout, [component], progress)
    if name == "etcd" and processes.running(layout, "apiserver"):
        # It takes seconds to find its database again; until then the cluster is not back.
        processes.wait_ready(layout, [_named(layout, "apiserver")], progress)
    if name.startswith("kubelet@"):
        settle(layout, progress)


def stop_one(layout: Layout, name: str, progress: Progress) -> None:
    """Stop one component and leave everything else as it is: a fault on purpose.

    Raises:
        DevclusterError: There is no such component.
    """
    component = _named(layout, name)
    was_running = processes.stop(layout, name, grace_s=component.grace_s)
    progress.say(f"{name} {'stopped' if was_running else 'was not running'}")


def _named(layout: Layout, name: str) -> Component:
    known = components(layout, binaries.folder(layout))
    if name not in known:
        raise DevclusterError(f"no component {name!r}; there are {', '.join(sorted(known))}")
    return known[name]


def down(layout: Layout, progress: Progress, *, purge: bool) -> None:
    """Stop everything and take back what was put into the machine.

    Args:
        layout: Whose cluster.
        progress: Where to say what happens.
        purge: Whether to delete the state too: the cluster's objects, volumes and images.
    """
    programs = binaries.folder(layout)
    _stop(layout, progress, [_KWOK, "provisioner", *_named_like(layout, "kubelet@")])
    for node in local_nodes():
        host.kill_pods(node)
    _await_shims(layout)
    rest = ["kube-proxy", "coredns", "scheduler", "controller-manager", "apiserver"]
    _stop(layout, progress, [*rest, "etcd", *_named_like(layout, "containerd@"), "registry"])
    _stop(layout, progress, processes.recorded_names(layout))
    host.remove(layout, programs / "kube-proxy")
    if purge:
        shutil.rmtree(layout.runtime, ignore_errors=True)
        shutil.rmtree(layout.state, ignore_errors=True)
        progress.say(f"{layout.state} deleted")
    progress.say("cluster down")


def _named_like(layout: Layout, prefix: str) -> list[str]:
    return [name for name in processes.recorded_names(layout) if name.startswith(prefix)]


def _stop(layout: Layout, progress: Progress, names: list[str]) -> None:
    for name in names:
        if processes.stop(layout, name):
            progress.say(f"{name} stopped")


def _await_shims(layout: Layout) -> None:
    """Let containerd see its containers' ends, so that it has nothing to repair next time."""
    deadline = time.monotonic() + 5.0
    while time.monotonic() < deadline:
        if not any(host.shims(layout, node) for node in local_nodes()):
            return
        time.sleep(0.1)
