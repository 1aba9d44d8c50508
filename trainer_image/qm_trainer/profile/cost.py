"""What one step of one process computes, moves and sends, counted on a step that trains."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry
from typing_extensions import override

from qm_trainer.parallel.layout import Layout
from qm_trainer.parallel.sharding import bytes_of_copy


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one step of one process."""

    flops: int
    """Multiplications and additions of matrix products, convolutions and attention [FLOP]."""
    memory_traffic: int
    """What has to pass between memory and arithmetic, an estimate from below [byte]."""
    synchronised: int
    """What a process sends, and receives, for the gradients' mean [byte]."""
    parameters: int
    """[count]"""
    parameter_bytes: int
    """[byte]"""


class Meter:
    """Counts while it is open: the FLOPs of all that runs, and the bytes kept for backward.

    Of torch's FLOP counter only the formulas are used: its counter also follows modules by hooks,
    which costs more, and raises what a formula raises. Counting must never end a run.
    """

    def __init__(self, module: nn.Module) -> None:
        self._known = {_storage(p) for p in module.parameters()} - {0}
        self._saved: dict[int, int] = {}
        self._counter = _Counter()
        self._open = ExitStack()

    @property
    def flops(self) -> int:
        """Of everything that ran so far [FLOP]."""
        return self._counter.flops

    @property
    def activations(self) -> int:
        """What forward kept for backward, the parameters left out [byte]."""
        return sum(self._saved.values())

    def __enter__(self) -> Self:
        self._open.enter_context(saved_tensors_hooks(self._keep, _as_it_is))
        self._open.enter_context(self._counter)
        return self

    def __exit__(self, *ended: object) -> None:
        self._open.close()

    def _keep(self, saved: Tensor) -> Tensor:
        where = _storage(saved)
        if where and where not in self._known:
            self._saved[where] = max(saved.nbytes, self._saved.get(where, 0))
        return saved


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's own
    """Adds up what torch's formulas say of each operator."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's own
        self.flops = 0

    @override
    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        out = func(*args, **named)
        packet = func._overloadpacket  # noqa: SLF001 - the key of torch's own table
        formula: Callable[..., int] | None = flop_registry.get(packet)
        if formula is not None:
            # A formula that does not know this shape counts nothing.
            with suppress(Exception):
                self.flops += int(formula(*args, **named, out_val=out))
        return out


def of_step(
    meter: Meter, module: nn.Module, optimizer: torch.optim.Optimizer, layout: Layout
) -> Cost:
    """What the step cost that `meter` was open for.

    Memory traffic is what remains when every operator finds all else in its cache: a trained
    parameter is read by forward, backward and optimizer, and written once; a gradient is written
    and read; the optimizer's state is read and written; what forward keeps is written and read. A
    ring of k copies sends 2 (k - 1) / k of the gradients. Over k shards it is 3 (k - 1) / k:
    forward and backward put weights together, and gradients are taken apart. What layers send that
    are split for tensor parallelism is not in it.

    Source: Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms", section 3;
    Rajbhandari et al. 2020, "ZeRO", section 7.
    """
    copies, shards = layout.copies, layout.shards
    trained = sum(bytes_of_copy(p) for p in module.parameters() if p.requires_grad)
    every = sum(map(bytes_of_copy, module.parameters()))
    state = _bytes(
        value
        for held in optimizer.state.values()
        for value in held.values()
        if isinstance(value, Tensor)
    )
    return Cost(
        flops=meter.flops,
        memory_traffic=4 * trained
        + 2 * (every - trained)
        + 2 * trained
        + 2 * state
        + 2 * meter.activations,
        synchronised=3 * (shards - 1) * trained // shards
        + 2 * (copies - 1) * trained // (copies * shards),
        parameters=sum(p.numel() for p in module.parameters()),
        parameter_bytes=every,
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def _storage(tensor: Tensor) -> int:
    """Where a tensor lies; 0 for a layout that has no storage, such as sparse, and for parts."""
    try:
        return tensor.untyped_storage().data_ptr()
    except (NotImplementedError, RuntimeError):
        return 0


def _as_it_is(saved: Tensor) -> Tensor:
    return saved
