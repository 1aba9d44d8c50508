"""How many steps a job has, by an earlier job of equal steps."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import ceil

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Profile
from quartermaster.manifests import runtime


@dataclass(frozen=True, slots=True)
class Length:
    """How many steps a job has."""

    steps: int
    """[count]"""
    told_by: str
    """Who says so: the name of an earlier job, or empty for the one who asks."""


def length_of(job: JobRecord, known: Profile | None, others: Iterable[JobRecord]) -> Length | None:
    """How many steps a job has, by the ended job of equal steps that its profile comes from.

    An epoch has the fewer steps the more processes share it; the last step of an epoch, which may
    be a small one, makes this right to a step an epoch.
    """
    if known is None or not known.from_job or job.spec is None:
        return None
    other = next(
        (o for o in others if o.key == replace(job.key, name=known.from_job) and o.spec), None
    )
    if other is None or other.spec is None or other.status.progress is None:
        return None
    processes = [
        spec.trainer.workers * runtime.processes_per_worker(spec) for spec in (other.spec, job.spec)
    ]
    total = other.status.progress.total_steps
    if not total or not all(processes):
        return None
    an_epoch = ceil(total / other.spec.trainer.epochs * processes[0] / processes[1])
    return Length(an_epoch * job.spec.trainer.epochs, known.from_job)


def earlier_steps(job: JobRecord, known: Profile | None, others: Iterable[JobRecord]) -> int | None:
    """Steps of the earlier job [count]; asked until something is predicted: after that it stays."""
    if job.status.prediction is not None:
        return None
    length = length_of(job, known, others)
    return None if length is None else length.steps
