"""Weights, gradients and optimizer state split over processes: FSDP2, and whole again to be kept.

Only here is it known that a tensor may be a part of one. What leaves, a checkpoint or a model, is
whole: any number of processes, sharded or not, goes on from it.
"""

from collections.abc import Hashable, Iterator, Mapping

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from qm_trainer.parallel import tensors
from qm_trainer.parallel.layout import Layout

COPIES, SHARDS, TENSOR = "copies", "shards", "tensor"
"""Dimensions of the processes' grid."""
MOST_UNITS_DEEP = 3
"""Levels of lists of modules that are looked into for what is split as one [count]."""


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


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """All weights and buffers of a model, whole; every process has to ask where it is split."""
    return {name: whole(value) for name, value in model.state_dict().items()}


def placed_like(value: Tensor, like: Tensor) -> Tensor:
    """A whole tensor where `like` is, split as it is; every process has to come here with it."""
    if not isinstance(like, DTensor) or value.dim() == 0:
        return value.to(like.device)
    return distribute_tensor(value.to(like.device), like.device_mesh, like.placements)


def load_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put whole weights into a model, split or not.

    Raises:
        RuntimeError: They are of another model.
    """
    if not is_sharded(model):
        model.load_state_dict(weights)
        return
    held = model.state_dict()
    model.load_state_dict(
        {
            name: placed_like(value, held[name]) if name in held else value
            for name, value in weights.items()
        }
    )


def _holds_weights(module: nn.Module) -> bool:
    return any(True for _ in module.parameters())
