"""Parts of a GPU by Multi-Instance GPU (MIG)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from quartermaster.catalog.labels import accelerator

_DEVICE = re.compile(
    r"-MIG-(?P<slices>\dg)\.(?P<gb>\d+)gb([.+-](me|me\.all|gfx))?(-SHARED)?$", re.IGNORECASE
)
"""Media engines and graphics do not change the slices."""


@dataclass(frozen=True, slots=True)
class MigProfile:
    """What a MIG device has of its GPU."""

    compute: Fraction
    """Of the compute slices."""
    memory: Fraction
    """Of the memory slices."""


def _sevenths(*gb: int | None) -> Iterator[tuple[str, MigProfile]]:
    """Profiles of a GPU with seven compute and eight memory slices, by their sizes [GB]."""
    shapes = ((1, 1), (1, 2), (2, 2), (3, 4), (4, 4), (7, 8))
    for (compute, memory), size in zip(shapes, gb, strict=True):
        if size is not None:
            yield f"{compute}g.{size}gb", MigProfile(Fraction(compute, 7), Fraction(memory, 8))


def _quarters(*gb: int) -> Iterator[tuple[str, MigProfile]]:
    """Profiles of a GPU with four compute and four memory slices, by their sizes [GB]."""
    for slices, size in zip((1, 2, 4), gb, strict=True):
        yield f"{slices}g.{size}gb", MigProfile(Fraction(slices, 4), Fraction(slices, 4))


_GB_40 = dict(_sevenths(5, 10, 10, 20, 20, 40))
_GB_80 = dict(_sevenths(10, 20, 20, 40, 40, 80))
_GB_96 = dict(_sevenths(12, None, 24, 48, 48, 96))
_GB_141 = dict(_sevenths(18, 35, 35, 71, 71, 141))

PROFILES: Mapping[str, Mapping[str, MigProfile]] = MappingProxyType(
    {
        "NVIDIA-A100-SXM4-40GB": _GB_40,
        "NVIDIA-A100-PCIE-40GB": _GB_40,
        "NVIDIA-A100-SXM4-80GB": _GB_80,
        "NVIDIA-A100-80GB-PCIe": _GB_80,
        "NVIDIA-A800-SXM4-80GB": _GB_80,
        "NVIDIA-A800-80GB-PCIe": _GB_80,
        "NVIDIA-A30": dict(_quarters(6, 12, 24)),
        "NVIDIA-H100-80GB-HBM3": _GB_80,
        "NVIDIA-H100-PCIe": _GB_80,
        "NVIDIA-H800": _GB_80,
        "NVIDIA-H800-PCIe": _GB_80,
        "NVIDIA-H100-NVL": dict(_sevenths(12, 24, 24, 47, 47, 94)),
        "NVIDIA-H20": _GB_96,
        "NVIDIA-GH200-480GB": _GB_96,
        "NVIDIA-GH200-144G-HBM3e": dict(_sevenths(18, 36, 36, 72, 72, 144)),
        "NVIDIA-H200": _GB_141,
        "NVIDIA-H200-NVL": _GB_141,
        "NVIDIA-B200": dict(_sevenths(23, 45, 45, 90, 90, 180)),
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": dict(_quarters(24, 48, 96)),
    }
)
"""By GPU model, then profile. One name means different parts on different GPUs.

GB200 is left out: its profiles are named after 189 GB, its datasheet says 186.

Source: NVIDIA MIG user guide, 'Supported MIG profiles', for the fractions; NVIDIA mig-parted,
deployments/systemd/config-default.yaml, for the names that each GPU has.
"""


def mig_profile(label: str) -> MigProfile | None:
    """What a `nvidia.com/gpu.product` with a MIG suffix has of its GPU.

    None where the label names no MIG device, or one that its GPU is not known to have. A compute
    instance (`1c.3g.20gb`) has no memory of its own, and is not known either.
    """
    device = _DEVICE.search(label.strip())
    gpu = accelerator(label)
    if device is None or gpu is None:
        return None
    name = f"{device['slices']}.{device['gb']}gb".lower()
    return PROFILES.get(gpu.name, {}).get(name)
