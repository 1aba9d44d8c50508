"""What a measured step is bound by: its shares, and the roofline where the GPU's peaks are known.

Source: Williams, Waterman and Patterson 2009, "Roofline: an insightful visual performance model".
"""

from dataclasses import dataclass

from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.measurement import Measurement
from quartermaster.domain.profile import Bound


@dataclass(frozen=True, slots=True)
class Shares:
    """Where the time of a step goes; together 1 [1]."""

    compute: float
    """All that is neither of the others: forward, backward and optimizer without waiting."""
    communication: float
    """What backward does not hide."""
    data_wait: float


def shares(measured: Measurement) -> Shares:
    """Shares of the step. What is not known counts as computing.

    Where the waits are longer than the step that they are said to be in, they are all of it.
    """
    communication = measured.communication_seconds or 0.0
    data_wait = measured.data_wait_seconds or 0.0
    whole = max(measured.step_seconds, communication + data_wait)
    waits = communication / whole, data_wait / whole
    return Shares(max(0.0, 1.0 - sum(waits)), *waits)


def arithmetic_intensity(measured: Measurement) -> float | None:
    """FLOPs by bytes of memory traffic [FLOP/byte]; an estimate from above, as the bytes are."""
    if not measured.flops or not measured.memory_traffic_bytes:
        return None
    return measured.flops / measured.memory_traffic_bytes


def utilisation(measured: Measurement, accelerator: Accelerator | None) -> float | None:
    """Model FLOP utilisation: what is computed by what the GPU could at most [1].

    None where the GPU is unknown, or its peak in the number format that is computed in.

    Source: Chowdhery et al. 2022 (PaLM), appendix B, arXiv:2204.02311.
    """
    peak = _peak(measured, accelerator)
    if peak is None or measured.flops is None:
        return None
    return measured.flops / (measured.step_seconds * peak)


def bound(measured: Measurement, accelerator: Accelerator | None = None) -> Bound:
    """The largest share; what computes is memory-bound left of the roofline's ridge.

    Args:
        measured: The step.
        accelerator: The GPU it ran on, where its peaks are known; else Memory is never answered.
    """
    found = shares(measured)
    sizes = {
        Bound.COMPUTE: found.compute,
        Bound.COMMUNICATION: found.communication,
        Bound.INPUT: found.data_wait,
    }
    largest = max(sizes, key=lambda kind: sizes[kind])
    if largest is Bound.COMPUTE and _left_of_the_ridge(measured, accelerator):
        return Bound.MEMORY
    return largest


def _left_of_the_ridge(measured: Measurement, accelerator: Accelerator | None) -> bool:
    intensity, peak = arithmetic_intensity(measured), _peak(measured, accelerator)
    if accelerator is None or intensity is None or peak is None:
        return False
    return intensity * accelerator.memory_bandwidth < peak


def _peak(measured: Measurement, accelerator: Accelerator | None) -> float | None:
    if accelerator is None or measured.precision is None:
        return None
    return accelerator.peak_flops.get(measured.precision)


def sentence(step_seconds: float, found: Shares, kind: str) -> str:
    """For people: `38 ms: compute 71 %, communication 21 %, data wait 8 %: compute-bound`."""
    communication, data_wait = round(100 * found.communication), round(100 * found.data_wait)
    compute = max(0, 100 - communication - data_wait)
    return (
        f"{_span(step_seconds)}: compute {compute} %, communication {communication} %, "
        f"data wait {data_wait} %: {kind.lower()}-bound"
    )


def _span(seconds: float) -> str:
    """Two or three digits of a short time: `2.8 ms`, `38 ms`, `1.3 s`."""
    value, unit = (seconds, "s") if seconds >= 1.0 else (seconds * 1e3, "ms")
    return f"{value:.{0 if value >= 10 else 1}f} {unit}"
