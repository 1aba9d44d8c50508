"""Whom to move to other nodes so that a gang that asks for it has room in one place.

Jobs that leave room on many nodes can keep a larger one out though there are GPUs enough. A job
that is moved loses a restart and the work since its checkpoint, so the cheapest set goes, and only
where all of them have a place elsewhere.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
        case: Who waits, and the jobs that may be moved, each told how it would be placed anew. As
            many sets are looked at as it has trials.
    """
    nodes = case.rooms[0].fleet.estate.nodes
    useful = {node.name for node in nodes if node.allocatable.devices}
    priced = sorted(
        (lost_work(one, case.measure), one.key, one)
        for one in case.holdings
        if _movable(one, case.gang) and any(seat.node in useful for seat in one.seats)
    )
    costs = [int(cost * STEPS_PER_USD) for cost, _, _ in priced]
    for trial, (_, indices) in enumerate(cheapest_first(costs)):
        if trial >= case.trials:
            return None
        found = _rearranged(case, [priced[index][2] for index in indices])
        if found is not None:
            return found
    return None


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
