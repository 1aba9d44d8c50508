"""In what numbers the model computes: FP32, or BF16 by autocast with weights kept in FP32."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch

from qm_trainer.config import Precision


@dataclass(frozen=True, slots=True)
class Choice:
    """The precision that will be used, and why."""

    precision: Precision
    reason: str
    device_type: str

    def context(self) -> AbstractContextManager[object]:
        """What the forward pass runs in."""
        if self.precision is Precision.BF16:
            return torch.autocast(self.device_type, dtype=torch.bfloat16)
        return nullcontext()


def choose(asked: Precision, device: torch.device) -> Choice:
    """Answer `Auto` by what the device multiplies fast; anything else is as asked."""
    if asked is not Precision.AUTO:
        return Choice(asked, "as asked", device.type)
    if device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0):
        name = torch.cuda.get_device_name(device)
        return Choice(Precision.BF16, f"Auto: {name} multiplies BF16 in hardware", device.type)
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        return Choice(Precision.FP32, f"Auto: {name} has no BF16 units", device.type)
    return Choice(
        Precision.FP32, "Auto: on CPUs FP32 is the one that is fast everywhere", device.type
    )
