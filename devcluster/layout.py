"""Where the local cluster keeps its things, and which addresses and ports it takes.

State (keys, databases, volumes) is one directory that can be deleted; the cache (binaries, base
images) is another that survives it.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from devcluster.errors import DevclusterError

HOST_LINK = "qm-host"
"""A bridge without ports that carries the cluster's fixed addresses, whatever the machine's own."""

API_ADDRESS = "172.30.255.1"
DNS_ADDRESS = "172.30.255.10"
SERVICE_CIDR = "10.96.0.0/16"
API_SERVICE_ADDRESS = "10.96.0.1"
POD_CIDR = "10.244.0.0/16"
FAKE_POD_CIDR = "10.245.0.1/16"
CLUSTER_DOMAIN = "cluster.local"

API_PORT = 6443
ETCD_PORT = 23790
ETCD_PEER_PORT = 23800
REGISTRY_PORT = 5000
CONTROLLER_MANAGER_PORT = 10257
SCHEDULER_PORT = 10259
PROXY_HEALTH_PORT = 10256
PROXY_METRICS_PORT = 10249
KWOK_PORT = 10247
DNS_HEALTH_PORT = 10245

REGISTRY = f"127.0.0.1:{REGISTRY_PORT}"

_LONGEST_ROOT = 60
"""Unix socket paths end at 107 characters, and the kubelet adds up to 47 to the state directory."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The directories of one local cluster."""

    repository: Path
    """Root of the source tree."""
    state: Path
    """Keys, databases, logs, volumes."""
    cache: Path
    """Binaries, base images, virtual environments: costly to make, safe to keep."""
    runtime: Path
    """Sockets and mounts; gone after the machine restarts."""

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state / "kubeconfig"

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state / "pki"

    @property
    def logs(self) -> Path:
        """One log a component."""
        return self.state / "logs"

    @property
    def audit(self) -> Path:
        """What the API server was told of pods and prices, a JSON document a line."""
        return self.logs / "audit.log"

    @property
    def records(self) -> Path:
        """What is running: one JSON file a component."""
        return self.state / "run"

    @property
    def config(self) -> Path:
        """Rendered configuration files."""
        return self.state / "config"

    @property
    def volumes(self) -> Path:
        """The directories behind persistent volumes."""
        return self.state / "volumes"

    @property
    def images_file(self) -> Path:
        """Names of the built images, as JSON."""
        return self.state / "images.json"

    @property
    def buildah(self) -> Path:
        """Storage of the image builder."""
        return self.cache / "buildah"

    def node(self, name: str) -> Path:
        """A node's own directory."""
        return self.state / "nodes" / name

    def node_runtime(self, name: str) -> Path:
        """A node's sockets and mounts."""
        return self.runtime / name

    def containerd_socket(self, name: str) -> Path:
        """Where a node's containerd listens."""
        return self.node_runtime(name) / "containerd.sock"


def from_environment(environ: Mapping[str, str], home: Path) -> Layout:
    """The layout that ``QM_STATE`` and ``QM_CACHE`` name, or the usual one.

    Raises:
        DevclusterError: The state directory's path is too long for the sockets below it.
    """
    state = Path(environ.get("QM_STATE") or home / ".local/state/quartermaster")
    cache = Path(environ.get("QM_CACHE") or home / ".cache/quartermaster")
    if len(str(state)) > _LONGEST_ROOT:
        raise DevclusterError(
            f"QM_STATE is {len(str(state))} characters long ({state}); sockets below it need a "
            f"path of at most {_LONGEST_ROOT}"
        )
    repository = Path(__file__).resolve().parent.parent
    return Layout(repository, state, cache, Path("/run/quartermaster"))


def current() -> Layout:
    """The layout of this process's environment."""
    return from_environment(os.environ, Path.home())
