"""What the machine itself must have for the cluster: a link, forwarding, control groups, mounts.

All of it is undone by `remove`, except kernel switches that were only turned on.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

from devcluster import layout as places
from devcluster.command import run, succeeds
from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.local import volumes
from devcluster.local.node import LocalNode, local_nodes

_CGROUPS = Path("/sys/fs/cgroup")
_SWITCHES = {
    "net/ipv4/ip_forward": "1",
    # Lets a pod reach a service whose answer comes from its own bridge.
    "net/bridge/bridge-nf-call-iptables": "1",
}
_MASQUERADE = (
    *("POSTROUTING", "-s", places.POD_CIDR, "!", "-d", places.POD_CIDR, "!", "-o", "qm-br+"),
    *("-m", "comment", "--comment", "quartermaster-dev", "-j", "MASQUERADE"),
)
_ACCEPT = ("-m", "comment", "--comment", "quartermaster-dev", "-j", "ACCEPT")
_FORWARD = tuple(("FORWARD", side, places.POD_CIDR, *_ACCEPT) for side in ("-s", "-d"))


def prepare(layout: Layout) -> None:
    """Bring the machine into the state the cluster needs; nothing is done twice.

    Raises:
        DevclusterError: Not root, or the kernel lacks what is needed.
    """
    if os.geteuid() != 0:
        raise DevclusterError(
            "the local cluster needs root: use sudo, or CLUSTER=kind or CLUSTER=existing"
        )
    for switch, value in _SWITCHES.items():
        _switch(switch, value)
    _add_link()
    _ensure_rules()
    for node in local_nodes():
        layout.node_runtime(node.name).mkdir(parents=True, exist_ok=True)
        (layout.node(node.name) / "pod-logs").mkdir(parents=True, exist_ok=True)
        _add_cgroups(node)
    for path in volumes.tiny_paths(layout):
        _mount_tiny(path)


def _switch(name: str, value: str) -> None:
    path = Path("/proc/sys") / name
    if not path.exists():
        succeeds(["modprobe", "br_netfilter"])
    try:
        if path.read_text().strip() != value:
            path.write_text(value)
    except OSError as error:
        raise DevclusterError(f"{path} cannot be set to {value}: {error.strerror}") from None


def _add_link() -> None:
    """A bridge without ports, which holds the cluster's addresses whatever the machine's own."""
    if not Path("/sys/class/net", places.HOST_LINK).exists():
        run(["ip", "link", "add", places.HOST_LINK, "type", "bridge"])
    run(["ip", "link", "set", places.HOST_LINK, "up"])
    addresses = [places.API_ADDRESS, places.DNS_ADDRESS, *(one.address for one in local_nodes())]
    for address in addresses:
        run(["ip", "address", "replace", f"{address}/32", "dev", places.HOST_LINK])


def _ensure_rules() -> None:
    """Let pods out under the machine's address, and through a firewall that drops forwarding."""
    for table, rule in (("nat", _MASQUERADE), *(("filter", rule) for rule in _FORWARD)):
        if not succeeds(["iptables", "-w", "-t", table, "-C", *rule]):
            run(["iptables", "-w", "-t", table, "-I", *rule])


def _add_cgroups(node: LocalNode) -> None:
    """A control group a node under every v1 controller, or the one v2 tree."""
    for root in _controllers():
        group = root / node.cgroup.lstrip("/")
        group.mkdir(exist_ok=True)
        # A new cpuset has no CPUs and no memory, and takes no process until it has.
        for name in ("cpuset.mems", "cpuset.cpus"):
            if (root / name).exists() and not (group / name).read_text().strip():
                (group / name).write_text((root / name).read_text())


def _controllers() -> list[Path]:
    """Roots of the control group trees."""
    if (_CGROUPS / "cgroup.controllers").exists():
        return [_CGROUPS]
    return [
        path
        for path in sorted(_CGROUPS.iterdir())
        if path.is_dir() and not path.is_symlink() and path.name != "unified"
    ]


def _mount_tiny(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True)
    if not path.is_mount():
        options = f"size={volumes.TINY_MIB}m,mode=0777"
        run(["mount", "-t", "tmpfs", "-o", options, "quartermaster-tiny", path])


def kill_pods(node: LocalNode) -> None:
    """End every process in a node's control group; its containerd notices and tidies up."""
    deadline = time.monotonic() + 10.0
    while time.monotonic() < deadline:
        pids = _pids(node)
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)


def _pids(node: LocalNode) -> set[int]:
    """Processes of a node's pods."""
    groups = _controllers()[0] / node.cgroup.lstrip("/")
    found: set[int] = set()
    for path in groups.rglob("cgroup.procs"):
        with contextlib.suppress(OSError):
            found.update(int(word) for word in path.read_text().split())
    return found


def shims(layout: Layout, node: LocalNode) -> list[int]:
    """Container shims that belong to a node: those that report to its containerd's socket."""
    socket = str(layout.containerd_socket(node.name))
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "containerd-shim" in words[0] and socket in words:
                found.append(int(entry.name))
    return found


def remove(layout: Layout, kube_proxy: Path) -> None:
    """Take back what the cluster put into the machine: mounts, control groups, links, rules.

    What the tiny volumes held, which is memory, is gone then.
    """
    for node in local_nodes():
        for pid in shims(layout, node):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    folders = (layout.node(one.name) for one in local_nodes())
    for mount in _mounts_below(layout.runtime, layout.volumes, *folders):
        succeeds(["umount", "--lazy", mount])
    for node in local_nodes():
        _remove_cgroups(node)
        succeeds(["ip", "link", "delete", node.bridge])
    succeeds(["ip", "link", "delete", places.HOST_LINK])
    for table, rule in (("nat", _MASQUERADE), *(("filter", rule) for rule in _FORWARD)):
        succeeds(["iptables", "-w", "-t", table, "-D", *rule])
    if kube_proxy.exists():
        succeeds([kube_proxy, "--cleanup"])


def _mounts_below(*roots: Path) -> list[str]:
    """Mount points at or below some directories, the deepest first."""
    points = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
    below = [point for point in points if any(Path(point).is_relative_to(one) for one in roots)]
    return sorted(below, key=len, reverse=True)


def _remove_cgroups(node: LocalNode) -> None:
    # The container runtime makes one in the unified tree beside v1's too.
    for root in {*_controllers(), _CGROUPS / "unified"}:
        group = root / node.cgroup.lstrip("/")
        if not group.exists():
            continue
        # Children before parents; a control group is removed like an empty directory.
        for path in sorted(group.rglob("*/"), key=lambda one: len(one.parts), reverse=True):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
