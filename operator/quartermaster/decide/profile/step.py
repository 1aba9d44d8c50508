"""What a step of a job takes on given GPUs that lie in a given way.

Compute and memory traffic share the GPU as in a roofline (Williams, Waterman, Patterson, CACM
2009): the slower of the two counts. Gradients go round a ring inside each node and a ring between
the nodes. Communication overlaps with the rest as in Pollux (Qiao et al., OSDI 2021, equation 11):
(a^g + b^g)^(1/g). The input is read ahead, so it counts only where it is the slowest of all.
"""

import math
from collections.abc import Iterable

from quartermaster.decide.profile.calibration import DECLARED, Calibration
from quartermaster.domain.hardware import Accelerator, NumberFormat
from quartermaster.domain.profile import JobProfile, Measured, Shape, StepTime


def step_time(
    profile: JobProfile,
    accelerator: Accelerator | None,
    shape: Shape,
    calibration: Calibration = DECLARED,
    others: Iterable[Accelerator] = (),
) -> StepTime | None:
    """What a step takes; None where a part of it is unknown, never a guess.

    What was measured goes before what is predicted: this very shape on this GPU; one GPU of this
    model; this shape on another model, where both were measured alone; one GPU of another model,
    as a correction of what is predicted.

    Args:
        profile: The job.
        accelerator: The GPU model; None: not in the catalogue.
        shape: How its processes lie.
        calibration: What is reached of what is promised.
        others: GPU models on which the job was measured, for the correction.
    """
    if accelerator is None:
        return None
    local = _local(profile, accelerator, calibration)
    communication = communication_seconds(profile, accelerator, shape, calibration)
    if local is None or communication is None:
        return None
    factor = _correction(profile, accelerator, calibration, others)
    compute, memory = (part * factor for part in local)
    reading = profile.input_seconds_per_sample * profile.batch
    busy = norm(max(compute, memory), communication, calibration.overlap)
    step = StepTime(compute, memory, communication, reading, max(busy, reading))
    seen = _seen(profile.measured, accelerator.name, shape)
    return step if seen is None else _scaled(step, seen / step.total)


def communication_seconds(
    profile: JobProfile, accelerator: Accelerator, shape: Shape, calibration: Calibration = DECLARED
) -> float | None:
    """Rings inside the nodes and one between them [s]; None where a link is unknown.

    A ring of k moves 2(k-1)/k of the bytes over each link for an all-reduce (Patarasuk and Yuan,
    JPDC 2009), and takes 2(k-1) steps. Chunks are pipelined through both rings, so of the links
    that are crossed the slowest counts.
    """
    slowest, hops = 0.0, 0
    for members, speed in (
        (shape.per_node, node_link(accelerator, shape, calibration)),
        (shape.nodes, _times(shape.network_bandwidth, calibration.network)),
    ):
        if members < 2:
            continue
        if speed is None:
            return None
        slowest = max(slowest, (members - 1) / members * profile.synchronised() / speed)
        hops += members - 1
    return profile.strategy.passes * (slowest + hops * calibration.hop_seconds)


def node_link(accelerator: Accelerator, shape: Shape, calibration: Calibration) -> float | None:
    """What two GPUs of a node reach between them, one direction [byte/s]; None: unknown."""
    if shape.linked and accelerator.link_bandwidth is not None:
        return accelerator.link_bandwidth * calibration.link
    return _times(accelerator.bus_bandwidth, calibration.bus)


def norm(a: float, b: float, exponent: float) -> float:
    """(a^g + b^g)^(1/g), without overflow: between max(a, b) and a + b."""
    large, small = max(a, b), min(a, b)
    if small == 0.0 or math.isinf(exponent):
        return large
    return large * float((1.0 + (small / large) ** exponent) ** (1.0 / exponent))


def peak(accelerator: Accelerator, number_format: NumberFormat) -> float | None:
    """Peak in this format, or in FP32 where the GPU lacks it [FLOP/s]; None: unknown."""
    flops = accelerator.peak_flops
    return flops.get(number_format, flops.get(NumberFormat.FP32))


def _local(
    profile: JobProfile, accelerator: Accelerator, calibration: Calibration
) -> tuple[float, float] | None:
    """Compute and memory seconds of one GPU alone."""
    flops = peak(accelerator, profile.number_format)
    if flops is None:
        return None
    reached = flops * calibration.share(profile.kernel)
    arithmetic = profile.flops_per_sample * profile.batch / reached
    launches = profile.tensors * calibration.launch_seconds
    compute = norm(arithmetic, launches, calibration.overlap)
    bandwidth = accelerator.memory_bandwidth * calibration.memory
    return compute, profile.traffic_per_sample * profile.batch / bandwidth


def _correction(
    profile: JobProfile,
    accelerator: Accelerator,
    calibration: Calibration,
    others: Iterable[Accelerator],
) -> float:
    """Measured by predicted on one GPU alone: of this model, else the mean over other models."""
    alone = {m.accelerator: m.seconds for m in profile.measured if m.alone}
    known = (
        {accelerator.name: accelerator}
        if accelerator.name in alone
        else {other.name: other for other in others if other.name in alone}
    )
    logs = [
        math.log(alone[name] / max(local))
        for name, other in sorted(known.items())
        if (local := _local(profile, other, calibration)) is not None and max(local) > 0
    ]
    return math.exp(sum(logs) / len(logs)) if logs else 1.0


def _seen(measured: Iterable[Measured], name: str, shape: Shape) -> float | None:
    """What this shape took on this GPU, or took elsewhere and is carried over [s]."""
    steps = {(m.accelerator, m.per_node, m.nodes): m.seconds for m in measured}
    here = steps.get((name, shape.per_node, shape.nodes))
    if here is not None or (alone := steps.get((name, 1, 1))) is None:
        return here
    carried = [
        carry_over(alone, steps[other, 1, 1], seconds)
        for (other, per_node, nodes), seconds in sorted(steps.items())
        if (per_node, nodes) == (shape.per_node, shape.nodes) and (other, 1, 1) in steps
    ]
    return sum(carried) / len(carried) if carried else None


def carry_over(alone: float, other_alone: float, other_scaled: float) -> float:
    """A step at some scale from the same scale on another GPU model [s].

    Throughputs scale alike: thr_A(k) = thr_A(1) / thr_B(1) * thr_B(k) (Jayaram Subramanya et al.,
    Sia, SOSP 2023, section 3.3).
    """
    return alone / other_alone * other_scaled


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _scaled(step: StepTime, factor: float) -> StepTime:
    return StepTime(
        step.compute * factor,
        step.memory * factor,
        step.communication * factor,
        step.input * factor,
        step.total * factor,
    )
