"""The one place that spreads a model over processes."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn
from torch.distributed.fsdp import FSDPModule
from torch.nn.parallel import DistributedDataParallel

from qm_trainer.config import Strategy
from qm_trainer.parallel import sharding
from qm_trainer.parallel.heart import Heart
from qm_trainer.parallel.processes import World

STATE_BYTES = 16
"""Of one parameter in FP32: itself, its gradient, and AdamW's two moments [byte]."""
STATE_SHARE = 0.7
"""Of a GPU's memory that these may take, so that activations have room [1]."""


def choose(asked: Strategy, model: nn.Module, world: World) -> tuple[Strategy, str]:
    """Answer `Auto` by whether the model fits into each GPU; anything else is as asked."""
    if asked is not Strategy.AUTO:
        return asked, "as asked"
    if world.device.type != "cuda":
        return Strategy.DDP, "Auto: hosts have memory for the whole of it"
    need = STATE_BYTES * sum(p.numel() for p in model.parameters())
    _, total = torch.cuda.mem_get_info(world.device)
    said = f"Auto: its state takes {need / 2**30:.1f} of {total / 2**30:.1f} GiB of a GPU"
    return (Strategy.FSDP if need > STATE_SHARE * total else Strategy.DDP), said


def wrap(
    module: nn.Module, model: nn.Module, heart: Heart, world: World, asked: Strategy
) -> tuple[nn.Module, str]:
    """The module as all processes train it, and one line that says how.

    Weights are taken from rank 0.

    Args:
        module: All that a step computes: the model with its loss, and the heart.
        model: The model in it.
        heart: The heart in it.
        world: The processes.
        asked: The strategy that was asked for.
    """
    if world.size == 1:
        return module, f"one process ({asked.value})"
    strategy, why = choose(asked, model, world)
    if strategy is Strategy.FSDP:
        count = sharding.shard(model, world.device, world.size)
        heart.alone = True
        return module, f"FSDP over {world.size} processes in {count} units ({why})"
    ids = [world.device] if world.device.type == "cuda" else None
    wrapped = DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)
    return wrapped, f"DDP over {world.size} processes ({why})"


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
