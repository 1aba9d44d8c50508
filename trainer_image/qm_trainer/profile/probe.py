"""When to look at a step, and what is told of it: the run's profile.

Only the process that leads looks. Of a run's first steps one is counted, at a price of its own and
therefore not timed, and a window of them is timed; later a window is timed again now and then. No
number that training computes depends on it.
"""

import logging
import resource
import statistics
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from qm_trainer.console import number
from qm_trainer.parallel.layout import Layout
from qm_trainer.profile import cost, device, timing
from qm_trainer.profile.cost import Cost, Meter
from qm_trainer.profile.device import Counters, NoCounters
from qm_trainer.profile.timing import Clock, Lap, Mark, Parts

COUNTED = 1
"""The step that is counted, from 0: the first one still sets DDP's buckets and AdamW's state up."""
WARM_UP = 5
"""Steps before the first that is timed [count]: allocators and caches settle."""
WINDOW = 20
"""Steps of which the typical one is told [count]."""
AGAIN = 1000
"""From the beginning of one window to that of the next [count]."""
FEWEST = 5
"""Steps that a run must at least have timed for its end to tell of them [count]."""
KEPT_STALLS = 16
"""Checkpoints whose stalls are remembered [count]."""

_log = logging.getLogger("qm_trainer")


@dataclass(frozen=True, slots=True)
class Setting:
    """What the probe has to know of the run."""

    module: nn.Module
    """All that travels: the model, and what is sent beside its gradients."""
    optimizer: torch.optim.Optimizer
    device: torch.device
    layout: Layout
    """What the processes of the gang share."""
    samples: int
    """In one step of the whole gang [count]."""
    precision: str


class Probe:
    """Looks at steps: `with probe:` around each, `probe.mark` inside."""

    def __init__(
        self,
        setting: Setting,
        *,
        looking: bool,
        clock: Clock | None = None,
        counters: Counters | None = None,
    ) -> None:
        self.setting, self._looking = setting, looking
        found = device.counters_of(setting.device) if looking else NoCounters()
        self._counters = counters or found
        self._counted: Mapping[str, float] = {}
        self._clock = clock or timing.clock_of(setting.device)
        self._done = 0
        self._meter: Meter | None = None
        self._lap: Lap | None = None
        self._laps: list[Lap] = []
        self._cost: Cost | None = None
        self._parts: Parts | None = None
        self._timed = 0
        self._stalls: deque[float] = deque(maxlen=KEPT_STALLS)

    def __enter__(self) -> None:
        if not self._looking:
            return
        if self._done == COUNTED:
            self._meter = Meter(self.setting.module).__enter__()
        elif self._done >= WARM_UP and (self._done - WARM_UP) % AGAIN < WINDOW:
            if not self._laps:
                self._counters.begin()
            self._lap = Lap(self._clock)
            self._lap.mark(Mark.BEGAN)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._done += 1
        meter, lap, self._meter, self._lap = self._meter, self._lap, None, None
        if meter is not None:
            meter.__exit__()
            setting = self.setting
            self._cost = cost.of_step(meter, setting.module, setting.optimizer, setting.layout)
        if lap is not None and kind is None:
            lap.mark(Mark.STEPPED)
            self._laps.append(lap)
            if len(self._laps) == WINDOW:
                self._read()

    def mark(self, which: Mark) -> None:
        """The step is at `which`."""
        if self._lap is not None:
            self._lap.mark(which)

    def before_backward(self, loss: Tensor) -> None:
        """Forward has ended, and backward will begin at `loss`."""
        if self._lap is not None:
            self._lap.mark(Mark.FORWARDED)
            self._lap.mark_computed(loss)

    def stalled(self, seconds: float) -> None:
        """Training stood still this long for one checkpoint [s]."""
        self._stalls.append(seconds)

    def settle(self) -> None:
        """The run is at its end: a window that is not full has to do."""
        if len(self._laps) >= FEWEST and self._parts is None:
            self._read()

    def _read(self) -> None:
        laps = [parts for lap in self._laps if (parts := lap.parts()) is not None]
        self._laps.clear()
        # The marks are read: the GPU has done what is timed.
        self._counted = self._counters.end()
        if not laps:
            return
        first, self._parts, self._timed = self._parts is None, timing.typical(laps), len(laps)
        if first:
            _log.info("%s", sentence(self._parts))

    def told(self) -> dict[str, Any] | None:
        """The profile as the contract writes it; None before a window was timed."""
        parts, found = self._parts, self._cost
        if parts is None or found is None:
            return None
        return {
            "steps": self._timed,
            "processes": self.setting.layout.processes,
            "precision": self.setting.precision,
            "stepSeconds": parts.step,
            "dataWaitSeconds": parts.data_wait,
            "forwardSeconds": parts.forward,
            "backwardSeconds": parts.backward,
            "optimizerSeconds": parts.optimizer,
            "communicationSeconds": parts.communication,
            "checkpointStallSeconds": statistics.median(self._stalls) if self._stalls else None,
            "samplesPerSecond": self.setting.samples / parts.step,
            "flops": found.flops,
            "memoryTrafficBytes": found.memory_traffic,
            "synchronisedBytes": found.synchronised,
            "parameters": found.parameters,
            "parameterBytes": found.parameter_bytes,
            **_peak_memory(self.setting.device),
            **self._counted,
        }


def sentence(parts: Parts) -> str:
    """What a person reads of it."""
    waits = {"exposed communication": parts.communication, "data wait": parts.data_wait}
    shares = [f"{name} {100 * part / parts.step:.0f} %" for name, part in waits.items()]
    return f"a step takes {number(parts.step * 1e3)} ms: {', '.join(shares)}, the rest computes"


def _peak_memory(device: torch.device) -> dict[str, Any]:
    """The most that this process ever held: of the GPU's memory, or resident on the host."""
    if device.type == "cuda":
        return {"peakMemoryBytes": torch.cuda.max_memory_allocated(device), "memoryKind": "Device"}
    # Linux counts it in KiB: getrusage(2).
    kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peakMemoryBytes": kib * 1024, "memoryKind": "Process"}
