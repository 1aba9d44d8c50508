"""The measured profile in a job's status: its own, or the newest one of a job of equal steps."""

from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import Strategy, TrainingJobSpec
from quartermaster.api.training_job_status import Profile
from quartermaster.decide import bound
from quartermaster.decide.bound import Shares
from quartermaster.decide.fingerprint import StepShape, fingerprint
from quartermaster.decide.profile.network import Crossing
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.measurement import Measurement
from quartermaster.manifests import runtime

MIB = 2**20
PLACES = Decimal("0.001")
"""Shares are told to a thousandth, so that they still sum to 1."""
DIGITS = 4
"""Of every other number: more would only be noise [count]."""
LARGEST = 1e21
"""What is not below has no room in a decimal string of the API [1]."""


def mark(spec: TrainingJobSpec, trainer_image: str) -> str:
    """The fingerprint of a job's steps."""
    model, dataset, trainer = spec.model, spec.dataset, spec.trainer
    shape = StepShape(
        image=trainer.image or trainer_image,
        command=(*trainer.command, *trainer.args),
        env={variable.name: variable.value for variable in trainer.env},
        code=trainer.code.config_map_name if trainer.code else "",
        model=model.factory if model else "",
        model_args=model.args if model else {},
        dataset=dataset.uri if dataset else "",
        dataset_args=dataset.args if dataset else {},
        batch_size=trainer.batch_size,
        precision=trainer.precision.value,
        strategy=_layout(trainer.strategy),
        gradient_accumulation=trainer.gradient_accumulation,
        activation_checkpointing=trainer.activation_checkpointing,
    )
    return fingerprint(shape)


def _layout(strategy: Strategy) -> str:
    """How the work is spread, as one word; what is left to the defaults is not in it."""
    shards = "" if strategy.shards is None else f"/shards={strategy.shards}"
    tensor = f"/tensor={strategy.tensor_parallel}" if strategy.tensor_parallel > 1 else ""
    return f"{strategy.mode.value}{shards}{tensor}"


def profile(
    measured: Measurement,
    spec: TrainingJobSpec,
    own: str,
    *,
    accelerator: str = "",
    nodes: int = 0,
    peaks: Accelerator | None = None,
) -> Profile:
    """What a job's own report says of its steps.

    Args:
        measured: The report's facts.
        spec: The job's.
        own: The job's fingerprint.
        accelerator: Name of the GPU that it runs on.
        nodes: On which its workers lie [count]; 0 where that is not known.
        peaks: What that GPU can do, where it is known; else neither MFU nor Memory is answered.
    """
    # What was measured on a part of a GPU says nothing of the whole, nor the other way round.
    whole = spec.trainer.resources_per_worker.whole_gpus > 0
    accelerator, peaks = (accelerator, peaks) if whole else ("", None)
    found = bound.shares(measured)
    communication, data_wait = _share(found.communication), _share(found.data_wait)
    peak, processes = measured.peak_memory_bytes, runtime.processes_per_worker(spec)
    return Profile(
        bound=bound.bound(measured, peaks),
        step_seconds=number(measured.step_seconds) or "0",
        compute_fraction=str(1 - communication - data_wait),
        communication_fraction=str(communication),
        data_wait_fraction=str(data_wait),
        samples_per_second=number(measured.samples_per_second),
        arithmetic_intensity=number(bound.arithmetic_intensity(measured)),
        mfu=number(bound.utilisation(measured, peaks)),
        flops_per_step=number(measured.flops),
        memory_traffic_per_step=number(measured.memory_traffic_bytes),
        synchronised_per_step=number(measured.synchronised_bytes),
        memory_per_worker=f"{-(-peak * processes // MIB)}Mi" if peak else None,
        memory_kind=measured.memory_kind,
        checkpoint_stall_seconds=number(measured.checkpoint_stall_seconds),
        parameters=measured.parameters,
        processes=measured.processes,
        nodes=nodes or None,
        precision=measured.precision,
        accelerator=accelerator,
        fingerprint=own,
    )


def across(fresh: Profile, network: Crossing, old: Profile | None) -> Profile:
    """A profile with the network that its gang crosses.

    Args:
        fresh: The profile.
        network: What its nodes cross, as far as that is known now.
        old: What was known before nodes went away.
    """
    if fresh.nodes is None or fresh.nodes < 2:
        return fresh
    width, latency = None, None
    if network.bandwidth is not None:
        width, latency = number(network.bandwidth * 8 / 1e9), number(network.latency * 1e6)
    elif old is not None and (old.nodes, old.accelerator) == (fresh.nodes, fresh.accelerator):
        width, latency = old.network_gigabits_per_second, old.network_latency_microseconds
    told = {"network_gigabits_per_second": width, "network_latency_microseconds": latency}
    return fresh.model_copy(update=told)


def borrowed(job: JobRecord, own: str, jobs: Iterable[JobRecord]) -> Profile | None:
    """What is known of a job's steps before it has taken one: another's profile, with its name.

    Of the finished jobs of equal steps in its namespace, first those of as many processes, then the
    newest. Other namespaces are other people: what they run, and what they say of it, stays theirs.
    """
    size = job.spec.trainer.workers * runtime.processes_per_worker(job.spec) if job.spec else 0
    best: tuple[tuple[bool, datetime, str], Profile] | None = None
    for other in jobs:
        known, ended = other.status.own_profile, other.status.completion_time
        if known is None or ended is None or known.fingerprint != own:
            continue
        if other.key.namespace != job.key.namespace or other.uid == job.uid:
            continue
        rank = (known.processes == size, ended, other.key.name)
        if best is None or rank > best[0]:
            best = rank, known.model_copy(update={"from_job": other.key.name})
    return best[1] if best else None


def sentence(known: Profile) -> str:
    """A profile for people."""
    shares = Shares(
        float(known.compute_fraction),
        float(known.communication_fraction),
        float(known.data_wait_fraction),
    )
    return bound.sentence(float(known.step_seconds), shares, known.bound.value)


def number(value: float | None) -> str | None:
    """A decimal string of at most nine places; None where unknown, or too large to tell."""
    if value is None or not 0 <= value < LARGEST:
        return None
    exact = Decimal(repr(value))
    if exact.is_zero():
        return "0"
    exact = exact.quantize(Decimal(1).scaleb(max(-9, min(0, exact.adjusted() + 1 - DIGITS))))
    text = f"{exact:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _share(part: float) -> Decimal:
    # Downwards, so that what is left for computing is never below zero.
    return Decimal(repr(part)).quantize(PLACES, rounding=ROUND_DOWN)
