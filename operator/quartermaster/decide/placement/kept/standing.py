"""The cells in the order in which they would be taken, and told of, without looking at them all."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from math import inf

from quartermaster.decide.placement.explain import MAX_REJECTED, NO_RIVALS, Rivals, Told, ranked
from quartermaster.decide.placement.kept.buckets import Buckets
from quartermaster.decide.placement.kept.survey import Cell, Order
from quartermaster.decide.placement.kinds import Kind, Mixture
from quartermaster.decide.placement.naming import describe
from quartermaster.decide.placement.rank import Key, Weighed, best, by_price, least, worse
from quartermaster.domain.workload import Gang

Places = frozenset[tuple[int, int]]
Partly = Callable[[Cell], Weighed]
"""What there is in a cell that has no room for the whole gang."""
Tidied = Callable[[Weighed], Weighed]
"""What is chosen, on the node of equally good ones on which it breaks the least."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was chosen, and what has to be said of the others."""

    chosen: Weighed | None
    """None where nothing fits."""
    others: Sequence[Weighed]
    """The best of each kind; not kept where the speed of none is known."""
    rivals: Rivals
    rejected: Sequence[Told]
    """The first few."""


class Unfitting:
    """Cells that have no room for the whole gang, the roomiest first."""

    def __init__(self) -> None:
        self._cells: dict[int, dict[Cell, None]] = {}

    def enter(self, cell: Cell) -> None:
        """Take in a cell."""
        self._cells.setdefault(cell.room, {})[cell] = None

    def leave(self, cell: Cell) -> None:
        """Forget a cell."""
        del self._cells[cell.room][cell]
        if not self._cells[cell.room]:
            del self._cells[cell.room]

    def told(self, gang: Gang, partly: Partly) -> Iterator[Told]:
        """One of those that have the same places each, in the order in which they are told.

        Cells of different room have different places, and domains of different names different
        words, so cells of one room can be told without the others.
        """
        for room in sorted(self._cells, reverse=True):
            cells = sorted(self._cells[room], key=lambda cell: cell.order)
            yield from ranked(None, [partly(cell) for cell in cells], gang)


@dataclass(slots=True, eq=False)
class _Entry:
    order: Order
    weighed: Weighed
    text: str
    places: Places


class ByPrice:
    """Cells of which no speed is known: one candidate each."""

    def __init__(self, gang: Gang) -> None:
        self._gang = gang
        self._unfitting = Unfitting()
        self._entries: dict[Cell, _Entry] = {}
        self._by_choice: Buckets[tuple[str, Key, Order, _Entry]] = Buckets()
        self._by_telling: Buckets[tuple[str, Order, _Entry]] = Buckets()
        self._same: dict[Places, list[_Entry]] = {}
        """Entries by their places: the same nodes seen through several domains and kinds."""
        self._mixed = 0

    def enter(self, cell: Cell) -> None:
        """Take in a cell."""
        if not cell.weighed:
            self._unfitting.enter(cell)
            return
        (weighed,) = cell.weighed
        candidate = weighed.candidate
        text = describe(candidate, self._gang)
        entry = _Entry(cell.order, weighed, text, frozenset(candidate.seats))
        self._entries[cell] = entry
        key, item = _choice(entry)
        self._by_choice.add(key, item)
        self._by_telling.add(candidate.steps or 0, (text, cell.order, entry))
        self._same.setdefault(entry.places, []).append(entry)
        self._mixed += candidate.kind.mixture is not Mixture.UNIFORM

    def leave(self, cell: Cell) -> None:
        """Forget a cell."""
        if not cell.weighed:
            self._unfitting.leave(cell)
            return
        entry = self._entries.pop(cell)
        candidate = entry.weighed.candidate
        key, item = _choice(entry)
        self._by_choice.remove(key, item)
        self._by_telling.remove(candidate.steps or 0, (entry.text, cell.order, entry))
        self._same[entry.places].remove(entry)
        if not self._same[entry.places]:
            del self._same[entry.places]
        self._mixed -= candidate.kind.mixture is not Mixture.UNIFORM

    def outcome(self, gang: Gang, partly: Partly, tidied: Tidied) -> Outcome:
        """What is chosen, and what of the others has to be told."""
        first = next(iter(self._by_choice), None)
        if first is None:
            told = tuple(islice(self._unfitting.told(gang, partly), MAX_REJECTED))
            return Outcome(None, (), NO_RIVALS, told)
        chosen = first[-1]
        taken = tidied(chosen.weighed)
        own = frozenset(taken.candidate.seats)
        told = tuple(islice(self._told(chosen, own, gang, partly), MAX_REJECTED))
        return Outcome(taken, (), self._rivals(chosen, own), told)

    def _rivals(self, chosen: _Entry, own: Places) -> Rivals:
        """Those but the chosen one, on other places than its own."""
        no_rivals = {id(it): it for it in (chosen, *self._same.get(own, ()))}.values()
        mixed = sum(it.weighed.candidate.kind.mixture is not Mixture.UNIFORM for it in no_rivals)
        rate = chosen.weighed.candidate.steps or 0
        rivals = (it for *_, it in self._by_telling if it is not chosen and it.places != own)
        first = next(rivals, None)
        # What has no price is told first, as if it were free; it is not dearer either.
        dearer = first is not None and (first.weighed.candidate.steps or 0) > rate
        return Rivals(len(self._entries) - len(no_rivals), dearer, self._mixed > mixed)

    def _told(self, chosen: _Entry, own: Places, gang: Gang, partly: Partly) -> Iterator[Told]:
        for text, order, entry in self._by_telling:
            if entry is chosen or entry.places == own:
                continue
            same = self._same[entry.places]
            if all(order <= it.order for it in same if it is not chosen):
                yield text, entry.weighed
        yield from self._unfitting.told(gang, partly)


def _choice(entry: _Entry) -> tuple[Key, tuple[str, Key, Order, _Entry]]:
    *key, value, names = by_price(entry.weighed.candidate)
    return tuple(key), (str(value), names, entry.order, entry)  # type: ignore[return-value]


@dataclass(slots=True, eq=False)
class _Part:
    """Candidates of one kind in a cell."""

    first: int
    """Where in the cell the first of them is."""
    key: Key
    best: Weighed


class BySpeed:
    """Cells of which the speed is known: several candidates each, and one cost to compare."""

    def __init__(self, indifference: float) -> None:
        self._indifference = indifference
        self._unfitting = Unfitting()
        self._parts: dict[Kind, dict[Cell, _Part]] = {}
        self._least: dict[Cell, float] = {}
        self.unknown = 0
        """Candidates that fit, but whose cost is not known [count]."""

    def enter(self, cell: Cell) -> None:
        """Take in a cell."""
        if not cell.weighed:
            self._unfitting.enter(cell)
            return
        costs = [it.cost for it in cell.weighed if it.cost is not None]
        self.unknown += len(cell.weighed) - len(costs)
        self._least[cell] = min(costs, default=inf)
        for kind, part in _parts(cell).items():
            self._parts.setdefault(kind, {})[cell] = part

    def leave(self, cell: Cell) -> None:
        """Forget a cell."""
        if not cell.weighed:
            self._unfitting.leave(cell)
            return
        self.unknown -= sum(it.cost is None for it in cell.weighed)
        del self._least[cell]
        for kind in {it.candidate.kind for it in cell.weighed if it.cost is not None}:
            del self._parts[kind][cell]
            if not self._parts[kind]:
                del self._parts[kind]

    def outcome(self, gang: Gang, partly: Partly, tidied: Tidied) -> Outcome:
        """What is chosen, and what of the others has to be told; only where nothing is unknown."""
        if not self._least:
            told = tuple(islice(self._unfitting.told(gang, partly), MAX_REJECTED))
            return Outcome(None, (), NO_RIVALS, told)
        chosen = self._best()
        firsts = [self._first_of(kind, chosen) for kind in self._parts]
        others = [it for _, it in sorted((f for f in firsts if f), key=lambda first: first[0])]
        taken = tidied(chosen)
        both = chain(ranked(taken, others, gang), self._unfitting.told(gang, partly))
        return Outcome(taken, others, NO_RIVALS, tuple(islice(both, MAX_REJECTED)))

    def _best(self) -> Weighed:
        most = min(self._least.values()) * (1 + self._indifference)
        cells = [cell for cell, cost in self._least.items() if cost <= most]
        near = [it for cell in cells for it in cell.weighed if it.cost is not None]
        return best(
            [it for it in near if it.cost is not None and it.cost <= most], self._indifference
        )

    def _first_of(self, kind: Kind, chosen: Weighed) -> tuple[tuple[Order, int], Weighed] | None:
        """The best of a kind, and where its first is; of the chosen kind only what is worse."""
        parts = self._parts[kind]
        if kind != chosen.candidate.kind:
            cell = min(parts, key=lambda cell: cell.order)
            return (cell.order, parts[cell].first), min(parts.values(), key=lambda it: it.key).best
        dearer = [
            (cell.order, position, it)
            for cell in parts
            for position, it in enumerate(cell.weighed)
            if it.candidate.kind == kind and worse(it, chosen, self._indifference)
        ]
        if not dearer:
            return None
        order, position, _ = min(dearer, key=lambda entry: entry[:2])
        return (order, position), min((it for *_, it in dearer), key=least)


def _parts(cell: Cell) -> dict[Kind, _Part]:
    found: dict[Kind, _Part] = {}
    for position, it in enumerate(cell.weighed):
        if it.cost is None:
            continue
        key, kind = least(it), it.candidate.kind
        part = found.get(kind)
        if part is None:
            found[kind] = _Part(position, key, it)
        elif key < part.key:
            part.key, part.best = key, it
    return found
