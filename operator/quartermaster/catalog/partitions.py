"""Parts of GPUs as pods ask for them: MIG devices, and slots of GPUs that pods share.

A node's labels say how its GPUs are parted and what one part is of a GPU. What they leave open
stays unknown: a slot of a GPU without `replicas`, a profile that the GPU is not known to have.

Source: NVIDIA k8s-device-plugin, README ('Shared Access to GPUs', 'renameByDefault') and
docs/gpu-feature-discovery (the labels), 0.17.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

from quartermaster.catalog.labels import accelerator
from quartermaster.catalog.mig import PROFILES

GPU = "nvidia.com/gpu"
"""A whole GPU; on nodes that share theirs without another name, a slot of one."""
SHARED_GPU = "nvidia.com/gpu.shared"
"""A slot of a shared GPU, where the device plugin gives slots a name of their own."""
_MIG = "nvidia.com/mig-"

SLOTS: Mapping[str, str] = MappingProxyType({"shared": SHARED_GPU, "shared-gpu": GPU})
"""What users call a slot, and what a pod asks for."""
PARTITIONS: tuple[str, ...] = (
    *sorted({name for profiles in PROFILES.values() for name in profiles}),
    *SLOTS,
)
"""All that `gpuPartition` can be."""

_PROFILE = re.compile(r"(?P<name>\dg\.\d+gb)(\.(me|me\.all|gfx))?")
_SHARED_SUFFIX = "-SHARED"
_STRATEGIES = ("time-slicing", "mps")


@dataclass(frozen=True, slots=True)
class Parting:
    """How a node's GPUs are parted."""

    parts: Mapping[str, int]
    """What can be asked for, by resource [count]."""
    fractions: Mapping[str, Fraction]
    """What one of each is of a GPU; absent where that is unknown."""
    gpus: Fraction | None
    """GPUs of the node, whole and parted [count]; None where that is unknown."""
    whole: int
    """GPUs that are not parted [count]."""


def resource(partition: str) -> str:
    """The extended resource that a pod asks for to get a partition."""
    return SLOTS.get(partition, _MIG + partition)


def partition(name: str) -> str:
    """What users call the partition that a resource is."""
    slots = {value: key for key, value in SLOTS.items()}
    return slots.get(name, name.removeprefix(_MIG))


def is_part(name: str) -> bool:
    """Whether a resource is a part of a GPU on any node; `nvidia.com/gpu` is one on some."""
    return name == SHARED_GPU or name.startswith(_MIG)


def model_name(label: str) -> str:
    """A GPU model as GPU feature discovery names it, without the note that it is shared."""
    return label.removesuffix(_SHARED_SUFFIX)


def parting(counts: Mapping[str, int], labels: Mapping[str, str]) -> Parting | None:
    """How a node's GPUs are parted; None where they are all whole, or there are none.

    Args:
        counts: Allocatable GPUs and parts, by resource [count].
        labels: The node's.
    """
    whole = counts.get(GPU, 0)
    parts = {name: count for name, count in counts.items() if is_part(name) and count}
    if whole and _says_shared(labels) and SHARED_GPU not in parts:
        parts[GPU], whole = whole, 0
    # MIG devices that pods share are neither a device of one's own nor a slot of a GPU.
    shared = [name for name in parts if name.startswith(_MIG) and _replicas(name, labels) != 1]
    parts = {name: count for name, count in parts.items() if name not in shared}
    if not parts and not shared:
        return None
    fractions = {name: part for name in parts if (part := _fraction(name, labels)) is not None}
    return Parting(parts, fractions, _gpus(parts, fractions, whole, labels), whole)


def _says_shared(labels: Mapping[str, str]) -> bool:
    product = labels.get("nvidia.com/gpu.product", "")
    strategy = labels.get("nvidia.com/gpu.sharing-strategy", "")
    return product.endswith(_SHARED_SUFFIX) or strategy in _STRATEGIES


def _fraction(name: str, labels: Mapping[str, str]) -> Fraction | None:
    if not name.startswith(_MIG):
        replicas = _number(labels.get("nvidia.com/gpu.replicas", ""))
        return Fraction(1, replicas) if replicas else None
    gpu = accelerator(labels.get("nvidia.com/gpu.product", ""))
    profile = _PROFILE.fullmatch(name.removeprefix(_MIG))
    if gpu is None or profile is None:
        return None
    known = PROFILES.get(gpu.name, {}).get(profile["name"])
    return None if known is None else known.compute


def _gpus(
    parts: Mapping[str, int],
    fractions: Mapping[str, Fraction],
    whole: int,
    labels: Mapping[str, str],
) -> Fraction | None:
    """By the label; slots make up whole GPUs, MIG devices may leave some of theirs unused."""
    told = _number(labels.get("nvidia.com/gpu.count", ""))
    if told:
        return Fraction(told)
    if any(name.startswith(_MIG) or name not in fractions for name in parts):
        return None
    return whole + sum((fractions[name] * count for name, count in parts.items()), Fraction(0))


def _replicas(name: str, labels: Mapping[str, str]) -> int:
    return _number(labels.get(f"{name}.replicas", "1")) or 0


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() else None
