"""The GPU's own counters as a second witness of what binds a step.

The trainer times a step from outside: what it calls computing is the time in which it waits for
nothing else, whether or not the GPU had work. The counters say how busy the GPU was, and with what.

The thresholds are declared and were not held against a GPU; each says what it rests on.
"""

from dataclasses import dataclass

from quartermaster.decide.bound import Shares
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.measurement import Busy, CounterSource, DeviceCounters
from quartermaster.domain.profile import Bound

PRACTICAL_TENSOR = 0.55
"""Of the cycles, what large products keep the tensor cores busy for at best: kernels load and store
in the others, and PaLM's 46 % of the peak (Chowdhery et al. 2022, table 3) is close to it."""
SATURATED_MEMORY = 0.6
"""From here on memory is what is waited for, if arithmetic is not: copies reach 0.8 of the peak
(`Calibration.memory`), and a kernel does other things beside."""
SATURATED_LINK = 0.5
"""The same of NVLink and PCIe, which carry headers too and are idle outside of collectives."""
IDLE = 0.3
"""A GPU whose multiprocessors have work for less of the time waits for somebody."""
MARGIN = 0.15
"""Counters and timing are taken at different times and by different clocks: shares that differ by
less are no contradiction."""


@dataclass(frozen=True, slots=True)
class DeviceShares:
    """How far each part of a GPU is used, 0 to 1; None: not counted, or of an unknown peak."""

    busy: float | None
    """Multiprocessors with any work."""
    arithmetic: float | None
    """Tensor cores, by what they reach in practice."""
    memory: float | None
    """Memory interface."""
    link: float | None
    """NVLink or PCIe, whichever is the fuller one, in its busier direction."""


def busy(counters: DeviceCounters) -> float | None:
    """How much of the time the GPU computed, 0 to 1, by the sharpest counter there is."""
    known = (counters.sm_active, counters.engine_active, counters.utilisation)
    return next((share for share in known if share is not None), None)


def device_shares(counters: DeviceCounters, accelerator: Accelerator | None) -> DeviceShares:
    """How far each part of the GPU is used.

    Args:
        counters: What was counted.
        accelerator: The GPU model; links have no share without their peaks.
    """
    tensor = counters.tensor_active
    links = (
        []
        if accelerator is None
        else [
            _of(counters.nvlink_bytes_per_second, accelerator.link_bandwidth),
            _of(counters.pcie_bytes_per_second, accelerator.bus_bandwidth),
        ]
    )
    known = [share for share in links if share is not None]
    return DeviceShares(
        busy=busy(counters),
        arithmetic=None if tensor is None else min(1.0, tensor / PRACTICAL_TENSOR),
        memory=counters.dram_active,
        link=max(known, default=None),
    )


def busy_with(shares: DeviceShares) -> Busy | None:
    """What the GPU is mostly busy with; None where too little is counted to tell.

    Links come first: a collective is a kernel too, that keeps multiprocessors and memory busy.
    """
    if shares.link is not None and shares.link >= SATURATED_LINK:
        return Busy.LINKS
    if shares.busy is None:
        return None
    if shares.busy < IDLE:
        return Busy.IDLE
    if shares.memory is None or shares.arithmetic is None:
        return None
    if shares.memory >= SATURATED_MEMORY and shares.memory > shares.arithmetic:
        return Busy.MEMORY
    return Busy.COMPUTE


def disagreement(
    told: Bound, timing: Shares, counters: DeviceCounters, shares: DeviceShares
) -> str:
    """Where the counters contradict the trainer's timing, in a sentence; empty where they do not.

    Args:
        told: What the step is bound by, as timing and, where peaks are known, the roofline say.
        timing: The trainer's shares of the step.
        counters: What was counted.
        shares: The same as shares.
    """
    found = busy_with(shares)
    if found is None or shares.busy is None:
        return ""
    share, waits = f"{shares.busy:.0%}".replace("%", " %"), timing.communication + timing.data_wait
    if found is Busy.IDLE and timing.compute > shares.busy + MARGIN:
        return (
            f"the GPU is busy for {share} of the time, and {_percent(timing.compute)} of a step is "
            "timed as computing: it waits for the host, as with many small kernels"
        )
    # Of an engine it is known only that something ran, which a collective does too.
    if counters.sm_active is not None and counters.sm_active > 1 - waits + MARGIN:
        return (
            f"the GPU is busy for {share} of the time, and {_percent(waits)} of a step is timed as "
            "waiting: it computes while the process waits"
        )
    if told is Bound.COMPUTE and found is Busy.MEMORY:
        return f"the memory is busy for {_percent(shares.memory)} of the time: rather memory-bound"
    if told is Bound.MEMORY and found is Busy.COMPUTE:
        return f"the memory is busy for {_percent(shares.memory)} of the time: rather compute-bound"
    return ""


def mean(several: list[DeviceCounters]) -> DeviceCounters | None:
    """The mean over the GPUs of a gang, of each counter over those that have it; None of none."""
    if not several:
        return None

    def over(values: list[float | None]) -> float | None:
        known = [value for value in values if value is not None]
        return sum(known) / len(known) if known else None

    sources = {it.source for it in several}
    return DeviceCounters(
        source=CounterSource.DCGM if CounterSource.DCGM in sources else CounterSource.GPM,
        sm_active=over([it.sm_active for it in several]),
        engine_active=over([it.engine_active for it in several]),
        utilisation=over([it.utilisation for it in several]),
        tensor_active=over([it.tensor_active for it in several]),
        dram_active=over([it.dram_active for it in several]),
        nvlink_bytes_per_second=over([it.nvlink_bytes_per_second for it in several]),
        pcie_bytes_per_second=over([it.pcie_bytes_per_second for it in several]),
    )


def _of(amount: float | None, peak: float | None) -> float | None:
    return None if amount is None or not peak else min(1.0, amount / peak)


def _percent(share: float | None) -> str:
    return f"{share or 0.0:.0%}".replace("%", " %")
