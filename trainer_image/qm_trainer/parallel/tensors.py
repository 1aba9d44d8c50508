"""Tensor parallelism: layers split over processes that compute each sample together."""

from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    ParallelStyle,
    RowwiseParallel,
    parallelize_module,
)

from qm_trainer.errors import ConfigError


class Split(StrEnum):
    """How a layer's weights are cut."""

    COLUMNS = "columns"
    """Each process computes a part of what the layer gives, from all that comes in."""
    ROWS = "rows"
    """Each computes from a part of what comes in; what they give is added up."""


STYLES: dict[Split, type[ParallelStyle]] = {
    Split.COLUMNS: ColwiseParallel,
    Split.ROWS: RowwiseParallel,
}


def split(model: nn.Module, mesh: DeviceMesh) -> int:
    """Cut the layers that `model` names, in place; answers how many.

    A model that can be cut has a method `tensor_parallel(processes)`, which answers layers by the
    pattern of their names, `{"blocks.*.widen": "columns", "blocks.*.narrow": "rows"}`, or raises a
    ValueError that says why it cannot be cut for so many. Between columns and rows there may be
    whatever works on each number, or on each head, by itself. Layers are `nn.Linear` or
    `nn.Embedding`; all others stay whole in every process.

    Source: Shoeybi et al. 2019, "Megatron-LM", section 3, arXiv:1909.08053.

    Raises:
        ConfigError: It has no such method, raises, or names what is not there.
    """
    plan = _plan_of(model, mesh.size())
    if not plan:
        raise ConfigError("tensor_parallel of the model answers no layers by name")
    names = [name for name, module in model.named_modules() if isinstance(module, KINDS)]
    styles: dict[str, ParallelStyle] = {}
    for pattern, how in plan.items():
        found = [name for name in names if fnmatchcase(name, pattern)]
        if not found:
            raise ConfigError(f"tensor_parallel of the model names {pattern}: no layer is so named")
        for name in found:
            _check(model.get_submodule(name), name, how, mesh.size())
            styles[name] = STYLES[how]()
    parallelize_module(model, mesh, styles)
    return len(styles)


KINDS = (nn.Linear, nn.Embedding)


def _plan_of(model: nn.Module, processes: int) -> dict[str, Split]:
    method = getattr(model, "tensor_parallel", None)
    if not callable(method):
        raise ConfigError(
            f"trainer.strategy.tensorParallel is {processes}, and {type(model).__name__} does not "
            "say how it is cut: give it a method tensor_parallel(processes), or use FSDP"
        )
    try:
        plan = method(processes)
        found = plan.items() if isinstance(plan, Mapping) else ()
        return {str(name): Split(how) for name, how in found}
    except ValueError as error:
        raise ConfigError(
            f"trainer.strategy.tensorParallel is {processes}, and {type(model).__name__} cannot "
            f"be cut so: {error}"
        ) from error


def _check(layer: nn.Module, name: str, how: Split, processes: int) -> None:
    weight = layer.weight
    assert isinstance(weight, nn.Parameter)  # noqa: S101 - of a linear layer or an embedding
    # An embedding's rows are its tokens, and a linear layer's what it gives.
    wide = weight.shape[0 if (how is Split.COLUMNS) == isinstance(layer, nn.Linear) else 1]
    if wide % processes:
        raise ConfigError(
            f"trainer.strategy.tensorParallel is {processes}, and does not divide the {wide} "
            f"{how.value} of {name}"
        )
