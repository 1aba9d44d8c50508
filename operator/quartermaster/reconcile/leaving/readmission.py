"""A job that was stopped for another one waits for its turn again, once that one has its places."""

from datetime import datetime, timedelta

from quartermaster.api.record import JobRecord
from quartermaster.decide.workers import places
from quartermaster.reconcile.ports import View


def is_due(job: JobRecord, view: View, patience: timedelta, now: datetime) -> bool:
    """Whether it may ask for places again: it is gone, and whom it made room for is there.

    Before that it would only take back what it was stopped for.

    Args:
        job: The job.
        view: What is known of jobs and pods.
        patience: How long it waits at most for the other one.
        now: The time.
    """
    if job.stopped is None:
        return False
    child = view.child(job.uid)
    if (child is not None and not child.suspended) or any(
        worker.accounted for worker in view.workers(job.uid)
    ):
        return False
    return now - job.stopped.at > patience or not _waits(job.stopped.by_uid, view)


def _waits(uid: str, view: View) -> bool:
    """Whether a job still wants the places that another one was stopped for."""
    job = view.job(uid)
    if job is None or job.spec is None or job.spec.suspend:
        return False
    if job.finished or job.deleting or job.sent_away:
        return False
    return not places(view.workers(uid))
