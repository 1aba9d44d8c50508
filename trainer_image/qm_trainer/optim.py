"""What is minimised, and by what: the objective, AdamW, and its learning rate."""

import math
from collections.abc import Callable, Hashable

import torch
from torch import Tensor, nn
from torch.nn import functional
from typing_extensions import override

from qm_trainer.parallel import sharding
from qm_trainer.parallel.heart import Heart

WARMUP_FRACTION = 0.05
"""Share of all steps in which the rate rises [1]; Adam's second moment has to settle first."""
WEIGHT_DECAY = 0.01
"""AdamW's own default in torch [1]."""


class Objective(nn.Module):
    """The user's model with its loss, so that one forward gives what backward needs.

    It holds the heart only so that its carrier travels with the model's gradients.

    The loss is the model's own `loss(outputs, targets)` where it has one; else cross-entropy for
    whole-number targets, and mean squared error for the rest.
    """

    def __init__(self, model: nn.Module, heart: Heart) -> None:
        super().__init__()
        self.model = model
        self.heart = heart
        own = getattr(model, "loss", None)
        self._own: Callable[[Tensor, Tensor], Tensor] | None = own if callable(own) else None

    @override
    def forward(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """The mean loss over the batch, and the model's outputs."""
        outputs = self.model(inputs)
        if self._own is not None:
            return self._own(outputs, targets), outputs
        if targets.is_floating_point():
            return functional.mse_loss(outputs, targets), outputs
        return functional.cross_entropy(outputs, targets), outputs


def weighted(loss: Tensor, own: int, total: int, world: int) -> Tensor:
    """The loss such that the gradients' mean over processes is the mean over samples.

    Args:
        loss: Mean over some samples.
        own: How many of them count [sample].
        total: In the step, over all processes [sample].
        world: Processes [count].
    """
    weight = own * world / total
    return loss if weight == 1.0 else loss * weight


def measure(objective: nn.Module, inputs: Tensor, targets: Tensor) -> list[float]:
    """Sums over one batch: loss, samples, right answers, answers that can be right or wrong."""
    loss, outputs = objective(inputs, targets)
    samples, right, judged = len(inputs), 0, 0
    if not targets.is_floating_point() and outputs.dim() == targets.dim() + 1:
        right, judged = int((outputs.argmax(1) == targets).sum()), targets.numel()
    return [float(loss) * samples, float(samples), float(right), float(judged)]


def adamw(model: nn.Module, learning_rate: float) -> torch.optim.AdamW:
    """AdamW that does not decay what has one dimension: biases and normalisation scales.

    A group is updated at once, so parameters that lie differently are in different ones.
    """
    groups: dict[tuple[bool, Hashable], list[nn.Parameter]] = {}
    for parameter in model.parameters():
        if parameter.requires_grad:
            decays = parameter.dim() > 1
            groups.setdefault((decays, sharding.mesh_of(parameter)), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": members, "weight_decay": WEIGHT_DECAY if decays else 0.0}
            for (decays, _), members in groups.items()
        ],
        lr=learning_rate,
        fused=True,
    )


def rate(step: int, total_steps: int, peak: float) -> float:
    """The learning rate of `step`, counted from 0: a linear warm-up, then half a cosine down to 0.

    A function of the step alone, so a resumed run has nothing to restore.

    Source: Loshchilov and Hutter 2017 (SGDR), equation 5, arXiv:1608.03983.
    """
    warmup = max(1, round(total_steps * WARMUP_FRACTION))
    if step < warmup:
        return peak * (step + 1) / warmup
    done = (step - warmup) / max(1, total_steps - warmup)
    return peak * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


def set_rate(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Give every group of `optimizer` the rate `value`."""
    for group in optimizer.param_groups:
        group["lr"] = value
