"""What processes tell each other in every step, inside the gradients that travel anyway."""

from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from typing_extensions import override

from qm_trainer.data.order import Share
from qm_trainer.parallel.processes import World


@dataclass(frozen=True, slots=True)
class Pulse:
    """What all processes know about one step."""

    step: int
    """Steps done when it was sent [count]."""
    loss: float
    """Mean over the step's samples, on all processes."""
    stop: bool
    """Whether some process was told to stop."""
    save: bool
    """Whether it is time to save: all processes do so after the same step."""


@dataclass(frozen=True, slots=True)
class _Beat:
    """A pulse on its way from a GPU."""

    host: Tensor
    there: torch.cuda.Event


class Heart(nn.Module):
    """Carries three numbers a step between all processes, inside the gradients that travel anyway.

    They are the gradient of a parameter that nothing uses, so under DDP they cost no message of
    their own. Every process reads the pulse of step n after its own step n + 1, when a GPU has long
    computed it; so all of them stop, and see a loss that is not a number, at the same step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.carrier = nn.Parameter(torch.zeros(3))
        self.alone = False
        """Whether no gradients travel with it, so that it needs a message of its own."""
        self._step, self._scale = 0, 1.0
        self._pending: tuple[float, ...] | _Beat | None = None

    def load(self, loss: Tensor, told: Tensor, *, stop: bool, save: bool = False) -> Tensor:
        """`loss`, whose backward also sends this process's part of the step's pulse.

        Args:
            loss: What backward starts from.
            told: Sum of the losses over this process's samples of the step.
            stop: Whether this process was told to stop.
            save: Whether this process finds that it is time to save.
        """
        self.carrier.grad = None
        own = told.detach().float()
        flags = [torch.full_like(own, float(flag)) for flag in (stop, save)]
        part = torch.stack((own, *flags))
        loaded: Tensor = _Load.apply(loss, self.carrier, part)  # type: ignore[no-untyped-call]
        return loaded

    def beat(self, step: int, share: Share, world: World) -> Pulse | None:
        """After backward of `step`: answers the pulse of the step before."""
        before = self.take()
        grad = self.carrier.grad
        assert grad is not None  # noqa: S101 - load and backward came before
        if self.alone:
            dist.all_reduce(grad)
            grad /= world.size
        # The gradients are means over processes; a pulse is a sum over samples, each of which all
        # processes have told of that computed it together.
        self._step, self._scale = step, world.data_size / share.total
        if not grad.is_cuda:
            self._pending = tuple(grad.tolist())
            return before
        there = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own
        self._pending = _Beat(torch.empty(3, pin_memory=True), there)
        self._pending.host.copy_(grad, non_blocking=True)
        there.record()
        return before

    def peek(self) -> Pulse | None:
        """The newest pulse, which `take` will answer again."""
        if isinstance(self._pending, _Beat):
            self._pending.there.synchronize()
            self._pending = tuple(self._pending.host.tolist())
        if self._pending is None:
            return None
        loss, stop, save = self._pending
        return Pulse(self._step, loss * self._scale, stop=stop > 0, save=save > 0)

    def take(self) -> Pulse | None:
        """The newest pulse, once; None if it was taken."""
        pulse, self._pending = self.peek(), None
        return pulse


class _Load(torch.autograd.Function):
    """Passes a loss through, and gives the carrier what it is to carry as its gradient."""

    @staticmethod
    @override
    def forward(ctx: Any, loss: Tensor, carrier: Tensor, part: Tensor) -> Tensor:
        del carrier
        ctx.save_for_backward(part)
        return loss.view_as(loss)

    @staticmethod
    @override
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        (part,) = ctx.saved_tensors
        return grads[0], part, None
