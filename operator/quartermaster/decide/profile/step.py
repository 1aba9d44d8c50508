"""What a step of a job takes on given GPUs that lie in a given way.

Compute and memory traffic share the GPU as in a roofline (Williams, Waterman, Patterson, CACM
2009): the slower of the two counts. Gradients go round a ring inside each node and a ring between
the nodes. Communication overlaps with the rest as in Pollux (Qiao et al., OSDI 2021, equation 11):
(a^g + b^g)^(1/g). The input is read ahead, so it counts only where it is the slowest of all.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from quartermaster.decide.profile.calibration import DECLARED, Calibration
from quartermaster.domain.hardware import Accelerator, NumberFormat
from quartermaster.domain.profile import JobProfile, Measured, Shape, StepTime


@dataclass(frozen=True, slots=True)
class Ring:
    """One of the two rings that gradients go round, in one pass."""

    between_nodes: bool
    """Whether it is the one between the nodes."""
    transfer: float
    """The bytes over its slowest link [s]."""
    hops: float
    """Its steps, without their bytes [s]."""


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
    as a correction of what is predicted. A shape that was measured across another network is
    carried over by what is predicted of the two.

    Args:
        profile: The job.
        accelerator: The GPU model; None: not in the catalogue.
        shape: How its processes lie.
        calibration: What is reached of what is promised.
        others: GPU models on which the job was measured, for the correction.
    """
    if accelerator is None:
        return None
    factor = _correction(profile, accelerator, calibration, others)

    def predicted(shape: Shape) -> StepTime | None:
        return _predicted(profile, accelerator, shape, calibration, factor)

    step = predicted(shape)
    if step is None:
        return None
    ratios = [
        seen.seconds / there.total
        for seen in _seen(profile.measured, accelerator.name, shape)
        if (there := predicted(_across(shape, seen))) is not None
    ]
    return _scaled(step, sum(ratios) / len(ratios)) if ratios else step


def _predicted(
    profile: JobProfile,
    accelerator: Accelerator,
    shape: Shape,
    calibration: Calibration,
    factor: float,
) -> StepTime | None:
    """A step by the specification; `factor` corrects what one GPU alone takes."""
    local = _local(profile, accelerator, calibration)
    communication = communication_seconds(profile, accelerator, shape, calibration)
    if local is None or communication is None:
        return None
    compute, memory = (part * factor for part in local)
    reading = profile.input_seconds_per_sample * profile.batch
    busy = norm(max(compute, memory), communication, calibration.overlap)
    return StepTime(compute, memory, communication, reading, max(busy, reading))


def _across(shape: Shape, seen: Measured) -> Shape:
    """The shape across the network that it was measured on; the same where that is not known."""
    if shape.nodes < 2 or seen.network_bandwidth is None:
        return shape
    return replace(
        shape,
        network_bandwidth=seen.network_bandwidth,
        network_latency=seen.network_latency,
    )


def communication_seconds(
    profile: JobProfile, accelerator: Accelerator, shape: Shape, calibration: Calibration = DECLARED
) -> float | None:
    """Rings inside the nodes and one between them [s]; None where a link is unknown.

    A ring of k moves 2(k-1)/k of the bytes over each link for an all-reduce (Patarasuk and Yuan,
    JPDC 2009), and takes 2(k-1) steps. Chunks are pipelined through both rings, so of the links
    that are crossed the slowest counts.
    """
    found = rings(profile, accelerator, shape, calibration)
    if found is None:
        return None
    slowest = max((ring.transfer for ring in found), default=0.0)
    return profile.strategy.passes * (slowest + sum(ring.hops for ring in found))


def rings(
    profile: JobProfile, accelerator: Accelerator, shape: Shape, calibration: Calibration = DECLARED
) -> tuple[Ring, ...] | None:
    """The rings that the shape has, inside its nodes and between them; None: a link is unknown.

    A ring's step is over when its slowest member's is, so a slow way delays all of them.
    """
    found: list[Ring] = []
    between = _times(shape.network_bandwidth, calibration.network)
    for outer, members, speed, latency in (
        (False, shape.per_node, node_link(accelerator, shape, calibration), 0.0),
        (True, shape.nodes, between, shape.network_latency),
    ):
        if members < 2:
            continue
        if speed is None:
            return None
        transfer = (members - 1) / members * profile.synchronised() / speed
        hops = (members - 1) * (calibration.hop_seconds + latency)
        found.append(Ring(outer, transfer, hops))
    return tuple(found)


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
    """Measured by predicted on one GPU alone: of this model, else the mean over other models.

    Without the time in which it waited for samples: no GPU is slower or faster at that.
    """
    reading = profile.input_seconds_per_sample * profile.batch
    alone = {
        m.accelerator: m.seconds - reading
        for m in profile.measured
        if m.alone and m.seconds > reading
    }
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


def _seen(measured: Iterable[Measured], name: str, shape: Shape) -> list[Measured]:
    """What this shape took on this GPU, else what it took elsewhere, carried over."""
    steps = {(m.accelerator, m.per_node, m.nodes): m for m in measured}
    here = steps.get((name, shape.per_node, shape.nodes))
    if here is not None:
        return [here]
    alone = steps.get((name, 1, 1))
    if alone is None:
        return []
    return [
        replace(seen, seconds=carry_over(alone.seconds, steps[other, 1, 1].seconds, seen.seconds))
        for (other, per_node, nodes), seen in sorted(steps.items(), key=lambda item: item[0])
        if (per_node, nodes) == (shape.per_node, shape.nodes) and (other, 1, 1) in steps
    ]


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
