"""What a job's steps cost, as placement weighs them: as measured, else as its spec says."""

from quartermaster.api.training_job import Precision as ApiPrecision
from quartermaster.api.training_job import StepCosts, StrategyMode, TrainingJobSpec
from quartermaster.api.training_job_status import Profile
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.profile import JobProfile, Kernel, Measured, ProfileSource, Strategy
from quartermaster.units import byte_count

_FORMATS = {
    ApiPrecision.AUTO: NumberFormat.BF16,
    ApiPrecision.BF16: NumberFormat.BF16,
    ApiPrecision.FP16: NumberFormat.FP16,
    ApiPrecision.FP32: NumberFormat.FP32,
}
"""What is computed in where the GPU has it; `Auto` takes BF16 there."""


def job_profile(spec: TrainingJobSpec, known: Profile | None) -> JobProfile | None:
    """None where neither the spec nor an earlier run says what a step computes and exchanges.

    Nor is it weighed for CPUs and parts of GPUs: how fast those are nobody has told.
    """
    if not spec.trainer.resources_per_worker.whole_gpus:
        return None
    if known is not None:
        measured = _measured(spec, known)
        if measured is not None:
            return measured
    return None if spec.step_costs is None else _predicted(spec, spec.step_costs)


def _predicted(spec: TrainingJobSpec, costs: StepCosts) -> JobProfile:
    traffic, tensor = costs.memory_traffic_per_sample, spec.trainer.strategy.tensor_parallel
    return JobProfile(
        flops_per_sample=float(costs.flops_per_sample) / tensor,
        parameters=costs.parameters,
        batch=spec.trainer.batch_size,
        traffic_per_sample=float(byte_count(traffic)) / tensor if traffic is not None else 0.0,
        kernel=costs.kernel,
        number_format=_FORMATS[spec.trainer.precision],
        strategy=_strategy(spec),
        shards=spec.trainer.strategy.shards,
        tensor=spec.trainer.strategy.tensor_parallel,
        source=ProfileSource.PREDICTED,
    )


def _measured(spec: TrainingJobSpec, known: Profile) -> JobProfile | None:
    if known.flops_per_step is None or not known.parameters:
        return None
    batch, traffic = spec.trainer.batch_size, known.memory_traffic_per_step
    seconds = float(known.step_seconds)
    hint = spec.step_costs
    return JobProfile(
        flops_per_sample=float(known.flops_per_step) / batch,
        parameters=known.parameters,
        batch=batch,
        traffic_per_sample=float(traffic) / batch if traffic is not None else 0.0,
        number_format=known.precision or _FORMATS[spec.trainer.precision],
        # The trainer reads a batch when it needs it, so what it waits for is the whole reading.
        input_seconds_per_sample=seconds * float(known.data_wait_fraction) / batch,
        kernel=Kernel.MATMUL if hint is None else hint.kernel,
        strategy=_strategy(spec),
        shards=spec.trainer.strategy.shards,
        tensor=spec.trainer.strategy.tensor_parallel,
        source=ProfileSource.MEASURED,
        measured=_seen(known, seconds),
    )


def _strategy(spec: TrainingJobSpec) -> Strategy:
    """How the model is spread; what `Auto` takes is known on the GPU, so the lighter one counts."""
    strategy = spec.trainer.strategy
    sharded = strategy.mode is StrategyMode.FSDP or strategy.shards is not None
    return Strategy.FSDP if sharded else Strategy.DDP


def _seen(known: Profile, seconds: float) -> tuple[Measured, ...]:
    """The step that was timed; none where several GPU models took part in it."""
    whole = known.accelerator and "," not in known.accelerator
    if not whole or not known.processes or not known.nodes or seconds <= 0:
        return ()
    per_node = -(-known.processes // known.nodes)
    width, latency = known.network_gigabits_per_second, known.network_latency_microseconds
    return (
        Measured(
            known.accelerator,
            per_node,
            known.nodes,
            seconds,
            network_bandwidth=float(width) * 1e9 / 8 if width and float(width) > 0 else None,
            network_latency=float(latency) / 1e6 if latency else 0.0,
        ),
    )
