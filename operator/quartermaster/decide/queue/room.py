"""Fleets with places given away, given back, or kept: trials that leave the original alone."""

from collections.abc import Iterable, Mapping

from quartermaster.decide.fleet import Fleet
from quartermaster.domain.decision import Assignment
from quartermaster.domain.queue import Holding
from quartermaster.domain.resources import NOTHING, Resources

Loads = dict[str, Resources]


def taken(fleet: Fleet, assignments: Iterable[Assignment], each: Resources) -> Fleet:
    """The fleet after these places are given away."""
    more: Loads = {}
    for assignment in assignments:
        more[assignment.node] = more.get(assignment.node, NOTHING) + each
    return fleet.loaded(more)


def without(fleet: Fleet, holdings: Iterable[Holding], *, only_leaving: bool = False) -> Fleet:
    """The fleet after these jobs, or what of them is on its way out, have given places back."""
    less: Loads = {}
    for holding in holdings:
        for seat in holding.seats:
            if seat.leaving or not only_leaving:
                less[seat.node] = less.get(seat.node, NOTHING) - holding.per_worker
    return fleet.loaded(less)


def has_room(fleet: Fleet, places: Mapping[str, int], each: Resources) -> bool:
    """Whether all these workers fit where they are to go."""
    return all(fleet.room(name, each) >= count for name, count in places.items())
