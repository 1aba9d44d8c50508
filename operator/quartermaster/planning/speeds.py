"""How fast the steps of a job that has run would be on other GPU models."""

from collections.abc import Iterable, Mapping
from typing import Any

from quartermaster.adapters.scene import KNOWN
from quartermaster.api.record import JobRecord, parse
from quartermaster.api.training_job_status import Profile
from quartermaster.decide.placement.forecast import step_on
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.domain.hardware import Accelerator
from quartermaster.domain.measurement import MemoryKind
from quartermaster.domain.profile import JobProfile, Shape
from quartermaster.reconcile.profile.step_costs import job_profile
from quartermaster.units import byte_count


def step_seconds(
    document: Mapping[str, Any], models: Iterable[str], hardware: Hardware = KNOWN
) -> dict[str, float]:
    """What a step takes by GPU model [s], in the shape that it was measured in.

    Only of a job that was measured on one GPU model, and on those models that hold it and of which
    all is known that a prediction needs. Nothing is guessed.

    Args:
        document: A TrainingJob.
        models: GPU models by their labels.
        hardware: What is known of them.
    """
    job = parse(document)
    profile = job.status.profile
    found = None if job.spec is None or profile is None else job_profile(job.spec, profile)
    if found is None or profile is None or len(found.measured) != 1:
        return {}
    seen = found.measured[0]
    shape = Shape(
        per_node=seen.per_node,
        nodes=seen.nodes,
        network_bandwidth=seen.network_bandwidth,
        network_latency=seen.network_latency,
    )
    need = _memory(job, found, profile, seen.per_node * seen.nodes)
    known = [gpu for name in models if (gpu := hardware.accelerator(name)) is not None]
    steps = {gpu.name: step_on(found, gpu, shape, hardware) for gpu in known if _holds(gpu, need)}
    return {name: step.total for name, step in steps.items() if step is not None}


def _holds(gpu: Accelerator, need: float) -> bool:
    return need <= gpu.memory_bytes


def _memory(job: JobRecord, found: JobProfile, profile: Profile, processes: int) -> float:
    """What one GPU has to hold [byte]: as it was measured, or at least its state."""
    gpus = job.spec.trainer.resources_per_worker.gpus if job.spec is not None else 0
    if profile.memory_kind is MemoryKind.DEVICE and profile.memory_per_worker and gpus:
        return max(found.memory(processes), byte_count(profile.memory_per_worker) / gpus)
    return found.memory(processes)
