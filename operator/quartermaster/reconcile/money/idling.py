"""How long each gang was idle, from look to look of this process.

What it counted is entered in the jobs' statuses, with the time up to which it is. So a status that
was not written, or is read late, loses and doubles nothing, and a process that begins anew adds to
what is written; of the time in which none looked it counts nothing.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from quartermaster.api.record import JobRecord
from quartermaster.decide.cost.together import Gang, entered, follow
from quartermaster.decide.profile.idle import is_idle
from quartermaster.domain.money.stretch import NO_TIME, Stretch
from quartermaster.domain.worker import Phase
from quartermaster.reconcile.money.accounts import stretches_of
from quartermaster.reconcile.ports import Counters

LONGEST_LOOK = timedelta(minutes=5)
"""Of a longer time between two looks nothing is known."""
MOST_MARKS = 64
"""Times that are kept of a job [count]: statuses are read late by a few passes, no more."""


@dataclass(slots=True)
class _Watch:
    looked: datetime
    idle: bool
    sum: timedelta = NO_TIME
    """All that it was idle."""
    dropped: timedelta = NO_TIME
    """The sum at the newest mark that is not kept."""
    marks: list[tuple[datetime, timedelta]] = field(default_factory=list)
    """The sum at the ends of idle times, in order."""


class Idling:
    """What this process has seen of each gang."""

    def __init__(self) -> None:
        self._watches: dict[str, _Watch] = {}

    def followed(
        self, job: JobRecord, gang: Gang, counters: Counters, now: datetime
    ) -> tuple[Stretch, ...]:
        """When a gang ran together, with how much of that it was idle, as of this look.

        Args:
            job: Whose gang, with what is written.
            gang: As this pass sees it.
            counters: What its GPUs count.
            now: The time.
        """
        running = [w for w in gang.workers if w.phase is Phase.RUNNING and w.live]
        whole = len(running) == gang.size > 0
        counted = [counters.of([worker.key]) for worker in running]
        self.look(job.uid, now, idle=is_idle(counted, gang.report, now) if whole else None)
        history = follow(stretches_of(job.status.stretches), gang)
        if job.uid not in self._watches:
            return history
        return entered(history, now, partial(self.since, job.uid))

    def look(self, uid: str, now: datetime, *, idle: bool | None) -> None:
        """Take down whether a gang is idle; the time since the last look is, if it was then too.

        Args:
            uid: Of its job.
            now: The time.
            idle: None where nobody knows, which is not idle.
        """
        watch = self._watches.get(uid)
        if watch is None:
            if idle is not None:
                self._watches[uid] = _Watch(now, idle)
            return
        passed = now - watch.looked
        if idle and watch.idle and NO_TIME < passed <= LONGEST_LOOK:
            watch.sum += passed
            watch.marks.append((now, watch.sum))
            if len(watch.marks) > MOST_MARKS:
                watch.dropped = watch.marks.pop(0)[1]
        watch.looked, watch.idle = now, bool(idle)

    def since(self, uid: str, moment: datetime) -> timedelta:
        """How long a gang was idle from a moment on, in times that began and ended after it."""
        watch = self._watches.get(uid)
        if watch is None:
            return NO_TIME
        entered = (total for at, total in reversed(watch.marks) if at <= moment)
        return watch.sum - next(entered, watch.dropped)

    def forget(self, uid: str) -> None:
        """The job is gone."""
        self._watches.pop(uid, None)
