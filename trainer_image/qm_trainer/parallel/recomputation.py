"""Activation checkpointing: blocks keep their inputs only, and compute again for backward."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from qm_trainer.parallel.sharding import units


def recompute(model: nn.Module) -> int:
    """Have the blocks of `model` computed twice, in place; answers how many there are.

    A block is what is split as one by FSDP and has parts of its own: of a single layer nothing
    would be saved. Chance, such as dropout's, is the same both times.

    Source: Chen et al. 2016, "Training deep nets with sublinear memory cost", arXiv:1604.06174.
    """
    blocks = [unit for unit in units(model) if any(True for _ in unit.children())]
    for block in blocks:
        block.forward = partial(_forward, block.forward)
    return len(blocks)


def _forward(forward: Callable[..., Any], *args: Any, **named: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **named)
    return checkpoint(forward, *args, use_reentrant=False, **named)
