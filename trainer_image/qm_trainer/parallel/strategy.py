"""The one place that spreads a model over processes."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from qm_trainer.config import Strategy, Trainer
from qm_trainer.parallel import sharding
from qm_trainer.parallel.heart import Heart
from qm_trainer.parallel.layout import Layout, lay_out
from qm_trainer.parallel.processes import World

STATE_BYTES = 16
"""Of one parameter in FP32: itself, its gradient, and AdamW's two moments [byte]."""
STATE_SHARE = 0.7
"""Of a GPU's memory that these may take, so that activations have room [1]."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """How the model will be spread, and why."""

    layout: Layout
    why: str


def choose(trainer: Trainer, model: nn.Module, world: World) -> Chosen:
    """Answer `Auto` by whether the model fits into each GPU; anything else is as asked.

    Raises:
        ConfigError: The processes cannot be divided so.
    """
    mode, why = _mode(trainer, model, world)
    layout = lay_out(
        world.size,
        sharded=mode is Strategy.FSDP,
        shards=trainer.shards,
        tensor=trainer.tensor_parallel,
    )
    return Chosen(layout, why)


def _mode(trainer: Trainer, model: nn.Module, world: World) -> tuple[Strategy, str]:
    if trainer.strategy is not Strategy.AUTO:
        return trainer.strategy, "as asked"
    if trainer.shards is not None:
        return Strategy.FSDP, "Auto: shards are asked for"
    if world.device.type != "cuda":
        return Strategy.DDP, "Auto: hosts have memory for the whole of it"
    # Layers that cannot be cut are whole everywhere; they are the small ones.
    need = STATE_BYTES * sum(p.numel() for p in model.parameters()) / trainer.tensor_parallel
    _, total = torch.cuda.mem_get_info(world.device)
    said = f"Auto: its state takes {need / 2**30:.1f} of {total / 2**30:.1f} GiB of a GPU"
    return (Strategy.FSDP if need > STATE_SHARE * total else Strategy.DDP), said


def wrap(
    module: nn.Module, model: nn.Module, heart: Heart, world: World, chosen: Chosen
) -> tuple[nn.Module, str]:
    """The module as all processes train it, and one line that says how.

    Weights are taken from rank 0.

    Args:
        module: All that a step computes: the model with its loss, and the heart.
        model: The model in it.
        heart: The heart in it.
        world: The processes.
        chosen: What `choose` answered.
    """
    layout, why = chosen.layout, chosen.why
    if world.size == 1:
        return module, f"one process ({why})"
    if layout.plain:
        ids = [world.device] if world.device.type == "cuda" else None
        wrapped = DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)
        return wrapped, f"DDP over {world.size} processes ({why})"
    heart.alone = True
    parts = sharding.spread(model, world.device, layout)
    return module, f"{_name(layout)} over {world.size} processes, {parts} ({why})"


def _name(layout: Layout) -> str:
    """The field's word for it."""
    spread = {
        (False, False): "",
        (True, False): "DDP",
        (False, True): "FSDP",
        (True, True): "HSDP",
    }[layout.copies > 1, layout.shards > 1]
    names = [spread] if spread else []
    return " x ".join([*names, *(["tensor parallel"] if layout.tensor > 1 else [])])


def exchanging(engine: nn.Module, model: nn.Module, *, now: bool) -> AbstractContextManager[object]:
    """What a part of a step runs in: only the last one of a step exchanges gradients.

    Args:
        engine: What `wrap` gave.
        model: The model in it.
        now: Whether this part is the last one.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(now)
    if isinstance(engine, DistributedDataParallel) and not now:
        return engine.no_sync()
    return nullcontext()
