"""What elastic jobs give to others without stopping: the workers beyond their fewest.

A job that goes on with fewer loses a restart; one that is stopped loses its place. So this is tried
before anybody is stopped, and in one queue no job keeps more than its fewest workers while another
of no lower priority waits.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from quartermaster.decide.fleet import tightest
from quartermaster.decide.placement import fit
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.order import gpus_of, queue_of
from quartermaster.decide.queue.share import label_of
from quartermaster.decide.queue.victims import Case, Stop, give_back, victims
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding, Seat
from quartermaster.domain.workload import Gang

Given = tuple[Holding, Seat]
"""A worker that a job gives."""


@dataclass(frozen=True, slots=True)
class Shrink:
    """One elastic job that goes on with fewer workers."""

    rest: Holding
    """With what it keeps."""
    freed: Holding
    """With what it gives."""

    @property
    def before(self) -> int:
        """Workers that it has now [count]."""
        return len(self.rest.seats) + len(self.freed.seats)

    @property
    def after(self) -> int:
        """Workers with which it goes on [count]."""
        return len(self.rest.seats)

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Where it goes on: nodes and workers [count]."""
        return tuple(sorted(Counter(seat.node for seat in self.rest.seats).items()))


def cheapest(case: Case) -> tuple[tuple[Shrink, ...], Placed] | None:
    """Whose workers let the gang start, and where; None where all that can be given is too little.

    By GPU model, since what a job gives depends on where the gang can use it.

    Args:
        case: Who waits, and the elastic jobs as they are.
    """
    gang, measure = case.gang, case.measure
    models = measure.usable(gang.accelerators) if gang.per_worker.devices else []
    kinds = [replace(gang, accelerators=(label_of(model),)) for model in models] or [gang]
    tried = [replace(case, gang=kind, holdings=_offers(case, kind)) for kind in kinds]
    found = [(one, stop) for one in tried if (stop := victims(one)) is not None]
    if not found:
        return None
    chosen, stop = min(found, key=lambda one: (one[1].lost_usd, len(one[1].victims)))
    return shrinks(chosen, stop, {one.uid: one for one in case.holdings})


def _offers(case: Case, gang: Gang) -> list[Holding]:
    """What the jobs could do without, first of all where the gang could use it."""
    usable = fit.usable(gang, case.rooms[0].fleet.estate)
    return [part for one in case.holdings if (part := surplus(one, usable)) is not None]


def surplus(holding: Holding, usable: Collection[str]) -> Holding | None:
    """The job with only what it could do without; None where that is nothing.

    The usable nodes go first, and of these the ones on which it has the fewest workers, so that
    what stays lies close together.
    """
    if holding.least is None or holding.resizing or holding.awaited:
        return None
    count = len(holding.seats) - holding.least
    if count < 1 or any(seat.leaving for seat in holding.seats):
        return None
    return replace(holding, seats=tuple(_first(holding.seats, usable)[:count]))


def shrinks(
    case: Case, stop: Stop, whole: Mapping[str, Holding]
) -> tuple[tuple[Shrink, ...], Placed]:
    """As few workers of the victims as let the gang have places, and these places.

    Workers on the nodes that the gang would get if all were given go first; of these the shortest
    row that suffices, without those in it that prove not to be needed.

    Args:
        case: Who waits, for what room and which quota.
        stop: What would do if all that the victims could spare were given.
        whole: The victims as they are, by uid.
    """
    nodes = {assignment.node for assignment in stop.placed.assignments}
    offered = [(victim, seat) for victim in stop.victims for seat in victim.seats]
    offered.sort(key=lambda one: one[1].node not in nodes)
    models = tuple({a.accelerator: None for a in stop.placed.assignments})
    gang = replace(case.gang, accelerators=models) if all(models) else case.gang

    def tried(given: Sequence[Given]) -> Placed | None:
        return _placed(case, gang, list(_freed(given).values()))

    count = bisect_left(range(len(offered)), 1, key=lambda n: int(tried(offered[:n]) is not None))
    row, placed = offered[:count], tried(offered[:count]) or stop.placed
    for entry in list(row) if count <= case.trials else ():
        fewer = [other for other in row if other is not entry]
        found = tried(fewer)
        if found is not None:
            row, placed = fewer, found
    given = _freed(row)
    return tuple(Shrink(_without(whole[uid], freed), freed) for uid, freed in given.items()), placed


def _placed(case: Case, gang: Gang, freed: Sequence[Holding]) -> Placed | None:
    """The gang's places within room and quota, once these workers are gone."""
    ledger = case.ledger.copy()
    for part in freed:
        give_back(ledger, part)
    decision = choose(gang, tightest(room.without(freed) for room in case.rooms))
    if not isinstance(decision, Placed):
        return None
    return decision if ledger.affords(queue_of(gang), gpus_of(gang, decision)) else None


def _freed(given: Sequence[Given]) -> dict[str, Holding]:
    seats: dict[str, list[Seat]] = {}
    for holding, seat in given:
        seats.setdefault(holding.uid, []).append(seat)
    owners = {holding.uid: holding for holding, _ in given}
    return {uid: replace(owners[uid], seats=tuple(row)) for uid, row in seats.items()}


def _without(holding: Holding, freed: Holding) -> Holding:
    left = list(holding.seats)
    for seat in freed.seats:
        left.remove(seat)
    return replace(holding, seats=tuple(left))


def _first(seats: Sequence[Seat], usable: Collection[str]) -> list[Seat]:
    counts = Counter(seat.node for seat in seats)
    return sorted(seats, key=lambda s: (s.node not in usable, counts[s.node], s.node))
