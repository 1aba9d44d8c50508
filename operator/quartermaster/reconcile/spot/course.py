"""What a job's run says of itself that its deadline is decided from."""

from collections.abc import Sequence
from datetime import datetime

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Progress
from quartermaster.decide.cost import accrual
from quartermaster.decide.spot.outlook import Course
from quartermaster.decide.spot.refusal import Toll
from quartermaster.decide.spot.values import Move
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Worker
from quartermaster.reconcile.demand import size_of, whole_gang
from quartermaster.reconcile.ports import View

UNKNOWN_RESTART_S = 120.0
"""What a restart takes of a job that has not made a step yet [s]."""
LONGEST_SAVE_PERIOD_S = 600.0
"""From one save to the next at the most, where the trainer chooses [s]; scripts may save less."""
STOP_S = 10.0
"""From the order to stop until the pods are gone, beside the save [s]."""


def has_choice(job: JobRecord) -> bool:
    """Whether its deadline says what it runs on: it has one, and leaves the capacity open."""
    if job.spec is None or job.spec.managed_by is not None:
        return False
    return job.spec.placement.follows_deadline


def course(
    job: JobRecord,
    view: View,
    report: Report | None,
    now: datetime,
    *,
    restart_s: float,
    unsaved_s: float = 0.0,
) -> Course | None:
    """None for a job without a deadline, and for one that is over or not to run.

    Args:
        job: The job.
        view: What is known of its pods.
        report: What its run has told last; None where nothing came since this operator began.
        now: The time.
        restart_s: What a restart takes it [s].
        unsaved_s: For how long it was seen to go on without a save, at the most [s of running].
    """
    spec = job.spec
    deadline = None if spec is None else spec.placement.deadline_time
    if spec is None or deadline is None or job.finished or job.deleting or spec.suspend:
        return None
    placed = [w for w in view.workers(job.uid) if w.live and w.node is not None and not w.gates]
    steady = bool(placed) and job.resize is None and not job.sent_away
    running = _running(placed, view) if steady else Move.WAIT
    return Course(
        gang=whole_gang(job, spec, job.status.profile).of(size_of(job, view)),
        deadline=deadline,
        work_s=work_s(
            job, report, lost=not (steady and running is Move.ON_DEMAND and _makes_steps(job))
        ),
        restart_s=restart_s,
        save_every_s=max(spec.checkpoint.period_seconds or LONGEST_SAVE_PERIOD_S, unsaved_s),
        running=running,
        starting_s=_starting_s(job, placed, restart_s, now) if steady else 0.0,
        usd_per_hour=accrual.rate(placed) if steady else None,
    )


def work_s(job: JobRecord, report: Report | None, *, lost: bool = True) -> float | None:
    """What is left to do [s of running]; None before the first steps.

    At the pace that the run itself reckons with, evaluations and saves in it; after an operator's
    start that is what the status tells of it.

    Args:
        job: The job.
        report: What its run has told last.
        lost: Whether steps after the newest checkpoint count as not done: of a run on demand that
            makes steps nothing takes them away, and a move saves first. One that starts may have
            told of steps that its last life has lost.
    """
    progress, checkpoint, profile = job.status.progress, job.status.checkpoint, job.status.profile
    done = report.step if report is not None else progress.step if progress is not None else 0
    total = (report.total_steps if report is not None else 0) or (
        progress.total_steps if progress is not None else 0
    )
    if not total or profile is None:
        return None
    saved = checkpoint.step if checkpoint is not None else 0
    if report is not None and report.checkpoint_step is not None:
        saved = max(saved, report.checkpoint_step)
    saved = saved if lost else max(saved, done)
    remaining = _told_remaining_s(progress) if report is None else report.seconds_remaining
    pace = float(profile.step_seconds)
    if remaining and total > done:
        pace = max(pace, remaining / (total - done))
    # The last step is not the end: there is a model to be written.
    return max(1, total - saved) * pace


def unsaved_s(job: JobRecord, report: Report | None) -> float:
    """What its run would lose if it ended now [s of running]; 0 before the first steps.

    Args:
        job: The job.
        report: What its run has told last.
    """
    at_risk, sure = work_s(job, report), work_s(job, report, lost=False)
    return 0.0 if at_risk is None or sure is None else at_risk - sure


def _told_remaining_s(progress: Progress | None) -> float | None:
    """What the run reckoned with at its last report [s]."""
    if progress is None or progress.estimated_completion_time is None:
        return None
    if progress.last_report_time is None:
        return None
    return (progress.estimated_completion_time - progress.last_report_time).total_seconds()


def measured_restart_s(job: JobRecord, workers: Sequence[Worker]) -> float | None:
    """From the order to stop until steps are made elsewhere [s]; None where none was made yet.

    By the starts that the status still shows: those of pods that are not charged yet.
    """
    starts = [
        (stretch.stepped - stretch.together).total_seconds()
        for stretch in job.status.stretches
        if stretch.stepped is not None
    ]
    waits = [
        (w.started - w.bound).total_seconds()
        for w in workers
        if w.started is not None and w.bound is not None
    ]
    if not starts:
        return None
    profile = job.status.profile
    stall = profile.checkpoint_stall_seconds if profile is not None else None
    return STOP_S + float(stall or 0) + max(starts) + max(waits, default=0.0)


def toll(job: JobRecord, restart_s: float) -> Toll | None:
    """What interruptions cost the job; None before its saves were measured.

    Args:
        job: The job.
        restart_s: What a restart takes it [s].
    """
    profile, spec = job.status.profile, job.spec
    stall = profile.checkpoint_stall_seconds if profile is not None else None
    if spec is None or stall is None:
        return None
    period = spec.checkpoint.period_seconds
    return Toll(float(stall), restart_s, None if period is None else float(period))


def _starting_s(job: JobRecord, placed: Sequence[Worker], restart: float, now: datetime) -> float:
    """What the present start still needs until it makes steps [s]."""
    if _makes_steps(job):
        return 0.0
    bound = [w.bound for w in placed if w.bound is not None]
    return max(0.0, restart - (now - min(bound, default=now)).total_seconds())


def _makes_steps(job: JobRecord) -> bool:
    """Whether the present life has told of a step."""
    newest = job.status.stretches[-1] if job.status.stretches else None
    return newest is not None and newest.broken is None and newest.stepped is not None


def _running(placed: Sequence[Worker], view: View) -> Move:
    """A gang is as lasting as its least lasting node."""
    kinds = {_capacity(worker, view) for worker in placed}
    return Move.ON_DEMAND if kinds == {Capacity.ON_DEMAND} else Move.SPOT


def _capacity(worker: Worker, view: View) -> str:
    if worker.held is not None and worker.held.machine.capacity_type:
        return worker.held.machine.capacity_type
    node = view.node(worker.node or "")
    return Capacity.UNKNOWN if node is None else node.capacity
