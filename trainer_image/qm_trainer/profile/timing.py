"""Where the time of a step goes: marks between its parts, read when a window is full."""

import statistics
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import Enum, auto
from time import perf_counter
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd import Variable


class Mark(Enum):
    """A moment of a step; each ends what began at the one before."""

    BEGAN = auto()
    FETCHED = auto()
    """The samples are on the device."""
    FORWARDED = auto()
    COMPUTED = auto()
    """Every gradient of this process is there; the mean over processes perhaps is not."""
    BACKWARDED = auto()
    STEPPED = auto()


class Clock(Protocol):
    """What marks are taken from."""

    def now(self) -> Any:
        """A moment."""
        ...

    def between(self, start: Any, end: Any) -> float:
        """From one moment to another [s]; may wait until `end` has come."""
        ...


class HostClock:
    """For CPUs, where an operator has ended when its call returns."""

    def now(self) -> float:
        """Seconds of no particular origin [s]."""
        return perf_counter()

    def between(self, start: float, end: float) -> float:
        """From one moment to another [s]."""
        return end - start


class DeviceClock:
    """For GPUs: events in the stream, so that nothing waits for the GPU while steps are timed."""

    def now(self) -> torch.cuda.Event:
        """When the GPU gets to what is queued from here on."""
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch's own
        event.record()
        return event

    def between(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        """From one moment to another [s]; waits until the GPU got to the later one."""
        end.synchronize()
        return float(start.elapsed_time(end)) / 1e3


def clock_of(device: torch.device) -> Clock:
    """The clock of what computes."""
    return DeviceClock() if device.type == "cuda" else HostClock()


@dataclass(frozen=True, slots=True)
class Parts:
    """Of one step, or of the typical one of several [s]."""

    step: float
    data_wait: float
    forward: float
    backward: float
    """The whole of it, with the wait for other processes at its end."""
    optimizer: float
    communication: float
    """The end of backward: this process has computed all, and waits for the mean of gradients.

    What travels while backward still computes is hidden and counts nothing; waiting for a slower
    process counts."""


class Lap:
    """The marks of one step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._marks: dict[Mark, Any] = {}

    def mark(self, which: Mark) -> None:
        """This moment is `which`."""
        self._marks[which] = self._clock.now()

    def mark_computed(self, loss: Tensor) -> None:
        """Mark, during the backward that is to come from `loss`, that all gradients are computed.

        Autograd runs what is queued at its end in the order of queueing, and DDP queues its wait
        when the last gradient is ready; the first node of backward is earlier than that.
        """

        def first(_: Tensor) -> None:
            engine = Variable._execution_engine  # noqa: SLF001 - torch has no public name for it
            engine.queue_callback(lambda: self.mark(Mark.COMPUTED))

        loss.register_hook(first)  # type: ignore[no-untyped-call]  # torch's own

    def parts(self) -> Parts | None:
        """The times between the marks; None if the step did not come to its end."""
        if any(which not in self._marks for which in Mark):
            return None
        return Parts(
            step=self._from(Mark.BEGAN, Mark.STEPPED),
            data_wait=self._from(Mark.BEGAN, Mark.FETCHED),
            forward=self._from(Mark.FETCHED, Mark.FORWARDED),
            backward=self._from(Mark.FORWARDED, Mark.BACKWARDED),
            optimizer=self._from(Mark.BACKWARDED, Mark.STEPPED),
            communication=self._from(Mark.COMPUTED, Mark.BACKWARDED),
        )

    def _from(self, start: Mark, end: Mark) -> float:
        return self._clock.between(self._marks[start], self._marks[end])


def typical(laps: Sequence[Parts]) -> Parts:
    """What a step takes: the mean over the half of the steps nearest to the median step.

    Steps that met the machine's other work do not count; and unlike medians of each part for
    itself, these parts still add up to their step.
    """
    ordered = sorted(laps, key=lambda lap: lap.step)
    outside = len(ordered) // 4
    middle = ordered[outside : len(ordered) - outside]
    columns = zip(*map(astuple, middle), strict=True)
    return Parts(*(statistics.fmean(column) for column in columns))
