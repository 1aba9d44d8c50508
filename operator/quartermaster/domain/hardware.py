"""GPU models and instance types as their makers specify them. What is not specified is unknown."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class NumberFormat(StrEnum):
    """What a multiplication is done in."""

    FP64 = "FP64"
    FP32 = "FP32"
    TF32 = "TF32"
    FP16 = "FP16"
    BF16 = "BF16"
    FP8 = "FP8"
    FP4 = "FP4"
    INT8 = "INT8"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure was read, and when."""

    title: str
    read: date


@dataclass(frozen=True, slots=True)
class Accelerator:
    """One GPU model."""

    name: str
    """As `nvidia.com/gpu.product` of GPU feature discovery names it, or its like elsewhere."""
    peak_flops: Mapping[NumberFormat, float]
    """Dense peak by number format, on tensor cores where there are any [FLOP/s]; absent: unknown,
    or a format that it does not have."""
    memory_bytes: int
    """[byte]"""
    memory_bandwidth: float
    """[byte/s]"""
    link_bandwidth: float | None
    """NVLink or its like, all links of one GPU, one direction [byte/s]; None: there is none."""
    bus_bandwidth: float | None
    """PCIe, or NVLink-C2C in its place, one direction [byte/s]; None: unknown."""
    source: Source
    halved: frozenset[NumberFormat] = frozenset()
    """Formats that the maker prints with 2:4 sparsity only: half of that is in `peak_flops`."""


@dataclass(frozen=True, slots=True)
class InstanceType:
    """One machine type of a cloud."""

    name: str
    """As `node.kubernetes.io/instance-type` names it."""
    cloud: str
    accelerator: str
    """Name of its GPU model."""
    gpus: int
    """[count]"""
    vcpus: int
    """[count]"""
    memory_bytes: int
    """[byte]"""
    network_bandwidth: float | None
    """All network cards together, one direction [byte/s]; None: unknown."""
    linked: bool
    """Whether its GPUs are joined by NVLink or its like."""
    source: Source
