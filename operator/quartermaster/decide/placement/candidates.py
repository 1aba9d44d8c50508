"""What there is to choose from: for each kind of node and each domain, the cheapest whole gang.

A kind is one GPU model bought in one way (all spot or all on-demand), one model bought in both
ways, or any mix of models. Within a kind the price of a gang is the sum over its workers, so taking
the cheapest places first is optimal; between places of equal price the fewest nodes are taken, and
the last workers go where they leave the least behind (best fit), so that whole nodes stay whole.
"""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from functools import cached_property
from itertools import combinations, groupby, islice

from quartermaster.decide.placement.fit import Slot
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Gang, TopologyMode

Labels = Mapping[str, str]
ALIKE = 6
"""Domains that differ by names alone and are weighed [count]: one to take, and five to tell of."""
Ranks = Mapping[str, int]
"""Nodes by name: 0 for the cheapest, equal for equal prices, the last for unknown ones. Fractions
are exact, and slow to compare."""

SUBSETS = 4
"""Up to so many GPU models every mixture of them is looked at: eleven."""


Places = tuple[tuple[Slot, int], ...]
"""Nodes and how many workers each takes."""


class Mixture(IntEnum):
    """How alike the nodes are; less is better: a synchronous gang is as fast as its slowest GPU."""

    UNIFORM = 0
    CAPACITIES = 1
    MODELS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Which nodes a candidate draws from."""

    mixture: Mixture
    accelerator: str | None = None
    """None for any."""
    capacity: Capacity | None = None
    """None for any."""
    instance_type: str | None = None
    """None for any."""
    among: tuple[str, ...] = ()
    """GPU models that may be mixed; empty for any."""

    def covers(self, slot: Slot) -> bool:
        """Whether a node is of this kind."""
        node = slot.node
        return (
            self.accelerator in (None, node.accelerator)
            and self.capacity in (None, node.capacity)
            and self.instance_type in (None, node.instance_type)
            and (not self.among or node.accelerator in self.among)
        )


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a candidate draws from."""

    level: str = ""
    """The label that names the domain; empty for the whole cluster."""
    value: str = ""


@dataclass(frozen=True)  # without slots: what is asked of it a dozen times is worked out once
class Candidate:
    """A kind of node in a domain, and the gang's places there if it fits."""

    kind: Kind
    domain: Domain
    breadth: int
    """0 for the narrowest level, more for wider ones."""
    places: Places
    """Nodes and how many workers each takes."""
    wanted: int
    """Workers to be placed [count]."""

    @cached_property
    def placed(self) -> int:
        """Workers that have a place [count]."""
        return sum(count for _, count in self.places)

    @property
    def fits(self) -> bool:
        """Whether the whole gang has a place."""
        return self.placed == self.wanted

    @cached_property
    def rate(self) -> Fraction | None:
        """Price of the gang [USD/h]; None where a part of it is unknown."""
        total = Fraction(0)
        for slot, count in self.places:
            if slot.rate is None:
                return None
            total += slot.rate * count
        return total

    @property
    def untouched(self) -> int:
        """Nodes on which nothing ran so far, of those that it takes [count]."""
        return sum(slot.free == slot.whole for slot, _ in self.places)


def kinds(slots: Iterable[Slot]) -> list[Kind]:
    """The kinds among these nodes, in a fixed order."""
    pairs = sorted({(slot.node.accelerator, slot.node.capacity) for slot in slots})
    models = sorted({model for model, _ in pairs})
    uniform = [Kind(Mixture.UNIFORM, model, capacity) for model, capacity in pairs]
    both = [
        Kind(Mixture.CAPACITIES, model)
        for model in models
        if sum(1 for other, _ in pairs if other == model) > 1
    ]
    return uniform + both + ([Kind(Mixture.MODELS)] if len(models) > 1 else [])


def finer_kinds(slots: Iterable[Slot], fastest_first: Sequence[str]) -> list[Kind]:
    """Kinds that only differ in speed: machine types of one GPU model, mixtures of a few models.

    Args:
        slots: Nodes that may be used.
        fastest_first: The GPU models whose speed is known.
    """
    seen = sorted({(s.node.accelerator, s.node.capacity, s.node.instance_type) for s in slots})
    types = [
        Kind(Mixture.UNIFORM, model, capacity, name)
        for model, capacity, name in seen
        if sum(1 for other in seen if other[:2] == (model, capacity)) > 1
    ]
    models = {model for model, _, _ in seen}
    known = [model for model in fastest_first if model in models]
    sets = (
        [subset for size in range(2, len(known) + 1) for subset in combinations(known, size)]
        if len(known) <= SUBSETS
        # A GPU may be slow and well connected, but with many models only the slow are left out.
        else [tuple(known[:size]) for size in range(2, len(known) + 1)]
    )
    return types + [
        Kind(Mixture.MODELS, among=subset) for subset in sets if len(subset) < len(models)
    ]


def enumerate_candidates(
    gang: Gang,
    slots: Sequence[Slot],
    anchors: Sequence[Labels] = (),
    fastest_first: Sequence[str] | None = None,
) -> list[Candidate]:
    """Every kind in every domain, the fitting and the unfitting.

    Of domains of one level that hold the same nodes but for their names, such as racks that nobody
    uses yet, the first few stand for all: the others could only be taken for the sake of a name.

    Args:
        gang: Who wants a place.
        slots: Nodes that it may use.
        anchors: As in `domains`.
        fastest_first: The GPU models whose speed is known; None: speed is not weighed, and of each
            kind there is only the cheapest gang on the fewest nodes. Otherwise there is more than
            one shape of each.
    """
    free = [slot for slot in slots if slot.free > 0]
    prices = _ranks(free)
    found: list[Candidate] = []
    for domain, breadth, inside in _distinct(domains(gang, free, anchors), gang, prices):
        finer = [] if fastest_first is None else finer_kinds(inside, fastest_first)
        typed = {(kind.accelerator, kind.capacity) for kind in finer if kind.instance_type}
        for kind in kinds(inside) + finer:
            if members := [slot for slot in inside if kind.covers(slot)]:
                packings = [_pack(members, gang.size, prices)]
                if fastest_first is not None:
                    packings += _shapes(members, gang.size, prices)
                # Nodes have no hash: the same places are told by names and counts.
                distinct = {tuple((s.node.name, n) for s, n in p): p for p in packings}
                found += [
                    Candidate(
                        kind if fastest_first is None else _narrowed(kind, places, typed),
                        domain,
                        breadth,
                        places,
                        gang.size,
                    )
                    for places in distinct.values()
                ]
    return found


def _distinct(
    found: Iterable[tuple[Domain, int, list[Slot]]], gang: Gang, prices: Ranks
) -> Iterator[tuple[Domain, int, list[Slot]]]:
    """The domains, of those of a level that differ by names alone the first `ALIKE`."""
    numbers: dict[object, int] = {}
    looks: dict[str, int] = {}
    seen: Counter[tuple[int, frozenset[tuple[int, int]]]] = Counter()
    for domain, breadth, inside in found:
        for slot in inside:
            if slot.node.name not in looks:
                look = _look(slot, gang, prices)
                looks[slot.node.name] = numbers.setdefault(look, len(numbers))
        counted = Counter(looks[slot.node.name] for slot in inside)
        signature = breadth, frozenset(counted.items())
        seen[signature] += 1
        if seen[signature] <= ALIKE:
            yield domain, breadth, inside


def _look(slot: Slot, gang: Gang, prices: Ranks) -> object:
    """All that tells a node from another one in a choice, but its name."""
    node = slot.node
    return (
        node.accelerator,
        node.capacity,
        node.instance_type,
        slot.pool.name,
        prices[node.name],
        slot.free,
        slot.whole,
        node.name in gang.held,
    )


def _narrowed(kind: Kind, places: Places, typed: Container[object]) -> Kind:
    """A mixture that came out equal is none; `typed` are kinds of more than one machine type."""
    nodes = [slot.node for slot, _ in places]
    models = sorted({node.accelerator for node in nodes})
    capacities = {node.capacity for node in nodes}
    types = {node.instance_type for node in nodes}
    if len(models) > 1:
        return Kind(Mixture.MODELS, among=tuple(models))
    if len(capacities) > 1:
        return Kind(Mixture.CAPACITIES, models[0])
    equal = (models[0], capacities.pop())
    tells = kind.instance_type or (len(types) == 1 and equal in typed)
    return Kind(Mixture.UNIFORM, *equal, types.pop() if tells else None)


def _ranks(slots: Iterable[Slot]) -> Ranks:
    by_price = sorted(slots, key=lambda slot: (slot.rate is None, slot.rate or 0))
    groups = groupby(by_price, key=lambda slot: slot.rate)
    return {slot.node.name: rank for rank, (_, group) in enumerate(groups) for slot in group}


def _shapes(slots: Sequence[Slot], wanted: int, prices: Ranks) -> Iterator[Places]:
    """Other shapes that hold the whole gang: what is broken first, fewer nodes, fewer on a node."""
    if sum(slot.free for slot in slots) < wanted:
        return
    yield _pack(slots, wanted, prices, broken_first=True)
    one_price = len({prices[slot.node.name] for slot in slots}) == 1
    for most in range(min(wanted, max(slot.free for slot in slots)), 0, -1):
        if sum(min(slot.free, most) for slot in slots) >= wanted:
            yield _pack(slots, wanted, prices, most=most)
            if not one_price:
                yield _pack_densely(slots, wanted, prices, most)


def domains(
    gang: Gang, slots: Sequence[Slot], anchors: Sequence[Labels] = ()
) -> Iterator[tuple[Domain, int, list[Slot]]]:
    """The domains that the gang may lie in, with their nodes, the narrowest level first.

    Args:
        gang: Who wants a place.
        slots: Nodes that it may use.
        anchors: Labels of the nodes that hold the gang's other workers, which may be full, or
            closed to new ones: where they are, the rest has to go.
    """
    levels = list(reversed(_levels(gang, slots)))
    if gang.topology is not TopologyMode.UNCONSTRAINED:
        for breadth, level in enumerate(levels):
            ordered = sorted(
                (slot for slot in slots if level in slot.node.labels),
                key=lambda slot: (slot.node.labels[level], slot.node.name),
            )
            for value, members in groupby(ordered, key=lambda slot: slot.node.labels[level]):
                if anchors and all(labels.get(level) != value for labels in anchors):
                    continue
                yield Domain(level, value), breadth, list(members)
    if gang.topology is not TopologyMode.REQUIRED:
        yield Domain(), len(levels), sorted(slots, key=lambda slot: slot.node.name)


def _levels(gang: Gang, slots: Iterable[Slot]) -> list[str]:
    if gang.topology_level is not None:
        return [gang.topology_level]
    seen: dict[str, None] = {}
    for slot in slots:
        for level in slot.pool.topology_levels:
            seen.setdefault(level)
    return list(seen)


def _pack(
    slots: Iterable[Slot],
    wanted: int,
    prices: Ranks,
    *,
    most: int | None = None,
    broken_first: bool = False,
) -> Places:
    def alike(slot: Slot) -> tuple[int, bool]:
        return prices[slot.node.name], broken_first and slot.free == slot.whole

    places: list[tuple[Slot, int]] = []
    by_price = sorted(slots, key=lambda slot: (*alike(slot), -slot.free, slot.node.name))
    for _, group in groupby(by_price, key=alike):
        if wanted == 0:
            break
        taken = _fill(list(group), wanted, most or wanted)
        wanted -= sum(count for _, count in taken)
        places.extend(taken)
    return tuple(places)


def _pack_densely(slots: Iterable[Slot], wanted: int, prices: Ranks, most: int) -> Places:
    """The fewest nodes whatever they cost; of these the cheaper, while they have the room."""

    def room(slot: Slot) -> int:
        return min(slot.free, most)

    by_room = sorted(slots, key=lambda slot: (-room(slot), prices[slot.node.name], slot.node.name))
    count, held = 0, 0
    while held < wanted:
        held += room(by_room[count])
        count += 1
    taken, spare = {slot.node.name: slot for slot in by_room[:count]}, held - wanted
    # No more than `count` of one price and room can be swapped in.
    rest = [
        slot
        for _, same in groupby(
            by_room[count:], key=lambda slot: (room(slot), prices[slot.node.name])
        )
        for slot in islice(same, count)
    ]
    while swaps := [
        (prices[old] - prices[new.node.name], room(new) - room(taken[old]), old, new.node.name)
        for old in taken
        for new in rest
        if prices[new.node.name] < prices[old]
        and room(taken[old]) - room(new) <= spare
        and new.node.name not in taken
    ]:
        _, more, old_name, new_name = max(swaps)
        spare += more
        del taken[old_name]
        taken[new_name] = next(slot for slot in rest if slot.node.name == new_name)
    return _pack(taken.values(), wanted, prices, most=most)


def _fill(largest_first: Sequence[Slot], wanted: int, most: int) -> list[tuple[Slot, int]]:
    """Fill equally dear nodes, the largest first; the rest goes to the smallest that holds it."""
    taken: list[tuple[Slot, int]] = []
    for position, slot in enumerate(largest_first):
        if wanted == 0:
            break
        room = min(slot.free, most)
        if room >= wanted:
            snug = min(
                (other for other in largest_first[position:] if other.free >= wanted),
                key=lambda other: (other.free, other.node.name),
            )
            taken.append((snug, wanted))
            return taken
        taken.append((slot, room))
        wanted -= room
    return taken
