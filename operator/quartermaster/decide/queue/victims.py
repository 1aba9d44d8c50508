"""Whom to stop for a waiting gang: the set whose lost work is the cheapest, and nobody in vain.

Who may be stopped (the rules are of Kueue's fair sharing, KEP-1714, with borrowing over a tree):

- in the gang's own queue, where it preempts: jobs of lower priority;
- in other queues of the tree, where it reclaims: jobs on borrowed GPUs, if the gang stays within
  its own side's quota; or, if both sides borrow, where the gang's side does not come to a higher
  share by it than the other side keeps;
- in the unlimited queue of jobs that name none, where it reclaims and stays within its own quota.

Each of these rules is one that the stopped job, waiting, cannot turn round against the gang.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from heapq import heappop, heappush

from quartermaster.decide.cost.rates import STEPS_PER_USD
from quartermaster.decide.fleet import Fleet, tightest
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.order import queue_of
from quartermaster.decide.queue.room import without
from quartermaster.decide.queue.share import Measure, label_of, model_of
from quartermaster.decide.queue.tree import Ledger
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding, Reclaim, WithinQueue
from quartermaster.domain.workload import Gang

MAX_SETS = 2048
"""Sets that are looked at, most of which are dropped by arithmetic alone [count]."""


@dataclass(frozen=True, slots=True)
class Room:
    """A cluster that somebody has to fit into."""

    fleet: Fleet
    gone: frozenset[str] = frozenset()
    """Uids of jobs that hold nothing in it any more."""

    def without(self, holdings: Iterable[Holding]) -> Fleet:
        """It after these jobs have given back what they still hold in it."""
        return without(self.fleet, [h for h in holdings if h.uid not in self.gone])


@dataclass(frozen=True, slots=True)
class Case:
    """A gang that waits, and everything that decides whether stopping somebody would help."""

    gang: Gang
    rooms: tuple[Room, ...]
    """What it has to fit into: what is free soon, and what is kept for others."""
    ledger: Ledger
    measure: Measure
    holdings: Sequence[Holding]
    trials: int = 32
    """Placements that are tried for one gang [count]; after them the search is no longer exact."""
    parts: bool = False
    """Whether the holdings are what elastic jobs have beyond their fewest workers: in one queue
    these are anybody's of no lower priority."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Whom to stop, and what that lets happen."""

    victims: tuple[Holding, ...]
    placed: Placed
    """The gang's places once they are gone."""
    lost_usd: Fraction
    """Lost work, at the price of the places or the value of their GPUs [USD]."""


def lost_work(holding: Holding, measure: Measure) -> Fraction:
    """What stopping a job costs: time since its last checkpoint times its rate [USD].

    Rounded once, to a billionth of a USD. For an unknown price the values of its GPUs stand in.
    """
    rate = holding.usd_per_hour
    if rate is None:
        gpus = holding.per_worker.devices
        rate = sum((measure.worth(seat.model) * gpus for seat in holding.seats), Fraction(0))
    return Fraction(round(Fraction(holding.lost_s) * rate / 3600 * STEPS_PER_USD), STEPS_PER_USD)


def victims(case: Case) -> Stop | None:
    """The cheapest set of jobs whose stopping lets the whole gang start; None where none does.

    For each GPU model in turn, since quota is by model; the cheapest of these is taken. Exact while
    the trials last. After that: cheapest first until the gang fits, then without those that prove
    not to be needed, so that the set is still minimal.
    """
    gang = case.gang
    models = case.measure.usable(gang.accelerators) if gang.per_worker.devices else [""]
    found = [stop for model in models if (stop := _Search(case, model).best()) is not None]
    return min(found, key=lambda stop: (stop.lost_usd, len(stop.victims)), default=None)


class _Search:
    """The search on one GPU model."""

    def __init__(self, case: Case, model: str) -> None:
        self._case = case
        self._model = model
        self._queue = queue_of(case.gang)
        self._need = case.gang.size * case.gang.per_worker.devices
        self._trials = case.trials
        self._gang = replace(case.gang, accelerators=(label_of(model),)) if model else case.gang
        free = tightest(room.fleet for room in case.rooms)
        # Of any kind: too much is no harm, since the places are tried.
        self._free = free.devices([model_of(each.node) == model for each in free.estate.classes])
        priced = [
            (lost_work(holding, case.measure), holding.priority, holding.key, holding)
            for holding in case.holdings
            if self._may_stop(holding)
        ]
        priced.sort(key=lambda entry: entry[:3])
        self._costs = [int(entry[0] * STEPS_PER_USD) for entry in priced]
        self._candidates = [entry[3] for entry in priced]

    def best(self) -> Stop | None:
        """The cheapest set, or one that is minimal where the trials do not last."""
        if not self._candidates or not self._enough(self._candidates):
            return None
        if self._try(self._candidates) is None:
            return None
        rough = self._greedy()
        bound = None if rough is None else int(rough.lost_usd * STEPS_PER_USD)
        for cost, indices in cheapest_first(self._costs):
            if self._trials <= 0 or (bound is not None and cost > bound):
                return rough
            chosen = [self._candidates[index] for index in indices]
            if self._enough(chosen) and self._allowed(chosen):
                placed = self._try(chosen)
                if placed is not None:
                    return Stop(tuple(chosen), placed, Fraction(cost, STEPS_PER_USD))
        return rough

    def _greedy(self) -> Stop | None:
        """Cheapest first until the gang fits, then without those that are not needed."""
        ledger, row = self._case.ledger.copy(), []
        for index, holding in enumerate(self._candidates):
            trial = ledger.copy()
            if self._may_go_next(trial, holding):
                ledger = trial
                row.append(index)
        count = 1 + bisect_left(range(len(row)), 1, key=lambda n: int(self._fits(row[: n + 1])))
        chosen = row[:count]
        placed = self._try(self._at(chosen)) if count <= len(row) else None
        if placed is None:
            return None
        nodes = {assignment.node for assignment in placed.assignments}
        useful = [i for i in chosen if any(s.node in nodes for s in self._candidates[i].seats)]
        if useful and self._stands(useful):
            chosen = useful
        for index in reversed(chosen):
            fewer = [one for one in chosen if one != index]
            if fewer and self._stands(fewer):
                chosen = fewer
        final = self._try(self._at(chosen))
        cost = Fraction(sum(self._costs[index] for index in chosen), STEPS_PER_USD)
        return None if final is None else Stop(tuple(self._at(chosen)), final, cost)

    def _fits(self, indices: Sequence[int]) -> bool:
        chosen = self._at(indices)
        return self._enough(chosen) and self._try(chosen) is not None

    def _stands(self, indices: Sequence[int]) -> bool:
        return self._allowed(self._at(indices)) and self._fits(indices)

    def _at(self, indices: Iterable[int]) -> list[Holding]:
        return [self._candidates[index] for index in indices]

    def _may_stop(self, holding: Holding) -> bool:
        """Whether there is a rule by which this job alone could be stopped, and a use in it."""
        if holding.queue is None or any(seat.leaving for seat in holding.seats):
            return False
        if self._model and not any(seat.model == self._model for seat in holding.seats):
            return False
        tree, own = self._case.ledger.tree, self._queue
        lower = holding.priority < self._case.gang.priority
        if holding.queue == own:
            equal = self._case.parts and holding.priority == self._case.gang.priority
            within = self._case.parts or (
                tree.queues[own].within_queue is WithinQueue.LOWER_PRIORITY
            )
            return (lower or equal) and within
        reclaim = tree.queues[own].reclaim
        if (
            not self._model
            or reclaim is Reclaim.NEVER
            or (reclaim is Reclaim.LOWER_PRIORITY and not lower)
        ):
            return False
        other = tree.queues.get(holding.queue)
        if other is None or other.unlimited:
            return not tree.queues[own].unlimited
        return tree.parting(own, holding.queue) is not None

    def _allowed(self, chosen: Sequence[Holding]) -> bool:
        """Whether the rules allow this set, one after the other, the largest of them last."""
        ledger = self._case.ledger.copy()
        row = sorted(chosen, key=lambda one: (one.queue != self._queue, self._gpus(one), one.key))
        return all(self._may_go_next(ledger, holding) for holding in row)

    def _may_go_next(self, ledger: Ledger, holding: Holding) -> bool:
        """Whether this job may be stopped next; if so, its GPUs are given back in the ledger."""
        tree, model = ledger.tree, self._model
        queue = holding.queue or ""
        if queue == self._queue:
            give_back(ledger, holding)
            return True
        if queue not in tree.queues or tree.queues[queue].unlimited:
            give_back(ledger, holding)
            return ledger.within(self._queue, model, self._need)
        parting = tree.parting(self._queue, queue)
        if parting is None or not ledger.borrowed(parting[1], model):
            return False
        ours, theirs = parting
        nominal = ledger.within(ours, model, self._need)
        give_back(ledger, holding)
        return nominal or self._fairer(ledger, ours, theirs)

    def _fairer(self, ledger: Ledger, ours: str, theirs: str) -> bool:
        after = ledger.copy()
        after.charge(self._queue, self._model, self._need)
        measure = self._case.measure
        return measure.share(after, ours) <= measure.share(after, theirs)

    def _enough(self, chosen: Sequence[Holding]) -> bool:
        """Whether quota and the mere number of GPUs would suffice: cheap, and mostly decisive."""
        if not self._model:
            return True
        if self._free + sum(map(self._gpus, chosen)) < self._need:
            return False
        ledger = self._case.ledger.copy()
        for holding in chosen:
            give_back(ledger, holding)
        return ledger.available(self._queue, self._model) >= self._need

    def _gpus(self, holding: Holding) -> int:
        seats = sum(1 for seat in holding.seats if seat.model == self._model)
        return seats * holding.per_worker.devices

    def _try(self, chosen: Sequence[Holding]) -> Placed | None:
        self._trials -= 1
        room = tightest(room.without(chosen) for room in self._case.rooms)
        decision = choose(self._gang, room)
        return decision if isinstance(decision, Placed) else None


def give_back(ledger: Ledger, holding: Holding) -> None:
    """Take what a job holds off its queue; one that no queue of the tree counts holds nothing."""
    if holding.queue is None or holding.queue not in ledger.tree.queues:
        return
    for model, gpus in holding.gpus_by_model().items():
        ledger.charge(holding.queue, model, -gpus)


def cheapest_first(costs: Sequence[int]) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Sets of indices by the sum of their costs, then by size, then by their indices.

    Each set comes from one other, which is not dearer and not larger: the one with its last index
    lowered by one, or taken away where it follows the one before. So a heap has them in order.

    Args:
        costs: In ascending order.
    """
    heap: list[tuple[int, int, tuple[int, ...]]] = [(costs[0], 1, (0,))] if costs else []
    for _ in range(MAX_SETS):
        if not heap:
            return
        cost, size, indices = heappop(heap)
        yield cost, indices
        last = indices[-1]
        if last + 1 < len(costs):
            following = costs[last + 1]
            heappush(heap, (cost + following, size + 1, (*indices, last + 1)))
            swapped = (*indices[:-1], last + 1)
            heappush(heap, (cost + following - costs[last], size, swapped))
