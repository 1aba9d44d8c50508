"""How each node is started: a containerd and a kubelet of its own, both on this machine.

Two kubelets share one kernel. Each has its own control group below the root, bridge, subnet,
sockets and ports; without the control group of its own, each would remove the other's pods.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from devcluster import layout as places
from devcluster.hardware import LOCAL_NODES, NodeShape
from devcluster.layout import Layout
from devcluster.local import certificates
from devcluster.local.processes import Component

PAUSE_IMAGE = f"{places.REGISTRY}/quartermaster/busybox:1"


@dataclass(frozen=True, slots=True)
class LocalNode:
    """A node with a kubelet: its shape, and what keeps it apart from its neighbour."""

    shape: NodeShape
    index: int
    """Counts from 1."""

    @property
    def name(self) -> str:
        """The node's name."""
        return self.shape.name

    @property
    def address(self) -> str:
        """Its address on the host's own link."""
        return f"172.30.255.{10 + self.index}"

    @property
    def subnet(self) -> str:
        """Where its pods get their addresses."""
        return f"10.244.{self.index}.0/24"

    @property
    def bridge(self) -> str:
        """The bridge its pods hang on."""
        return f"qm-br{self.index}"

    @property
    def kubelet_port(self) -> int:
        """Where its kubelet serves logs and exec."""
        return 10300 + 10 * self.index

    @property
    def health_port(self) -> int:
        """Where its kubelet says that it is well."""
        return 10301 + 10 * self.index

    @property
    def cgroup(self) -> str:
        """The control group above all its pods."""
        return f"/quartermaster-{self.name}"


def local_nodes() -> tuple[LocalNode, ...]:
    """The nodes with a kubelet, in a fixed order."""
    return tuple(LocalNode(shape, index) for index, shape in enumerate(LOCAL_NODES, start=1))


def containerd(layout: Layout, node: LocalNode) -> Component:
    """A node's container runtime."""
    config = layout.node(node.name) / "containerd.toml"
    socket = layout.containerd_socket(node.name)
    return Component(
        name=f"containerd@{node.name}",
        argv=("containerd", "--config", str(config)),
        probe=f"unix://{socket}",
        files={
            config: _containerd_config(layout, node),
            _cni_file(layout, node): _cni_config(layout, node),
            _registry_file(layout): _registry_config(),
        },
    )


def _containerd_config(layout: Layout, node: LocalNode) -> str:
    runtime = layout.node_runtime(node.name)
    return f"""version = 2
root = "{layout.node(node.name) / "containerd"}"
state = "{runtime / "containerd"}"
# What this cluster does not use, and what would write outside its directory.
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]

[grpc]
  address = "{layout.containerd_socket(node.name)}"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE_IMAGE}"
  # Without CAP_SYS_RESOURCE no process may lower its score: every sandbox would die at birth.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    # The unpacked layer is enough: keeping the packed one too would double the trainer's 5 GB.
    discard_unpacked_layers = true
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{_cni_file(layout, node).parent}"
    max_conf_num = 1
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "{_registry_file(layout).parent.parent}"
"""


def _cni_file(layout: Layout, node: LocalNode) -> Path:
    return layout.node(node.name) / "cni" / "10-quartermaster.conflist"


def _cni_config(layout: Layout, node: LocalNode) -> str:
    """A bridge a node. Pods keep their address between nodes; the host masks it to the outside."""
    return _json(
        {
            "cniVersion": "0.4.0",
            "name": "quartermaster",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": node.bridge,
                    "isGateway": True,
                    "hairpinMode": True,
                    "ipMasq": False,
                    "ipam": {
                        "type": "host-local",
                        "dataDir": str(layout.node_runtime(node.name) / "ipam"),
                        "ranges": [[{"subnet": node.subnet}]],
                        "routes": [{"dst": "0.0.0.0/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def _registry_file(layout: Layout) -> Path:
    return layout.config / "registries" / places.REGISTRY / "hosts.toml"


def _registry_config() -> str:
    return f"""server = "http://{places.REGISTRY}"

[host."http://{places.REGISTRY}"]
  capabilities = ["pull", "resolve"]
"""


def kubelet(layout: Layout, programs: Path, node: LocalNode) -> Component:
    """A node's agent."""
    root = layout.node(node.name)
    config = root / "kubelet.json"
    labels = ",".join(f"{key}={value}" for key, value in sorted(node.shape.labels().items()))
    return Component(
        name=f"kubelet@{node.name}",
        argv=(
            str(programs / "kubelet"),
            f"--config={config}",
            f"--kubeconfig={certificates.kubeconfig(layout, f'kubelet-{node.name}')}",
            f"--hostname-override={node.name}",
            f"--node-ip={node.address}",
            f"--node-labels={labels}",
            f"--root-dir={root / 'kubelet'}",
            f"--cert-dir={root / 'kubelet-pki'}",
        ),
        probe=f"http://127.0.0.1:{node.health_port}/healthz",
        files={config: _kubelet_config(layout, node)},
    )


def _kubelet_config(layout: Layout, node: LocalNode) -> str:
    return _json(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(layout.pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "address": node.address,
            "port": node.kubelet_port,
            "healthzBindAddress": "127.0.0.1",
            "healthzPort": node.health_port,
            "clusterDomain": places.CLUSTER_DOMAIN,
            "clusterDNS": [places.DNS_ADDRESS],
            "containerRuntimeEndpoint": f"unix://{layout.containerd_socket(node.name)}",
            "podLogsDir": str(layout.node(node.name) / "pod-logs"),
            **_host_peculiarities(node),
            **_image_keeping(),
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            "nodeStatusUpdateFrequency": "5s",
            "logging": {"verbosity": 1},
        }
    )


def _host_peculiarities(node: LocalNode) -> dict[str, object]:
    """What the kubelet must accept about a machine that is not its own."""
    return {
        "cgroupRoot": node.cgroup,
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "failSwapOn": False,
        "evictionHard": {
            "memory.available": "200Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
    }


def _image_keeping() -> dict[str, object]:
    """Images are pulled ahead and never collected: later the registry may be down."""
    return {
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "serializeImagePulls": False,
        "maxParallelImagePulls": 4,
        "registryPullQPS": 0,
    }


def _json(value: object) -> str:
    return json.dumps(value, indent=2) + "\n"
