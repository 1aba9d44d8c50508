"""In what numbers the model computes: FP32, or BF16 and FP16 by autocast with weights in FP32."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler

from qm_trainer.config import Precision

_AUTOCAST = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}
_BF16_SINCE, _FP16_SINCE = (8, 0), (7, 0)
"""Compute capabilities that multiply these in tensor cores.

Source: NVIDIA, CUDA C++ Programming Guide, compute capabilities."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The precision that will be used, and why."""

    precision: Precision
    reason: str
    device_type: str
    sharded: bool = False
    """Whether each process has a part of the gradients only."""
    scaler: torch.amp.GradScaler = field(init=False, repr=False, compare=False)
    """Keeps FP16's small gradients from becoming 0; does nothing for other precisions.

    Source: Micikevicius et al. 2018, "Mixed precision training", section 3.2."""

    def __post_init__(self) -> None:
        # Of parts, all processes have to hear whether one of them is not finite.
        kind = ShardedGradScaler if self.sharded else torch.amp.GradScaler
        scaler = kind(self.device_type, enabled=self.precision is Precision.FP16)
        object.__setattr__(self, "scaler", scaler)

    def context(self) -> AbstractContextManager[object]:
        """What the forward pass runs in."""
        kind = _AUTOCAST.get(self.precision)
        return nullcontext() if kind is None else torch.autocast(self.device_type, dtype=kind)

    def scaled(self, loss: Tensor) -> Tensor:
        """What backward starts from."""
        return self.scaler.scale(loss)

    def step(self, optimizer: torch.optim.Optimizer) -> None:
        """One step of the optimizer; none where a gradient is not finite, and a smaller scale next.

        All processes step, or none: their gradients are the same by now, or they tell each other.
        """
        self.scaler.step(optimizer)
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """What a resumed run has to know: the scale, and for how long it has held. JSON."""
        return self.scaler.state_dict()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on with what `state` told; a run in another precision has nothing to go on with."""
        if state and self.scaler.is_enabled():
            self.scaler.load_state_dict(dict(state))


def choose(asked: Precision, device: torch.device, *, sharded: bool = False) -> Choice:
    """Answer `Auto` by what the device multiplies fast; anything else is as asked."""
    chosen, why = (asked, "as asked") if asked is not Precision.AUTO else _fast_on(device)
    return Choice(chosen, why, device.type, sharded)


def _fast_on(device: torch.device) -> tuple[Precision, str]:
    if device.type != "cuda":
        return Precision.FP32, "Auto: on CPUs FP32 is the one that is fast everywhere"
    name = torch.cuda.get_device_name(device)
    capability = torch.cuda.get_device_capability(device)
    if capability >= _BF16_SINCE:
        return Precision.BF16, f"Auto: {name} multiplies BF16 in hardware"
    if capability >= _FP16_SINCE:
        return Precision.FP16, f"Auto: {name} multiplies FP16 in hardware"
    return Precision.FP32, f"Auto: {name} has neither BF16 nor FP16 units"
