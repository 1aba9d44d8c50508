"""What there is to choose from: for each kind of node and each domain, the cheapest whole gang.

A kind is one GPU model bought in one way (all spot or all on-demand), one model bought in both
ways, or any mix of models. Within a kind the price of a gang is the sum over its workers, so taking
the cheapest places first is optimal; between places of equal price the fewest nodes are taken, and
the last workers go where they leave the least behind (best fit), so that whole nodes stay whole.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from fractions import Fraction
from itertools import groupby

from quartermaster.decide.placement.fit import Slot
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Gang, TopologyMode

Labels = Mapping[str, str]


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

    def covers(self, slot: Slot) -> bool:
        """Whether a node is of this kind."""
        return self.accelerator in (None, slot.node.accelerator) and self.capacity in (
            None,
            slot.node.capacity,
        )


@dataclass(frozen=True, slots=True)
class Domain:
    """Where a candidate draws from."""

    level: str = ""
    """The label that names the domain; empty for the whole cluster."""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A kind of node in a domain, and the gang's places there if it fits."""

    kind: Kind
    domain: Domain
    breadth: int
    """0 for the narrowest level, more for wider ones."""
    places: tuple[tuple[Slot, int], ...]
    """Nodes and how many workers each takes."""
    wanted: int
    """Workers to be placed [count]."""

    @property
    def placed(self) -> int:
        """Workers that have a place [count]."""
        return sum(count for _, count in self.places)

    @property
    def fits(self) -> bool:
        """Whether the whole gang has a place."""
        return self.placed == self.wanted

    @property
    def rate(self) -> Fraction | None:
        """Price of the gang [USD/h]; None where a part of it is unknown."""
        total = Fraction(0)
        for slot, count in self.places:
            if slot.rate is None:
                return None
            total += slot.rate * count
        return total


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


def enumerate_candidates(
    gang: Gang, slots: Sequence[Slot], anchors: Sequence[Labels] = ()
) -> list[Candidate]:
    """Every kind in every domain, the fitting and the unfitting."""
    free = [slot for slot in slots if slot.free > 0]
    return [
        Candidate(kind, domain, breadth, _pack(members, gang.size), gang.size)
        for domain, breadth, inside in domains(gang, free, anchors)
        for kind in kinds(inside)
        if (members := [slot for slot in inside if kind.covers(slot)])
    ]


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


def _pack(slots: Iterable[Slot], wanted: int) -> tuple[tuple[Slot, int], ...]:
    places: list[tuple[Slot, int]] = []
    by_price = sorted(
        slots, key=lambda slot: (slot.rate is None, slot.rate or 0, -slot.free, slot.node.name)
    )
    for _, group in groupby(by_price, key=lambda slot: slot.rate):
        if wanted == 0:
            break
        taken = _fill(list(group), wanted)
        wanted -= sum(count for _, count in taken)
        places.extend(taken)
    return tuple(places)


def _fill(largest_first: Sequence[Slot], wanted: int) -> list[tuple[Slot, int]]:
    """Fill equally dear nodes, the largest first; the rest goes to the smallest that holds it."""
    taken: list[tuple[Slot, int]] = []
    for position, slot in enumerate(largest_first):
        if wanted == 0:
            break
        if slot.free > wanted:
            snug = min(
                (other for other in largest_first[position:] if other.free >= wanted),
                key=lambda other: (other.free, other.node.name),
            )
            taken.append((snug, wanted))
            return taken
        taken.append((slot, slot.free))
        wanted -= slot.free
    return taken
