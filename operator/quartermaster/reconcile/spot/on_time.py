"""What a job's status says of its deadline: pure."""

from datetime import datetime

from quartermaster.api.meta import ConditionType
from quartermaster.api.placement import DeadlineStatus
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Condition, ConditionStatus, Truth
from quartermaster.decide.spot.outlook import Outlook
from quartermaster.units import duration


def standing(job: JobRecord, outlook: Outlook | None) -> DeadlineStatus | None:
    """How it stands; what was written last where nobody has looked since.

    Args:
        job: The job.
        outlook: What was found of it.
    """
    time = job.spec.placement.deadline_time if job.spec is not None else None
    old = job.status.deadline
    if time is None:
        return None
    if outlook is None or outlook.deadline != time:
        return old if old is not None and old.time == time else DeadlineStatus(time=time)
    return DeadlineStatus(
        time=time,
        capacity_type="" if outlook.move is None else outlook.move.value,
        work_seconds=None if outlook.work_s is None else round(outlook.work_s),
        spare_seconds=None if outlook.spare_s is None else round(outlook.spare_s),
        reason=outlook.reason[:1024],
    )


def conditions(
    job: JobRecord,
    found: DeadlineStatus | None,
    ended: datetime | None,
    now: datetime,
    *,
    over: bool = False,
) -> list[Condition]:
    """The condition OnTime; none where there is no deadline.

    Args:
        job: The job.
        found: How it stands.
        ended: When it was complete; None where it is not.
        now: The time.
        over: Whether it has ended, well or not.
    """
    if found is None:
        return []
    truth = _at_the_end(found, ended) if ended is not None else _on_the_way(found, now)
    if over and ended is None:
        truth = ConditionStatus.FALSE, "JobFailed", "it failed before it was done"
    elif job.spec is not None and job.spec.suspend and ended is None and now < found.time:
        why = "it is suspended, and its deadline comes nearer"
        truth = ConditionStatus.UNKNOWN, "Suspended", why
    return [
        Condition.judged(ConditionType.ON_TIME, truth, job.status.conditions, now, job.generation)
    ]


def _at_the_end(found: DeadlineStatus, ended: datetime) -> Truth:
    left_s = (found.time - ended).total_seconds()
    if left_s >= 0:
        return ConditionStatus.TRUE, "DeadlineMet", f"done {duration(left_s)} before its deadline"
    return ConditionStatus.FALSE, "DeadlineMissed", f"done {duration(-left_s)} after its deadline"


def _on_the_way(found: DeadlineStatus, now: datetime) -> Truth:
    if now >= found.time:
        return ConditionStatus.FALSE, "DeadlineMissed", "its deadline is over, and it goes on"
    if found.spare_seconds is None:
        why = found.reason or "nobody has looked at it yet"
        return ConditionStatus.UNKNOWN, "NotKnownYet", why
    if found.spare_seconds < 0:
        return ConditionStatus.FALSE, "Late", found.reason or "it is slower than its deadline asks"
    return ConditionStatus.TRUE, "InTime", found.reason
