"""What there is to choose from: a kind of node in a domain, and the gang's places there."""

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from quartermaster.decide.cost.rates import STEPS_PER_USD
from quartermaster.decide.placement.fit import Slot
from quartermaster.decide.placement.kinds import Kind

Places = tuple[tuple[Slot, int], ...]
"""Nodes and how many workers each takes."""
Seats = tuple[tuple[int, int], ...]
"""The same, with nodes by their position among all nodes by name."""


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
    seats: Seats
    """Where how many workers go."""
    wanted: int
    """Workers to be placed [count]."""
    placed: int
    """Workers that have a place [count]."""
    steps: int | None
    """Price of the gang [USD/h / `STEPS_PER_USD`]; None where a part of it is unknown. Rates are
    whole numbers of these, so this is exact, and quicker to compare than a fraction."""
    untouched: int
    """Nodes on which nothing ran so far, of those that it takes [count]."""
    slot: Callable[[int], Slot] = field(repr=False, compare=False)
    """The node at a position."""

    @property
    def fits(self) -> bool:
        """Whether the whole gang has a place."""
        return self.placed == self.wanted

    @property
    def rate(self) -> Fraction | None:
        """Price of the gang [USD/h]; None where a part of it is unknown."""
        return None if self.steps is None else Fraction(self.steps, STEPS_PER_USD)

    @property
    def places(self) -> Places:
        """Nodes and how many workers each takes."""
        return tuple((self.slot(node), count) for node, count in self.seats)
