"""What the labels of a node say: its GPU model, how it was bought, where it lies.

Each cloud and each discovery tool has its own. Every label stands with where it was read, and when.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType

from quartermaster.catalog.instances import instance
from quartermaster.catalog.labels import accelerator
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.hardware import Source

Labels = Mapping[str, str]

_READ = date(2026, 11, 25)
_OURS = Source("Quartermaster: for nodes of which nothing else says the model", _READ)
_GFD = Source("NVIDIA k8s-device-plugin, docs/gpu-feature-discovery, generated labels", _READ)
_AMD = Source("AMD ROCm k8s-device-plugin, node labeller, and AMD GPU operator", _READ)
_GKE = Source("Google GKE, running GPUs in Standard node pools", _READ)
_GKE_SPOT = Source("Google GKE, Spot VMs and preemptible VMs", _READ)
_GKE_TOPOLOGY = Source("Google AI Hypercomputer, schedule GKE workloads with TAS", _READ)
_KARPENTER = Source("Karpenter, concepts, scheduling, well-known labels", _READ)
_EKS = Source("AWS EKS user guide, Auto Mode, supported labels; managed node groups", _READ)
_EKS_TOPOLOGY = Source("AWS EC2 user guide, instance topology; cloud-provider-aws labels", _READ)
_AKS = Source("Azure AKS, spot node pools; node auto-provisioning, node pool labels", _READ)
_INTEL = Source("Intel device plugins for Kubernetes, GPU plugin, NFD labels", _READ)
_TOPOGRAPH = Source("NVIDIA topograph, Kubernetes engine", _READ)


@dataclass(frozen=True, slots=True)
class ModelLabel:
    """A label that names a node's GPU model."""

    key: str
    source: Source
    exact: bool
    """Whether its value is the model's own name, so that it is taken as it stands."""


MODEL_LABELS = (
    ModelLabel("quartermaster.dev/accelerator", _OURS, exact=True),
    ModelLabel("nvidia.com/gpu.product", _GFD, exact=True),
    ModelLabel("amd.com/gpu.product-name", _AMD, exact=True),
    ModelLabel("beta.amd.com/gpu.product-name", _AMD, exact=True),
    ModelLabel("cloud.google.com/gke-accelerator", _GKE, exact=False),
    ModelLabel("karpenter.k8s.aws/instance-gpu-name", _KARPENTER, exact=False),
    ModelLabel("eks.amazonaws.com/instance-gpu-name", _EKS, exact=False),
    ModelLabel("karpenter.azure.com/sku-gpu-name", _AKS, exact=False),
    ModelLabel("gpu.intel.com/product", _INTEL, exact=False),
)
"""The first that a node carries counts; the machine type goes before those that are not exact.

Azure's `accelerator` and `kubernetes.azure.com/accelerator` name the maker alone, so they are not
among them.
"""

COUNTED = "beta.amd.com/gpu.product-name."
"""Older AMD labellers put the model into the key and how many there are into the value."""


@dataclass(frozen=True, slots=True)
class CapacityLabel:
    """A label that says how a node was bought."""

    key: str
    source: Source
    spot: tuple[str, ...]
    """Values that mean spot."""
    on_demand: tuple[str, ...] = ()
    """Values that mean on-demand: what stays as long as it is paid for."""


CAPACITY_LABELS = (
    CapacityLabel("karpenter.sh/capacity-type", _KARPENTER, ("spot",), ("on-demand",)),
    CapacityLabel("eks.amazonaws.com/capacityType", _EKS, ("SPOT",), ("ON_DEMAND",)),
    CapacityLabel("cloud.google.com/gke-spot", _GKE_SPOT, ("true",), ("false",)),
    CapacityLabel("cloud.google.com/gke-preemptible", _GKE_SPOT, ("true",)),
    CapacityLabel(
        "cloud.google.com/gke-provisioning", _GKE_SPOT, ("spot", "preemptible"), ("standard",)
    ),
    CapacityLabel("kubernetes.azure.com/scalesetpriority", _AKS, ("spot",), ("regular",)),
)
"""The first that says either counts. What is reserved has a price of its own, so it is neither."""


PROVIDER_SCHEMES: Mapping[str, str] = MappingProxyType({"gce": "gcp"})
"""What `spec.providerID` begins with, where price lists say something else. Source: Kubernetes,
cloud providers; `aws` and `azure` are themselves."""


@dataclass(frozen=True, slots=True)
class TopologyPreset:
    """The topology labels of one cloud or tool, for `spec.topologyLevels` of a ComputePool."""

    levels: tuple[str, ...]
    """The widest first."""
    source: Source


def _aws(layer: int) -> str:
    return f"topology.k8s.aws/network-node-layer-{layer}"


TOPOLOGY_PRESETS: Mapping[str, TopologyPreset] = MappingProxyType(
    {
        "GKE": TopologyPreset(
            tuple(f"cloud.google.com/gce-topology-{it}" for it in ("block", "subblock", "host")),
            _GKE_TOPOLOGY,
        ),
        "AWS, three layers": TopologyPreset((_aws(1), _aws(2), _aws(3)), _EKS_TOPOLOGY),
        "AWS, four layers": TopologyPreset((_aws(1), _aws(2), _aws(3), _aws(4)), _EKS_TOPOLOGY),
        "NVLink between nodes": TopologyPreset(("nvidia.com/gpu.clique",), _GFD),
        "topograph, whose names differ by version": TopologyPreset(
            tuple(
                f"network.topology.nvidia.com/{it}"
                for it in ("core", "spine", "leaf", "accelerator")
            ),
            _TOPOGRAPH,
        ),
        "any cloud, and Azure, which has no finer ones": TopologyPreset(
            ("topology.kubernetes.io/region", "topology.kubernetes.io/zone"),
            Source("Kubernetes, well-known labels, annotations and taints", _READ),
        ),
    }
)


def model(labels: Labels, gpus: int) -> str:
    """The GPU model of a node; empty where nothing says it.

    A name that is not exact becomes the catalogue's where it is known there, so that a job, a price
    and a quota name a model alike on every cloud, and stays as it is where it is not.

    Args:
        labels: The node's.
        gpus: That it offers [count]; without any, a machine type says nothing of what is there.
    """
    for label in MODEL_LABELS:
        if label.exact and (value := labels.get(label.key)):
            return value
    counted = {key.removeprefix(COUNTED) for key in labels if key.startswith(COUNTED)}
    if counted:
        # Of several models none can be named, nor which of a node's GPUs a pod would get.
        return counted.pop() if len(counted) == 1 else ""
    known = instance(instance_type(labels))
    if known is not None and gpus > 0:
        return known.accelerator
    told = next((labels[it.key] for it in MODEL_LABELS if labels.get(it.key)), "")
    found = accelerator(told)
    return told if found is None else found.name


def capacity(labels: Labels) -> Capacity:
    """How a node was bought; what no label says stays unknown."""
    for label in CAPACITY_LABELS:
        value = labels.get(label.key)
        if value in label.spot:
            return Capacity.SPOT
        if value in label.on_demand:
            return Capacity.ON_DEMAND
    return Capacity.UNKNOWN


def provider(provider_id: str, labels: Labels) -> str:
    """Whose machine a node is, as price lists name it; empty where nothing says it.

    Args:
        provider_id: `spec.providerID`, such as `aws:///us-east-1a/i-0123`.
        labels: The node's.
    """
    scheme, mark, _ = provider_id.partition("://")
    if mark and scheme:
        return PROVIDER_SCHEMES.get(scheme, scheme)
    known = instance(instance_type(labels))
    return "" if known is None else known.cloud.lower()


def region(labels: Labels) -> str:
    """Where a node lies; empty where no label says it. The second is of Kubernetes before 1.17."""
    current = labels.get("topology.kubernetes.io/region", "")
    return current or labels.get("failure-domain.beta.kubernetes.io/region", "")


def zone(labels: Labels) -> str:
    """Where in its region a node lies; empty where no label says it."""
    current = labels.get("topology.kubernetes.io/zone", "")
    return current or labels.get("failure-domain.beta.kubernetes.io/zone", "")


def instance_type(labels: Labels) -> str:
    """The machine type; empty where no label says it. The second is of Kubernetes before 1.17."""
    current = labels.get("node.kubernetes.io/instance-type", "")
    return current or labels.get("beta.kubernetes.io/instance-type", "")
