"""Why a job is where it is: what the operator said, and what the objects themselves show."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubectl_qm.views import Condition, Event, Job
from kubectl_qm.workers import Worker

_NOT_TO_BLAME = frozenset({"PeerLost", "Interrupted"})
"""Ends that have nothing wrong on their own side: docs/reference/trainer-contract.md."""

SMALLER = (
    "Add nodes that fit, or delete the job and apply it again with fewer trainer.workers, "
    "smaller trainer.resourcesPerWorker, or a wider placement."
)
QUEUES = "See who holds what: kubectl qm queues"
PAST = (
    "A job with spec.activeDeadlineSeconds is let past the one that waits longer, where it ends in "
    "time."
)
_WHAT_HELPS = {
    "Unsatisfiable": (SMALLER,),
    "NoSuchQueue": ("Correct the label quartermaster.dev/queue, or take it away.", QUEUES),
    "NamespaceNotAdmitted": ("Name another queue by the label quartermaster.dev/queue.", QUEUES),
    "QueueUnusable": ("Have the queue's parents put right.", QUEUES),
    "QuotaUsed": ("Wait, or have the queue's quota or borrowing limit raised.", QUEUES),
    "QuotaTooSmall": ("Ask for fewer GPUs, or have the queue's quota raised.", QUEUES),
    "Reserved": (PAST,),
}
"""By the reason of the condition Placed."""
OPERATOR_PODS = "kubectl get pods -A -l app.kubernetes.io/name=quartermaster"

_SHORTER = {
    "Input": "Its steps wait for data: more trainer.resourcesPerWorker.cpu, or data that is nearer "
    "or smaller, would shorten them; a faster GPU would not.",
    "Communication": "Its steps wait for other workers: a narrower placement.topology, fewer "
    "trainer.workers, or a larger trainer.batchSize would shorten them for each sample.",
}
"""By what a step is bound by; what computes is shortened by faster GPUs, which cost money."""

_DECISIVE = {
    "Failed": "Failed",
    "Stalled": "Stalled",
    "Suspended": "Suspended",
    "Complete": "Complete",
}
"""Per state, the condition that carries its reason; every other state is about being placed."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer, and what it rests on."""

    job: Job
    why: tuple[str, ...]
    remedies: tuple[str, ...]
    """What would change it; empty where nothing has to."""
    workers: tuple[Worker, ...]
    """Workers that have trouble; empty where all is well."""
    events: tuple[Event, ...]


def explain(job: Job, workers: Sequence[Worker], events: Sequence[Event]) -> Explanation:
    """What the objects say about a job's place."""
    troubled = tuple(each for each in workers if _has_trouble(each))
    why = tuple(_why(job))
    return Explanation(
        job=job,
        why=why,
        remedies=tuple(_remedies(job, [each for each in troubled if not _is_quoted(each, why)])),
        workers=troubled,
        events=tuple(events),
    )


def _why(job: Job) -> Iterable[str]:
    if not job.is_observed:
        yield _unseen(job)
        return
    decisive = _decisive(job)
    if decisive is not None:
        yield decisive.message or f"{decisive.type} is {decisive.status}: {decisive.reason}"
    elif job.placement is not None and job.placement.reason:
        yield job.placement.reason
    else:
        yield f"The operator reports {job.state} and no reason."


def _step(job: Job) -> Iterable[str]:
    """What would make its steps shorter, of a job that takes some."""
    if job.profile is None or job.profile.from_job or job.state != "Running":
        return
    advice = _SHORTER.get(job.profile.bound)
    if advice is not None:
        yield advice


def _decisive(job: Job) -> Condition | None:
    named = _DECISIVE.get(job.state)
    if named is not None:
        return job.condition(named)
    placed = job.condition("Placed")
    return placed if placed is not None and placed.status != "True" else None


def _unseen(job: Job) -> str:
    if job.managed_by:
        return f"spec.managedBy is {job.managed_by!r}: Quartermaster leaves this job to it."
    return "The operator has not looked at this job yet."


def _remedies(job: Job, troubled: Iterable[Worker]) -> Iterable[str]:
    if job.has_ended:
        yield from _endings(troubled)
        return
    if job.suspend:
        yield (
            f"Let it go on: kubectl -n {job.namespace} patch trainingjob {job.name} "
            """--type=merge -p '{"spec":{"suspend":false}}'"""
        )
    if not job.is_observed and not job.managed_by:
        yield f"See whether the operator runs: {OPERATOR_PODS}"
    elif 0 < job.observed_generation < job.generation and not job.managed_by:
        yield (
            f"The status is about generation {job.observed_generation} of the spec, which is now "
            f"at {job.generation}: the operator has not caught up."
        )
    placed = job.condition("Placed")
    yield from _WHAT_HELPS.get(placed.reason if placed is not None else "", ())
    yield from _step(job)
    yield from _endings(troubled)


def _endings(troubled: Iterable[Worker]) -> Iterable[str]:
    """What the trainers themselves said; many workers mostly say the same."""
    for worker in troubled:
        end = worker.termination
        if end is not None and end.is_told and end.reason not in _NOT_TO_BLAME:
            yield f"Worker {worker.index}: {end.message}"


def _is_quoted(worker: Worker, why: Iterable[str]) -> bool:
    end = worker.termination
    return end is not None and bool(end.message) and any(end.message in line for line in why)


def _has_trouble(worker: Worker) -> bool:
    if worker.termination is not None and worker.termination.exit_code:
        return True
    return worker.phase not in {"Running", "Succeeded", "Pending", "Gated", "ContainerCreating"}
