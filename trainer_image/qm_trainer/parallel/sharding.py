"""Weights, gradients and optimizer state split over processes: FSDP2, and whole again to be kept.

Only here is it known that a tensor may be a part of one. To a checkpoint a part is a box of the
whole tensor, whatever mesh it was cut by; so any number of processes, sharded or not, goes on.
"""

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate
from torch.distributed.tensor._utils import compute_local_shape_and_global_offset

from qm_trainer.parallel import tensors
from qm_trainer.parallel.layout import Layout

COPIES, SHARDS, TENSOR = "copies", "shards", "tensor"
"""Dimensions of the processes' grid."""
MOST_UNITS_DEEP = 3
"""Levels of lists of modules that are looked into for what is split as one [count]."""


@dataclass(frozen=True, slots=True)
class Box:
    """A part of a tensor: where it begins in the whole one, and how far it reaches."""

    offset: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def elements(self) -> int:
        """How many numbers are in it [count]."""
        return math.prod(self.shape)

    def overlap(self, other: "Box") -> "Box | None":
        """What both hold; None if that is nothing."""
        pairs = list(zip(self.offset, self.shape, other.offset, other.shape, strict=True))
        begin = tuple(max(a, b) for a, _, b, _ in pairs)
        end = tuple(min(a + m, b + n) for a, m, b, n in pairs)
        shape = tuple(e - b for b, e in zip(begin, end, strict=True))
        return Box(begin, shape) if all(n > 0 for n in shape) else None

    def within(self, outer: "Box") -> tuple[slice, ...]:
        """The indices of this box in a tensor that holds `outer` alone."""
        pairs = zip(self.offset, self.shape, outer.offset, strict=True)
        return tuple(slice(a - b, a - b + n) for a, n, b in pairs)


def spread(model: nn.Module, device: torch.device, layout: Layout) -> str:
    """Split `model` over all processes, in place; answers into what, in words.

    A unit's weights are put together before it computes and taken apart after it, so that a process
    holds its part of the model and one whole unit. Units are the members of the model's lists
    (`nn.ModuleList`, `nn.Sequential`), as the blocks of most models are, and the rest is one more.
    Layers that are split for tensor parallelism are so before that, and stay so. Weights and
    buffers are taken from rank 0.

    Source: PyTorch FSDP2, `torch.distributed.fsdp.fully_shard`; Rajbhandari et al. 2020, "ZeRO",
    stage 3; for copies of what is split, Zhao et al. 2023, "PyTorch FSDP", section 3.2.2.

    Raises:
        ConfigError: The model cannot be split for tensor parallelism as it is asked to be.
    """
    for tensor in (*model.parameters(), *model.buffers()):
        dist.broadcast(tensor.data, src=0)
    shape = (layout.copies, layout.shards, layout.tensor)
    mesh = init_device_mesh(device.type, shape, mesh_dim_names=(COPIES, SHARDS, TENSOR))
    said = []
    if layout.tensor > 1:
        said.append(f"{tensors.split(model, mesh[TENSOR])} layers by {layout.tensor}")
    if layout.data > 1:
        found = list(units(model))
        ours = mesh[COPIES, SHARDS] if layout.copies > 1 else mesh[SHARDS]
        for unit in found:
            fully_shard(unit, mesh=ours)
        fully_shard(model, mesh=ours)
        said.append(f"{len(found) + 1} units by {layout.shards}")
    return ", ".join(said)


def units(model: nn.Module, depth: int = MOST_UNITS_DEEP) -> Iterator[nn.Module]:
    """Modules that are split each as one: members of lists, that hold weights and are no lists."""
    for child in model.children():
        if isinstance(child, (nn.ModuleList, nn.Sequential)) and depth:
            yield from units(child, depth - 1)
        elif isinstance(model, (nn.ModuleList, nn.Sequential)) and _holds_weights(child):
            yield child
        elif not isinstance(child, (nn.ModuleList, nn.Sequential)) and depth:
            yield from units(child, depth - 1)


def is_sharded(module: nn.Module) -> bool:
    """Whether some of its weights are parts."""
    return any(isinstance(parameter, DTensor) for parameter in module.parameters())


def mesh_of(tensor: Tensor) -> Hashable:
    """The grid that a weight is split over; None where it is whole."""
    return tensor.device_mesh if isinstance(tensor, DTensor) else None


def bytes_of_copy(tensor: Tensor) -> int:
    """What the processes hold together that share a copy, of a weight or its part [byte].

    Of layers that are split for tensor parallelism that is a part; of all others it is all.
    """
    size = tensor.nbytes
    if not isinstance(tensor, DTensor):
        return size
    names = tensor.device_mesh.mesh_dim_names or ()
    for dimension, (name, placement) in enumerate(zip(names, tensor.placements, strict=False)):
        if name == TENSOR and placement.is_shard():
            size //= tensor.device_mesh.size(dimension)
    return size


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor, in the host's memory and shared with nothing.

    Every process has to ask for the same tensors in the same order, where they are parts.
    """
    held = tensor.detach()
    if isinstance(held, DTensor):
        held = held.full_tensor()
    copy = torch.empty(held.shape, dtype=held.dtype, device="cpu")
    return copy.copy_(held)


def whole_weights(model: nn.Module, *, keep: bool) -> dict[str, Tensor]:
    """All weights and buffers of a model, whole; every process has to ask where it is split.

    Args:
        model: The model.
        keep: Whether this process wants them; else it helps to put them together, one at a time.
    """
    weights = {}
    for name, value in model.state_dict().items():
        put_together = whole(value)
        if keep:
            weights[name] = put_together
    return weights


def held(tensor: Tensor) -> Box:
    """What this process holds of a tensor: all of it, if it is not split."""
    if not isinstance(tensor, DTensor):
        return Box((0,) * tensor.dim(), tuple(tensor.shape))
    shape, offset = compute_local_shape_and_global_offset(
        tensor.shape, tensor.device_mesh, tensor.placements
    )
    return Box(tuple(offset), tuple(shape))


def local(tensor: Tensor) -> Tensor:
    """The numbers of `held`, where they are."""
    value = tensor.detach()
    return value.to_local() if isinstance(value, DTensor) else value


def is_first_copy(tensor: Tensor, *, leads: bool, first: bool) -> bool:
    """Whether this process is the one to keep what it holds, of all that hold the same.

    Args:
        tensor: Some weight or state.
        leads: Whether this process keeps what is not split at all.
        first: Whether it is the first of those that compute each sample together: what is no part
            of a layer is the same in all of them.
    """
    if not isinstance(tensor, DTensor):
        return leads
    where = tensor.device_mesh.get_coordinate()
    if where is None or not (first or TENSOR in (tensor.device_mesh.mesh_dim_names or ())):
        return False
    copies = zip(where, tensor.placements, strict=True)
    return all(at == 0 for at, placement in copies if isinstance(placement, Replicate))


def placed_like(part: Tensor, like: Tensor) -> Tensor:
    """A tensor of the shape of `like`, split as it is, of which this process has `part`."""
    part = part.to(like.device)
    if not isinstance(like, DTensor):
        return part
    return DTensor.from_local(
        part,
        like.device_mesh,
        like.placements,
        run_check=False,
        shape=like.shape,
        stride=like.stride(),
    )


def _holds_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())
