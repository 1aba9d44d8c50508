"""Whether a job would have been cheaper on another GPU model: by its measured step, or not at all.

Of the measured step, what it waits for samples stays: no GPU is slower or faster at that, and that
a slower one might hide it is not counted on. The rest goes as is predicted of the two models for
the same work. That asks for much to be known: computing and memory traffic of the step, memory that
the GPU held, the links that the gang would cross. Where one of them is not, nothing is said.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.profile import Bound, JobProfile, Measured, Shape
from quartermaster.domain.resources import GpuResource, Resources

GIB = 2**30
LEAST_SAVED = Fraction(1, 4)
"""Of the cost: below, the prediction may be wrong by more."""
LONGEST = 2
"""Times as long: what takes longer nobody would wait for."""
UNDERSTOOD = 1 / 3
"""A step that was measured to take less than this of what is predicted, samples aside, is another
one than the profile describes. One that takes longer is carried over with what makes it longer."""
MEMORY_SPARE = Fraction(11, 10)
"""Of what the allocator held at most: fragments differ between models."""
CONTEXT_BYTES = GIB
"""What the driver and its libraries hold beside the allocator, rounded up [byte]."""


@dataclass(frozen=True, slots=True)
class Machine:
    """A kind of machine that the cluster has, or that a price list offers where the cluster is."""

    accelerator: Accelerator
    gpu_resource: GpuResource
    """What its GPUs are asked for as."""
    has: Resources
    """What pods can have of it."""
    usd_per_hour: Fraction
    """All of it [USD/h]."""
    capacity: Capacity
    where: str
    """What it is, and who says its price."""
    linked: bool = True
    """Whether its GPUs are joined by NVLink or its like, where their model has it."""
    network_bandwidth: float | None = None
    """One direction [byte/s]; None: unknown."""
    network_latency: float = 0.0
    """What the way to another one adds to a message [s]."""
    joined: bool = True
    """Whether it is in the cluster: then others use what a gang leaves of it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A job whose own steps were measured."""

    profile: JobProfile
    """With the one step that was timed."""
    gpu_resource: GpuResource
    workers: int
    """[count]"""
    per_worker: Resources
    memory_per_gpu: int
    """The most that one process held of its GPU [byte]."""
    bound: Bound
    """What most of a step goes into."""


@dataclass(frozen=True, slots=True)
class Paid:
    """What a job has paid for one GPU model."""

    accelerator: str
    capacity: str
    """How the nodes were bought."""
    usd_per_gpu_hour: Fraction
    """On the whole [USD/h]."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """Where it would have been cheaper."""

    machine: Machine
    longer: Fraction
    """A step there by the measured one [1]."""
    cost: Fraction
    """The same of what it costs [1]."""
    usd_per_gpu_hour: Fraction
    """[USD/h]"""


def cheapest(
    job: Subject, paid: Paid, machines: Iterable[Machine], hardware: Hardware
) -> Alternative | None:
    """The machine on which the job would have cost least, if that is clearly less than it paid.

    Machines are weighed that are bought as its own were, with GPUs of the same maker.

    Args:
        job: Whose steps were measured.
        paid: What it has paid, and for which GPU model.
        machines: What there is.
        hardware: What is known of GPU models.
    """
    now = _measured_on(job, paid)
    here = hardware.accelerator(paid.accelerator)
    if now is None or here is None or not job.profile.traffic_per_sample:
        return None
    there = _seconds(job.profile, here, _shape_of(now), hardware)
    waits = job.profile.input_seconds_per_sample * job.profile.batch
    rest = now.seconds - waits
    if not there or rest < UNDERSTOOD * there or not paid.usd_per_gpu_hour:
        return None
    found: list[Alternative] = []
    for machine in machines:
        step = _step(job, paid, machine, hardware)
        rate = _rate(job, machine)
        if step is None or rate is None:
            continue
        longer = Fraction(round(1000 * (waits + rest * step / there) / now.seconds), 1000)
        cost = longer * rate / paid.usd_per_gpu_hour
        if cost <= 1 - LEAST_SAVED and longer <= LONGEST:
            found.append(Alternative(machine, longer, cost, rate))
    return min(found, key=lambda it: (it.cost, it.longer, it.machine.where), default=None)


def _measured_on(job: Subject, paid: Paid) -> Measured | None:
    """The step that was timed, if it was on the GPUs that were paid for."""
    seen = next(iter(job.profile.measured), None)
    return seen if seen is not None and seen.accelerator == paid.accelerator else None


def _shape_of(seen: Measured) -> Shape:
    return Shape(
        seen.per_node,
        seen.nodes,
        network_bandwidth=seen.network_bandwidth,
        network_latency=seen.network_latency,
    )


def _seconds(
    profile: JobProfile, gpu: Accelerator, shape: Shape, hardware: Hardware
) -> float | None:
    """A step by the specification alone, so that two models are compared by one measure.

    Without the samples, which are read by neither.
    """
    bare = replace(profile, measured=(), input_seconds_per_sample=0.0)
    step = step_time(bare, gpu, shape, hardware.calibration(gpu.name))
    return None if step is None else step.total


def _step(job: Subject, paid: Paid, machine: Machine, hardware: Hardware) -> float | None:
    """What is predicted of a step on such machines [s]; None where it would not go, or is unknown.

    Numbers in another format are another training, so a GPU without the format is none.
    """
    gpu, per_node = machine.accelerator, _workers_on(job, machine)
    others = gpu.name == paid.accelerator or machine.gpu_resource is not job.gpu_resource
    if others or machine.capacity != paid.capacity or not per_node:
        return None
    if job.profile.number_format not in gpu.peak_flops:
        return None
    if job.memory_per_gpu * MEMORY_SPARE + CONTEXT_BYTES > gpu.memory_bytes:
        return None
    shape = Shape(
        per_node=min(per_node, job.workers) * job.per_worker.gpus,
        nodes=-(-job.workers // per_node),
        linked=machine.linked,
        network_bandwidth=machine.network_bandwidth,
        network_latency=machine.network_latency,
    )
    return _seconds(job.profile, gpu, shape, hardware)


def _workers_on(job: Subject, machine: Machine) -> int:
    """Workers that go on one machine [count]."""
    needs, has = job.per_worker, machine.has
    if not needs.gpus:
        return 0
    fits = [has.gpus // needs.gpus]
    fits += [has.cpu_m // needs.cpu_m] if needs.cpu_m else []
    fits += [has.memory // needs.memory] if needs.memory else []
    return max(0, min(fits))


def _rate(job: Subject, machine: Machine) -> Fraction | None:
    """Price of a GPU there [USD/h]: of a machine that is to be bought, all of it is paid for."""
    per_node, gpus = _workers_on(job, machine), job.workers * job.per_worker.gpus
    if not per_node or not machine.has.gpus:
        return None
    if machine.joined:
        return machine.usd_per_hour / machine.has.gpus
    nodes = -(-job.workers // per_node)
    return machine.usd_per_hour * nodes / gpus
