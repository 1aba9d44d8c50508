"""The processes of one run: how they meet, how the model is wrapped, what they tell each other.

This is the one place that wraps a model in parallelism.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from qm_trainer.config import Strategy
from qm_trainer.data.order import Share

COLLECTIVE_TIMEOUT = timedelta(minutes=5)
"""How long a process waits for the others in one operation. A peer that dies closes its connections
and is noticed at once; this is for one whose machine vanished or that hangs. Longer than a slow
volume needs for a save, short against the hours that a silent gang would cost."""


@dataclass(frozen=True, slots=True)
class World:
    """This process among the others."""

    rank: int
    size: int
    local_rank: int
    device: torch.device
    distributed: bool = False

    @property
    def leads(self) -> bool:
        """Whether this process is the one that writes and reports."""
        return self.rank == 0


def join(environment: Mapping[str, str] = os.environ) -> World:
    """Meet the other processes as torchrun's environment says; alone where it says nothing."""
    rank, size = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    local_rank = int(environment.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
    if "RANK" not in environment:
        return World(0, 1, 0, device)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    dist.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)
    return World(rank, size, local_rank, device, distributed=True)


def leave(world: World) -> None:
    """Close the connections to the others, so that they see an end and not a loss."""
    if world.distributed and dist.is_initialized():
        dist.destroy_process_group()


def wrap(module: nn.Module, world: World, strategy: Strategy) -> tuple[nn.Module, str]:
    """The module as all processes train it, and one line that says how.

    Weights are taken from rank 0.
    """
    if world.size == 1:
        return module, f"one process ({strategy.value})"
    ids = [world.device] if world.device.type == "cuda" else None
    wrapped = DistributedDataParallel(module, device_ids=ids, gradient_as_bucket_view=True)
    return wrapped, f"DDP over {world.size} processes ({strategy.value})"


def sums(values: list[float], world: World) -> list[float]:
    """Each value summed over all processes."""
    if world.size == 1:
        return values
    total = torch.tensor(values, dtype=torch.float64)
    dist.all_reduce(total)
    return [float(value) for value in total]


def agree(value: int, world: World) -> int:
    """Rank 0's value, in every process."""
    if world.size == 1:
        return value
    shared = torch.tensor([value], dtype=torch.int64)
    dist.broadcast(shared, src=0)
    return int(shared.item())


def barrier(world: World) -> None:
    """Wait until every process is here."""
    if world.size > 1:
        sums([0.0], world)


@dataclass(frozen=True, slots=True)
class Pulse:
    """What all processes know about one step."""

    step: int
    """Steps done when it was sent [count]."""
    loss: float
    """Mean over the step's samples, on all processes."""
    stop: bool
    """Whether some process was told to stop."""


@dataclass(frozen=True, slots=True)
class _Beat:
    """A pulse on its way from a GPU."""

    host: Tensor
    there: torch.cuda.Event


class Heart(nn.Module):
    """Carries two numbers a step between all processes, inside the gradients that travel anyway.

    They are the gradient of a parameter that nothing uses, so they cost no message of their own.
    Every process reads the pulse of step n after its own step n + 1, when a GPU has long computed
    it; so all of them stop, and see a loss that is not a number, at the same step.
    """

    def __init__(self) -> None:
        super().__init__()
        self.carrier = nn.Parameter(torch.zeros(2))
        self._step, self._scale = 0, 1.0
        self._pending: tuple[float, float] | _Beat | None = None

    def load(self, loss: Tensor, mean: Tensor, share: Share, *, stop: bool) -> Tensor:
        """`loss`, whose backward also sends this process's part of the step's pulse.

        Args:
            loss: What backward starts from.
            mean: The mean loss over this process's samples.
            share: This process's part of the step.
            stop: Whether this process was told to stop.
        """
        self.carrier.grad = None
        own = mean.detach().float() * share.own
        part = torch.stack((own, torch.full_like(own, float(stop))))
        loaded: Tensor = _Load.apply(loss, self.carrier, part)  # type: ignore[no-untyped-call]
        return loaded

    def beat(self, step: int, share: Share, world: World) -> Pulse | None:
        """After backward of `step`: answers the pulse of the step before."""
        before = self.take()
        grad = self.carrier.grad
        assert grad is not None  # noqa: S101 - load and backward came before
        # The gradients are means over processes; a pulse is a sum.
        self._step, self._scale = step, world.size / share.total
        if not grad.is_cuda:
            loss, stop = grad.tolist()
            self._pending = loss, stop
            return before
        there = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own
        self._pending = _Beat(torch.empty(2, pin_memory=True), there)
        self._pending.host.copy_(grad, non_blocking=True)
        there.record()
        return before

    def peek(self) -> Pulse | None:
        """The newest pulse, which `take` will answer again."""
        if isinstance(self._pending, _Beat):
            self._pending.there.synchronize()
            loss, stop = self._pending.host.tolist()
            self._pending = loss, stop
        if self._pending is None:
            return None
        loss, stop = self._pending
        return Pulse(self._step, loss * self._scale, stop > 0)

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
