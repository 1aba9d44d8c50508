"""All state of a run: copied aside while it trains, and put back when it goes on."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from qm_trainer.data.order import Cursor
from qm_trainer.errors import ConfigError
from qm_trainer.parallel.sharding import held, is_first_copy, local, placed_like
from qm_trainer.storage.shards import Offset, Stored

MODEL, OPTIMIZER = "model.", "optimizer."


@dataclass(frozen=True, slots=True)
class Writer:
    """One of the processes that write a checkpoint together."""

    rank: int = 0
    count: int = 1

    @property
    def file(self) -> str:
        """What it writes."""
        if self.count == 1:
            return "state.safetensors"
        return f"state-{self.rank:05}-of-{self.count:05}.safetensors"


@dataclass(frozen=True, slots=True)
class Parts:
    """What one process keeps of model and optimizer, in memory of its own."""

    tensors: Mapping[str, Tensor]
    offsets: Mapping[str, Offset]
    """Where each begins in the tensor that it is a part of."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one process writes of a checkpoint."""

    cursor: Cursor
    tensors: Mapping[str, Tensor]
    world: int
    notes: Mapping[str, Any]
    """Whatever else the loop wants back: JSON."""
    offsets: Mapping[str, Offset] = field(default_factory=dict)
    """Where the tensors begin in what they are parts of; none if they are whole."""
    writer: Writer = Writer()


def take(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    leads: bool = True,
    first: bool = True,
    onto: Mapping[str, Tensor] | None = None,
) -> Parts:
    """Copy what this process is the one to keep, so that training may go on while it is written.

    Args:
        model: The model; split over processes or not.
        optimizer: Its optimizer.
        leads: Whether this process keeps what is not split.
        first: Whether it is the first of those that compute each sample together.
        onto: Tensors of an earlier copy that nobody needs any more. Fresh memory takes several
            times as long to fill.
    """
    tensors: dict[str, Tensor] = {}
    offsets: dict[str, Offset] = {}
    for name, value in _state(model, optimizer):
        part, box = local(value), held(value)
        if not (box.elements and is_first_copy(value, leads=leads, first=first)):
            continue
        room = (onto or {}).get(name)
        if room is None or room.shape != part.shape or room.dtype != part.dtype:
            room = torch.empty(part.shape, dtype=part.dtype, device="cpu")
        tensors[name] = room.copy_(part)
        offsets[name] = box.offset
    return Parts(tensors, offsets)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """All tensors by name."""
    for name, value in model.state_dict().items():
        yield f"{MODEL}{name}", value
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            yield f"{OPTIMIZER}{name}.{key}", torch.as_tensor(value)


def restore(model: nn.Module, optimizer: torch.optim.Optimizer, stored: Stored, where: str) -> None:
    """Put back what `take` copied, in whatever number of parts it was and is now.

    Each process reads what it holds, and nothing else.

    Args:
        model: The model; split over processes or not.
        optimizer: Its optimizer; the state that it has is replaced.
        stored: The checkpoint.
        where: What to call the checkpoint.

    Raises:
        ConfigError: If the checkpoint is of another model.
    """
    weights = model.state_dict()
    fault = _misfit(weights, stored)
    if fault:
        raise ConfigError(
            f"{where} does not fit the model: {fault}; give the changed job a name of its own"
        )
    model.load_state_dict(
        {
            name: placed_like(stored.read(f"{MODEL}{name}", held(value)), value)
            for name, value in weights.items()
        }
    )
    _restore_optimizer(model, optimizer, stored)


def _restore_optimizer(model: nn.Module, optimizer: torch.optim.Optimizer, stored: Stored) -> None:
    parameters = dict(model.named_parameters())
    found: dict[str, dict[str, Tensor]] = {}
    for name in stored.names:
        of, _, key = name.removeprefix(OPTIMIZER).rpartition(".")
        if name.startswith(OPTIMIZER) and of in parameters:
            found.setdefault(of, {})[key] = _state_like(parameters[of], stored, name)
    optimizer.state.clear()
    optimizer.state.update({parameters[of]: values for of, values in found.items()})


def _state_like(parameter: Tensor, stored: Stored, name: str) -> Tensor:
    """Moments are split as their parameter is; what has another shape, a count, is whole."""
    if stored.shape(name) == tuple(parameter.shape):
        return placed_like(stored.read(name, held(parameter)), parameter)
    return stored.whole(name).to(parameter.device)


def _misfit(weights: Mapping[str, Tensor], stored: Stored) -> str:
    """How a checkpoint and a model differ; nothing if they do not."""
    kept = {name.removeprefix(MODEL) for name in stored.names if name.startswith(MODEL)}
    for name in sorted(weights.keys() - kept):
        return f"it has no {name}"
    for name in sorted(kept - weights.keys()):
        return f"the model has no {name}"
    for name, value in weights.items():
        shape, wanted = stored.shape(f"{MODEL}{name}"), tuple(value.shape)
        if shape != wanted:
            return f"{name} has the shape {_size(shape)} in it, and {_size(wanted)} in the model"
    return ""


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "()"
