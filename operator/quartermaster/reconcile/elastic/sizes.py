"""How many pods an elastic gang has, is to have, and when it is on its way between the two."""

from collections.abc import Sequence

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.decide.workers import places
from quartermaster.domain.worker import ChildJob, Worker
from quartermaster.reconcile.ports import View


def wanted(job: JobRecord, spec: TrainingJobSpec, child: ChildJob) -> int:
    """How many pods the gang is to have [count].

    One that was stopped asks for all of them again; one that runs keeps what it has.
    """
    if spec.trainer.min_workers is None or spec.suspend or job.sent_away:
        return spec.trainer.workers
    return child.workers if job.resize is None else job.resize.workers


def makes_way(job: JobRecord, view: View, workers: Sequence[Worker]) -> bool:
    """Whether the workers of a gang's former size have to go, or are going."""
    child = view.child(job.uid)
    if job.resize is None or child is None:
        return False
    if child.workers != job.resize.workers:
        return True
    if child.suspended:
        return any(worker.live or worker.accounted for worker in workers)
    return job.resize.leaves(places(workers))


def is_reached(job: JobRecord, spec: TrainingJobSpec, view: View) -> bool:
    """Whether the note has done its work: all have places, have left, or are to stop again."""
    child = view.child(job.uid)
    if job.resize is None or child is None:
        return False
    if spec.suspend or job.sent_away:
        return True
    live = [w for w in view.workers(job.uid) if w.live]
    placed = [w for w in live if not w.gates]
    if not placed and job.resize.avoids and not job.resize.places:
        # It has left, and its new pods wait for whatever place there is, like anybody's.
        return not child.suspended and len(live) >= child.workers == job.resize.workers
    return not child.suspended and len(placed) >= child.workers == job.resize.workers
