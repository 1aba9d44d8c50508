"""Whom to move to other nodes so that a gang that asks for it has room in one place.

Jobs that leave room on many nodes can keep a larger one out though there are GPUs enough. A job
that is moved loses a restart and the work since its checkpoint, so the cheapest set goes, and only
where all of them have a place elsewhere.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

from quartermaster.decide.cost.rates import STEPS_PER_USD
from quartermaster.decide.fleet import tightest
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.order import gpus_of, queue_of
from quartermaster.decide.queue.room import taken
from quartermaster.decide.queue.share import label_of
from quartermaster.decide.queue.victims import Case, cheapest_first, lost_work
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang


@dataclass(frozen=True, slots=True)
class Move:
    """One job that goes on elsewhere."""

    holding: Holding
    placed: Placed

    @property
    def places(self) -> tuple[tuple[str, int], ...]:
        """Where it goes on: nodes and workers [count]."""
        return tuple(sorted(Counter(one.node for one in self.placed.assignments).items()))


def moves(case: Case) -> tuple[tuple[Move, ...], Placed] | None:
    """The cheapest jobs to move, where each goes, and where the gang does; None: none would do.

    Args:
        case: Who waits, and the jobs that may be moved, each told how it would be placed anew.
            The cheapest set is exact while its trials last; after them it is a minimal one.
    """
    nodes = case.rooms[0].fleet.estate.nodes
    useful = {node.name for node in nodes if node.allocatable.devices}
    priced = sorted(
        (lost_work(one, case.measure), one.key, one)
        for one in case.holdings
        if _movable(one, case.gang) and any(seat.node in useful for seat in one.seats)
    )
    costs = [int(cost * STEPS_PER_USD) for cost, _, _ in priced]
    for _, indices in islice(cheapest_first(costs), case.trials):
        found = _rearranged(case, [priced[index][2] for index in indices])
        if found is not None:
            return found
    return _out_of_its_way(case, [holding for _, _, holding in priced])


def _out_of_its_way(
    case: Case, cheapest: Sequence[Holding]
) -> tuple[tuple[Move, ...], Placed] | None:
    """Those on the nodes that the gang takes with all of them away, less who may stay.

    Sets by their cost are mostly of jobs all over the cluster, of which no few make room anywhere;
    so where the gang would go comes first here. The dearest is the first to stay. No more jobs than
    there are trials are moved for one gang, which bounds the search too.
    """
    decision = choose(case.gang, tightest(room.without(cheapest) for room in case.rooms))
    if not isinstance(decision, Placed):
        return None
    nodes = {one.node for one in decision.assignments}
    chosen = [one for one in cheapest if any(seat.node in nodes for seat in one.seats)]
    found = _rearranged(case, chosen) if len(chosen) <= case.trials else None
    for holding in reversed(chosen) if found is not None else ():
        fewer = [one for one in chosen if one is not holding]
        better = _rearranged(case, fewer)
        if better is not None:
            chosen, found = fewer, better
    return found


def _movable(holding: Holding, gang: Gang) -> bool:
    if holding.anew is None or holding.resizing or holding.awaited:
        return False
    leaving = any(seat.leaving for seat in holding.seats)
    return not leaving and holding.queue == gang.queue and holding.priority <= gang.priority


def _rearranged(case: Case, chosen: Sequence[Holding]) -> tuple[tuple[Move, ...], Placed] | None:
    room = tightest(room.without(chosen) for room in case.rooms)
    decision = choose(case.gang, room)
    if not isinstance(decision, Placed):
        return None
    if not case.ledger.affords(queue_of(case.gang), gpus_of(case.gang, decision)):
        return None
    room = taken(room, decision.assignments, case.gang.per_worker)
    moved = []
    for holding in sorted(chosen, key=lambda one: (-len(one.seats), one.key)):
        elsewhere = choose(_on_its_models(holding), room)
        if not isinstance(elsewhere, Placed):
            return None
        room = taken(room, elsewhere.assignments, holding.per_worker)
        moved.append(Move(holding, elsewhere))
    return tuple(moved), decision


def _on_its_models(holding: Holding) -> Gang:
    """It with as many workers as it has, on GPUs like those that it has: no quota changes."""
    assert holding.anew is not None  # noqa: S101 - _movable has looked
    models = tuple(sorted({label_of(seat.model) for seat in holding.seats} - {""}))
    return replace(holding.anew.of(len(holding.seats)), accelerators=models)
