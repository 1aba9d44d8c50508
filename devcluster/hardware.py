"""The nodes that the cluster pretends to have: cloud instances with GPUs, as labels and capacity.

Labels are those that GPU feature discovery, Karpenter and the cloud providers set, so that
whatever reads them here reads them on a real cluster too.
"""

from collections.abc import Iterator
from dataclasses import dataclass

GPU_RESOURCE = "nvidia.com/gpu"
RACK_LABEL = "topology.quartermaster.dev/rack"
FAKE_TYPE = "kwok"
FAKE_TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}


@dataclass(frozen=True, slots=True)
class Hardware:
    """What one node is made of."""

    instance_type: str
    product: str
    """GPU product, as GPU feature discovery spells it."""
    gpu_memory_mib: int
    """Memory of one GPU [MiB]."""
    gpus: int
    cpus: int
    memory_gib: int


@dataclass(frozen=True, slots=True)
class NodeShape:
    """A node to be: its name, hardware and place."""

    name: str
    hardware: Hardware
    capacity_type: str
    """``on-demand`` or ``spot``."""
    region: str
    zone: str
    rack: str

    def labels(self) -> dict[str, str]:
        """The labels that describe this node."""
        return {
            "node.kubernetes.io/instance-type": self.hardware.instance_type,
            "karpenter.sh/capacity-type": self.capacity_type,
            "nvidia.com/gpu.product": self.hardware.product,
            "nvidia.com/gpu.memory": str(self.hardware.gpu_memory_mib),
            "nvidia.com/gpu.count": str(self.hardware.gpus),
            "topology.kubernetes.io/region": self.region,
            "topology.kubernetes.io/zone": self.zone,
            RACK_LABEL: self.rack,
        }


# Sources: instance sizes from the AWS EC2 instance type pages (P5, P4, G6, G5, G4), and GPU memory
# as nvidia-smi reports it, which is what GPU feature discovery copies; read 2026-11.
G5_XLARGE = Hardware("g5.xlarge", "NVIDIA-A10G", 23028, 1, 4, 16)
G4DN_XLARGE = Hardware("g4dn.xlarge", "Tesla-T4", 15360, 1, 4, 16)

LOCAL_NODES = (
    NodeShape("qm-ondemand", G5_XLARGE, "on-demand", "us-east-1", "us-east-1a", "r1"),
    NodeShape("qm-spot", G4DN_XLARGE, "spot", "us-east-1", "us-east-1b", "r2"),
)
"""The nodes with a kubelet of their own. Their CPUs and memory are the machine's."""

FAKE_HARDWARE = (
    Hardware("p5.48xlarge", "NVIDIA-H100-80GB-HBM3", 81559, 8, 192, 2048),
    Hardware("p4d.24xlarge", "NVIDIA-A100-SXM4-40GB", 40960, 8, 96, 1152),
    Hardware("g6.48xlarge", "NVIDIA-L4", 23034, 8, 192, 768),
    Hardware("g5.48xlarge", "NVIDIA-A10G", 23028, 8, 192, 768),
)
_ZONES = ("us-east-1a", "us-east-1b", "us-east-1c")
_NODES_PER_RACK = 8


def fake_nodes(count: int) -> Iterator[NodeShape]:
    """Shapes of fake nodes: every product in both capacity types and all zones, racks of eight.

    The n-th shape does not depend on ``count``, so a fleet can grow and shrink at its end.
    """
    products = len(FAKE_HARDWARE)
    for index in range(count):
        rack = index // _NODES_PER_RACK
        yield NodeShape(
            name=f"kwok-{index:04d}",
            hardware=FAKE_HARDWARE[index % products],
            capacity_type="spot" if (index // products) % 2 else "on-demand",
            region="us-east-1",
            zone=_ZONES[rack % len(_ZONES)],
            rack=f"rack-{rack:03d}",
        )


def fake_node_object(shape: NodeShape) -> dict[str, object]:
    """The Node object of a fake node; its controller fills in the conditions."""
    amounts = {
        "cpu": str(shape.hardware.cpus),
        "memory": f"{shape.hardware.memory_gib}Gi",
        "pods": "110",
        GPU_RESOURCE: str(shape.hardware.gpus),
    }
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": shape.name,
            "labels": {
                **shape.labels(),
                "type": FAKE_TYPE,
                "kubernetes.io/arch": "amd64",
                "kubernetes.io/hostname": shape.name,
                "kubernetes.io/os": "linux",
            },
        },
        "spec": {"taints": [FAKE_TAINT]},
        "status": {"capacity": amounts, "allocatable": amounts},
    }
