"""A few GPU models and jobs to decide about. Figures are the makers', rounded."""

from datetime import date
from typing import Any

from quartermaster.domain.hardware import Accelerator, InstanceType, NumberFormat, Source
from quartermaster.domain.profile import JobProfile, Kernel

SOURCE = Source("rounded from the data sheets, for tests", date(2026, 11, 24))
GB = 1e9


def accelerator(
    name: str,
    fp32: float,
    memory_gb: float,
    bandwidth_gb: float,
    link_gb: float | None = None,
    **more: Any,
) -> Accelerator:
    """A GPU model; speeds in TFLOP/s and GB/s."""
    formats = {NumberFormat.FP32: fp32 * 1e12}
    if bf16 := more.pop("bf16", None):
        formats[NumberFormat.BF16] = bf16 * 1e12
    return Accelerator(
        name=name,
        peak_flops=formats,
        memory_bytes=round(memory_gb * GB),
        memory_bandwidth=bandwidth_gb * GB,
        link_bandwidth=None if link_gb is None else link_gb * GB,
        bus_bandwidth=more.pop("bus_gb", 15.75) * GB,
        source=SOURCE,
        **more,
    )


T4 = accelerator("Tesla-T4", 8.1, 16, 320)
L4 = accelerator("NVIDIA-L4", 30.3, 24, 300, bf16=121, bus_gb=31.5)
V100 = accelerator("Tesla-V100-SXM2-16GB", 15.7, 16, 900, 150)
A100 = accelerator("NVIDIA-A100-SXM4-40GB", 19.5, 40, 1555, 300, bf16=312, bus_gb=31.5)
H100 = accelerator("NVIDIA-H100-80GB-HBM3", 67, 80, 3350, 450, bf16=989, bus_gb=63)
CATALOGUE = {gpu.name: gpu for gpu in (T4, L4, V100, A100, H100)}


def instance(
    name: str, gpu: Accelerator, gpus: int, network_gbit: float | None, *, linked: bool = True
) -> InstanceType:
    """A machine type; the network in Gbit/s."""
    return InstanceType(
        name=name,
        cloud="test",
        accelerator=gpu.name,
        gpus=gpus,
        vcpus=8 * gpus,
        memory_bytes=2**36,
        network_bandwidth=None if network_gbit is None else network_gbit * GB / 8,
        linked=linked,
        source=SOURCE,
    )


def profile(**more: Any) -> JobProfile:
    """A ResNet-50 on images of 224 x 224: 24.5 GFLOP a sample, 25.6 million parameters."""
    told: dict[str, Any] = {
        "flops_per_sample": 24.5e9,
        "parameters": 25_557_032,
        "batch": 32,
        "traffic_per_sample": 0.3e9,
        "tensors": 161,
        "kernel": Kernel.CONVOLUTION,
    }
    return JobProfile(**(told | more))


INSTANCES = {
    it.name: it
    for it in (
        instance("g4dn.12xlarge", T4, 4, 50, linked=False),
        instance("g6.48xlarge", L4, 8, 100, linked=False),
        instance("p4d.24xlarge", A100, 8, 400),
        instance("p5.48xlarge", H100, 8, 3200),
    )
}
