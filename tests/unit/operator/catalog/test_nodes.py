"""Nodes as the clouds, their provisioners and the makers' discovery tools label them.

The documents are written after what the sources beside the labels in `catalog/nodes.py` say.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters import documents
from quartermaster.catalog import labels, nodes
from quartermaster.domain.cluster import Capacity, Pool
from quartermaster.domain.resources import GpuResource

ZONE = "topology.kubernetes.io/zone"
TYPE = "node.kubernetes.io/instance-type"
GKE, EKS, KARPENTER = "cloud.google.com", "eks.amazonaws.com", "karpenter.k8s.aws"


@dataclass(frozen=True)
class Case:
    """A node's labels and devices, and what is read off them."""

    labels: dict[str, str]
    devices: dict[str, str]
    model: str
    capacity: Capacity = Capacity.UNKNOWN
    resource: GpuResource = GpuResource.NVIDIA
    gpus: int = 8


law = settings(deadline=None)
NVIDIA_8 = {"nvidia.com/gpu": "8"}
AMD_8 = {"amd.com/gpu": "8"}
CASES = {
    "GKE, spot A3 Mega, driver from Google, no feature discovery": Case(
        {
            TYPE: "a3-megagpu-8g",
            f"{GKE}/gke-accelerator": "nvidia-h100-mega-80gb",
            f"{GKE}/gke-gpu": "true",
            f"{GKE}/gke-accelerator-count": "8",
            f"{GKE}/gke-nodepool": "a3",
            f"{GKE}/gke-spot": "true",
            f"{GKE}/gke-provisioning": "spot",
            f"{GKE}/gce-topology-block": "3e3056e23cf91a5cb4a8621b6a52c100",
            f"{GKE}/gce-topology-subblock": "0fc09525cbd5abd734342893ca1c083f",
            f"{GKE}/gce-topology-host": "1215168a4ecdfb434fd4d28056589059",
            ZONE: "us-east4-a",
        },
        NVIDIA_8,
        "NVIDIA-H100-80GB-HBM3",
        Capacity.SPOT,
    ),
    "GKE, an N1 with two T4s, which its machine type does not tell": Case(
        {
            TYPE: "n1-standard-16",
            f"{GKE}/gke-accelerator": "nvidia-tesla-t4",
            f"{GKE}/gke-provisioning": "standard",
        },
        {"nvidia.com/gpu": "2"},
        "Tesla-T4",
        Capacity.ON_DEMAND,
        gpus=2,
    ),
    "GKE, preemptible, older than Spot VMs": Case(
        {
            TYPE: "n1-standard-4",
            f"{GKE}/gke-accelerator": "nvidia-tesla-p100",
            f"{GKE}/gke-preemptible": "true",
        },
        {"nvidia.com/gpu": "1"},
        "Tesla-P100-PCIE-16GB",
        Capacity.SPOT,
        gpus=1,
    ),
    "EKS, Karpenter, the larger A100, which the GPU's name does not tell": Case(
        {
            TYPE: "p4de.24xlarge",
            f"{KARPENTER}/instance-gpu-name": "a100",
            f"{KARPENTER}/instance-gpu-manufacturer": "nvidia",
            f"{KARPENTER}/instance-gpu-count": "8",
            f"{KARPENTER}/instance-gpu-memory": "81920",
            "karpenter.sh/capacity-type": "on-demand",
            "topology.k8s.aws/network-node-layer-1": "nn-0a1",
            "topology.k8s.aws/network-node-layer-2": "nn-0b2",
            "topology.k8s.aws/network-node-layer-3": "nn-0c3",
        },
        NVIDIA_8,
        "NVIDIA-A100-SXM4-80GB",
        Capacity.ON_DEMAND,
    ),
    "EKS, Karpenter, a machine type that is not known yet": Case(
        {
            TYPE: "g99.48xlarge",
            f"{KARPENTER}/instance-gpu-name": "l40s",
            "karpenter.sh/capacity-type": "spot",
        },
        NVIDIA_8,
        "NVIDIA-L40S",
        Capacity.SPOT,
    ),
    "EKS, Auto Mode, reserved: its price is its own": Case(
        {
            TYPE: "g99.48xlarge",
            f"{EKS}/instance-gpu-name": "h200",
            f"{EKS}/compute-type": "auto",
            "karpenter.sh/capacity-type": "reserved",
        },
        NVIDIA_8,
        "NVIDIA-H200",
    ),
    "EKS, managed node group": Case(
        {TYPE: "g5.xlarge", f"{EKS}/capacityType": "SPOT", f"{EKS}/nodegroup": "gpus"},
        {"nvidia.com/gpu": "1"},
        "NVIDIA-A10G",
        Capacity.SPOT,
        gpus=1,
    ),
    "AKS, whose accelerator label names the maker alone": Case(
        {
            TYPE: "Standard_ND96isr_H100_v5",
            "accelerator": "nvidia",
            "kubernetes.azure.com/accelerator": "nvidia",
            "kubernetes.azure.com/agentpool": "h100",
            "kubernetes.azure.com/scalesetpriority": "spot",
        },
        NVIDIA_8,
        "NVIDIA-H100-80GB-HBM3",
        Capacity.SPOT,
    ),
    "AKS, a machine type that is not known": Case(
        {TYPE: "Standard_ND1_v99", "accelerator": "nvidia"}, NVIDIA_8, ""
    ),
    "AKS, node auto-provisioning": Case(
        {
            TYPE: "Standard_NC1_v99",
            "karpenter.azure.com/sku-gpu-name": "T4",
            "karpenter.azure.com/sku-gpu-count": "1",
            "karpenter.sh/capacity-type": "spot",
        },
        {"nvidia.com/gpu": "1"},
        "Tesla-T4",
        Capacity.SPOT,
        gpus=1,
    ),
    "own rack, NVIDIA's feature discovery": Case(
        {
            "nvidia.com/gpu.product": "NVIDIA-GB200",
            "nvidia.com/gpu.count": "4",
            "nvidia.com/gpu.memory": "189471",
            "nvidia.com/gpu.clique": "5d3bdf4e-90a1-4b8e-a7a4-3b6c0f1e2d11.0",
        },
        {"nvidia.com/gpu": "4"},
        "NVIDIA-GB200",
        gpus=4,
    ),
    "NVIDIA's feature discovery goes before the cloud's own label": Case(
        {
            "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
            f"{GKE}/gke-accelerator": "nvidia-tesla-a100",
            TYPE: "a2-highgpu-1g",
        },
        {"nvidia.com/gpu": "7"},
        "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb",
        gpus=7,
    ),
    "AMD's labeller": Case(
        {
            "amd.com/gpu.cu-count": "304",
            "amd.com/gpu.device-id": "74a1",
            "amd.com/gpu.family": "AI",
            "amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
            "amd.com/gpu.simd-count": "1216",
            "amd.com/gpu.vram": "192G",
            "beta.amd.com/gpu.product-name.AMD_Instinct_MI300X_OAM": "8",
        },
        AMD_8,
        "AMD_Instinct_MI300X_OAM",
        resource=GpuResource.AMD,
    ),
    "AMD's labeller of before, which counts in values": Case(
        {
            "beta.amd.com/gpu.family.AI": "8",
            "beta.amd.com/gpu.vram.192G": "8",
            "beta.amd.com/gpu.product-name.AMD_Instinct_MI300X_OAM": "8",
        },
        AMD_8,
        "AMD_Instinct_MI300X_OAM",
        resource=GpuResource.AMD,
    ),
    "AMD, two models on one node": Case(
        {
            "beta.amd.com/gpu.product-name.AMD_Instinct_MI210": "4",
            "beta.amd.com/gpu.product-name.AMD_Instinct_MI300X_OAM": "4",
        },
        AMD_8,
        "",
        resource=GpuResource.AMD,
    ),
    "Gaudi, whose model only the owner says": Case(
        {"habana.ai/hpu-present": "true", "quartermaster.dev/accelerator": "Intel-Gaudi3"},
        {"habana.ai/gaudi": "8"},
        "Intel-Gaudi3",
        resource=GpuResource.GAUDI,
    ),
    "Gaudi, of which nobody says the model": Case(
        {"habana.ai/hpu-present": "true"},
        {"habana.ai/gaudi": "8"},
        "",
        resource=GpuResource.GAUDI,
    ),
    "Intel's GPUs, which no job can ask for": Case(
        {"gpu.intel.com/product": "Max_1100", "gpu.intel.com/memory": "49152"},
        {"gpu.intel.com/i915": "4"},
        "Max_1100",
        gpus=0,
    ),
    "two makers on one node: NVIDIA's are used": Case(
        {"nvidia.com/gpu.product": "Tesla-T4"},
        {"nvidia.com/gpu": "1", "amd.com/gpu": "2"},
        "Tesla-T4",
        gpus=1,
    ),
    "a GPU machine whose device plugin has not come up": Case({TYPE: "g5.xlarge"}, {}, "", gpus=0),
    "a node of which nothing is said": Case({}, NVIDIA_8, ""),
    "a name that nobody knows stays as it is": Case(
        {f"{GKE}/gke-accelerator": "nvidia-x9000"}, NVIDIA_8, "nvidia-x9000"
    ),
}


def document(case: Case) -> dict[str, Any]:
    allocatable = {"cpu": "191900m", "memory": "1900Gi", "pods": "110", **case.devices}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": "node", "labels": case.labels}, "status": status}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_a_node_is_read_as_its_vendor_labels_it(case: Case) -> None:
    found = documents.node(document(case))
    assert found.accelerator == case.model
    assert found.capacity is case.capacity
    assert found.gpu_resource is case.resource
    assert found.allocatable.gpus == case.gpus
    assert found.instance_type == case.labels.get(TYPE, "")


@pytest.mark.parametrize(
    ("told", "want"),
    [
        ({}, Capacity.UNKNOWN),
        ({"karpenter.sh/capacity-type": "on-demand"}, Capacity.ON_DEMAND),
        ({"karpenter.sh/capacity-type": "reserved"}, Capacity.UNKNOWN),
        ({"eks.amazonaws.com/capacityType": "SPOT"}, Capacity.SPOT),
        ({"eks.amazonaws.com/capacityType": "ON_DEMAND"}, Capacity.ON_DEMAND),
        ({"eks.amazonaws.com/capacityType": "CAPACITY_BLOCK"}, Capacity.UNKNOWN),
        ({"cloud.google.com/gke-spot": "true"}, Capacity.SPOT),
        ({"cloud.google.com/gke-provisioning": "flex-start"}, Capacity.UNKNOWN),
        ({"kubernetes.azure.com/scalesetpriority": "spot"}, Capacity.SPOT),
        ({"kubernetes.azure.com/scalesetpriority": "Spot"}, Capacity.UNKNOWN),
    ],
)
def test_how_a_node_was_bought(told: dict[str, str], want: Capacity) -> None:
    assert nodes.capacity(told) is want


def test_the_machine_type_of_an_old_cluster_is_found() -> None:
    assert nodes.instance_type({"beta.kubernetes.io/instance-type": "g5.xlarge"}) == "g5.xlarge"


@law
@given(
    st.dictionaries(
        st.sampled_from([it.key for it in nodes.MODEL_LABELS] + [TYPE, "accelerator"]),
        st.text(max_size=20),
    ),
    st.integers(0, 8),
)
def test_a_model_is_what_a_label_says_or_the_catalogue_has(told: dict[str, str], gpus: int) -> None:
    found = nodes.model(told, gpus)
    assert found in {"", *told.values()} or labels.accelerator(found) is not None


def test_every_label_says_where_and_when_it_was_read() -> None:
    sources = [it.source for it in (*nodes.MODEL_LABELS, *nodes.CAPACITY_LABELS)]
    sources += [preset.source for preset in nodes.TOPOLOGY_PRESETS.values()]
    assert all(source.title and source.read >= date(2026, 11, 25) for source in sources)


def test_the_levels_of_a_pool_that_says_none_are_a_preset() -> None:
    assert Pool("pool").topology_levels in {it.levels for it in nodes.TOPOLOGY_PRESETS.values()}
