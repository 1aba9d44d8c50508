"""When a gang that has no room can start at the earliest, and where: so that nobody takes it.

EASY backfilling (Lifka, The ANL/IBM SP scheduling system, JSSPP 1995): the first gang that has no
room gets a reservation; later ones are let past it only where they do not delay it.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf

from quartermaster.decide.fleet import Fleet
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.room import taken, without
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import UNKNOWN_MODEL, Holding, Seat
from quartermaster.domain.workload import Gang


@dataclass(frozen=True, slots=True)
class Reservation:
    """A gang's room to come."""

    gang: Gang
    start_s: float
    """Time until then [s]; infinite where the end of a job before it is unknown."""
    then: Fleet
    """The cluster at that time: the gang in its places, and the jobs that have not ended."""
    ended: frozenset[str]
    """Uids of the jobs that have to end first."""

    def delayed_by(self, gang: Gang) -> bool:
        """Whether a gang that starts now may still run when this one is to start."""
        return gang.runtime_s is None or self.start_s == inf or gang.runtime_s > self.start_s


def earliest(gang: Gang, room: Fleet, holdings: Iterable[Holding]) -> Reservation | None:
    """The gang's earliest start, as jobs end; None where it has no place even then.

    Jobs whose end is unknown are taken to end after all others, the longest running first.

    Args:
        gang: Who has no room now.
        room: What is free, with what is on its way out already gone.
        holdings: The jobs that hold places.
    """
    ending = sorted(
        (holding for holding in holdings if holding.seats),
        key=lambda h: (
            h.remaining_s is None,
            h.remaining_s or 0.0,
            h.started.timestamp() if h.started is not None else inf,
            h.key,
        ),
    )

    def place(count: int) -> Placed | None:
        decision = choose(gang, _ended(room, ending[:count]))
        return decision if isinstance(decision, Placed) else None

    if place(len(ending)) is None:
        return None
    # Each end only adds room, so the ends after which the gang fits are all from one on.
    count = bisect_left(range(len(ending)), 1, key=lambda n: int(place(n) is not None))
    placed = place(count)
    if placed is None:
        return None
    left = [holding.remaining_s for holding in ending[:count]]
    start = max((inf if seconds is None else seconds for seconds in left), default=0.0)
    then = taken(_ended(room, ending[:count]), placed.assignments, gang.per_worker)
    ended = frozenset(holding.uid for holding in ending[:count])
    return Reservation(gang, start, then, ended)


def begun(gang: Gang, placed: Placed) -> Holding:
    """A gang that has just got, or was promised, its places, as a holder of them."""
    seats = tuple(
        Seat(one.node, (one.accelerator or UNKNOWN_MODEL) if gang.per_worker.devices else "")
        for one in placed.assignments
    )
    return Holding(
        key=gang.key,
        uid=gang.uid,
        queue=gang.queue,
        per_worker=gang.per_worker,
        seats=seats,
        priority=gang.priority,
        remaining_s=gang.runtime_s,
    )


def _ended(room: Fleet, holdings: Sequence[Holding]) -> Fleet:
    """The room without these jobs; what of them was leaving is gone from it already."""
    return without(room, [holding.staying() for holding in holdings])
