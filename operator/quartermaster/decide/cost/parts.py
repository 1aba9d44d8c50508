"""What a worker's time went into: its time on a node, cut into disjoint parts that cover it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.stretch import NO_TIME, Stretch

NOT_NEEDED_ON_DEMAND = frozenset({Part.REWORK, Part.RECOVERY})
"""What a run that nobody interrupts does not have."""


@dataclass(frozen=True, slots=True)
class Stay:
    """A stretch of one worker's time, for one purpose."""

    part: Part
    began: datetime
    ended: datetime
    charged: timedelta
    """At most `ended - began`; the rest of it went into saves or was idle: parts of their own."""


class _Cutter:
    """Cuts one worker's time from the front."""

    def __init__(self, bound: datetime, released: datetime) -> None:
        self._at = bound
        self._released = max(bound, released)
        self.stays: list[Stay] = []

    def cut(
        self,
        until: datetime,
        part: Part,
        stalled: timedelta = NO_TIME,
        idle: timedelta = NO_TIME,
    ) -> timedelta:
        """Give the time up to `until` to a part, but to saves what stood still for them.

        And to idle time what was that, as far as there is room for it. Returns what of `stalled`
        did not fit.
        """
        until = min(until, self._released)
        whole = until - self._at
        if whole <= NO_TIME:
            return stalled
        saving = min(stalled, whole)
        resting = min(idle, whole - saving)
        for purpose, charged in (
            (part, whole - saving - resting),
            (Part.CHECKPOINT, saving),
            (Part.IDLE, resting),
        ):
            if charged:
                self.stays.append(Stay(purpose, self._at, until, charged))
        self._at = until
        return stalled - saving

    def rest(self, part: Part, idle: timedelta = NO_TIME) -> None:
        """Give all that is left to a part, but for what was idle."""
        self.cut(self._released, part, idle=idle)


def split(
    bound: datetime,
    started: datetime | None,
    released: datetime,
    stretches: Iterable[Stretch],
) -> list[Stay]:
    """A worker's time from bind to release, in disjoint parts that add up to it.

    Until its container runs it starts; until the last member runs it waits for the gang; until the
    first step the gang starts. Steps after the last save before a break are lost; after the save of
    a run that was told to stop there are none. What comes after a break, up to the first step of
    the next time together, is recovery. Of a run that never tells of a step nothing is known: its
    time is other. Of steps, lost ones too, and of a run that tells of none, what was idle is taken
    off: starting and recovering are what they are however little is computed meanwhile.

    Args:
        bound: When it was bound to its node.
        started: When its container began to run; None where it never did.
        released: When the node was free of it, or as of when it is billed.
        stretches: When its gang ran together, in order of time; those before it count as history.
    """
    history = list(stretches)
    before = [s for s in history if s.broken is not None and s.broken <= bound]
    again = any(s.stepped is not None for s in before)
    cutter = _Cutter(bound, released)
    cutter.cut(started or released, _start(again=again))
    waiting = Part.GANG_WAIT
    for stretch in history[len(before) :]:
        cutter.cut(stretch.together, waiting)
        again = _cut_stretch(cutter, stretch, again=again) or again
        waiting = Part.RECOVERY if again else Part.OTHER
    cutter.rest(waiting)
    return cutter.stays


def _start(*, again: bool) -> Part:
    return Part.RECOVERY if again else Part.OTHER


def _cut_stretch(cutter: _Cutter, stretch: Stretch, *, again: bool) -> bool:
    """Cut a time together; returns whether it got as far as a step."""
    if stretch.stepped is None:
        idle = NO_TIME if again else stretch.idle
        if stretch.broken is None:
            cutter.rest(_start(again=again), idle)
        else:
            cutter.cut(stretch.broken, _start(again=again), idle=idle)
        return False
    cutter.cut(stretch.stepped, _start(again=again))
    if stretch.broken is None or stretch.kept_until is None:
        cutter.cut(
            datetime.max.replace(tzinfo=stretch.together.tzinfo),
            Part.USEFUL,
            stretch.stalled,
            stretch.idle,
        )
        return True
    kept = min(stretch.idle, stretch.idle_saved)
    left = cutter.cut(stretch.kept_until, Part.USEFUL, stretch.stalled, kept)
    if stretch.complete:
        cutter.cut(stretch.broken, Part.RECOVERY, left)
    else:
        cutter.cut(stretch.broken, Part.REWORK, left, stretch.idle - kept)
    return True
