"""What spot and on-demand have for a gang: whether there is room, and at which price."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from math import ceil

from quartermaster.decide.cost.rates import worker_rate
from quartermaster.decide.fleet import Fleet
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.placement.fit import LASTING, refusal
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.spot.markets import Markets, Seen
from quartermaster.decide.spot.spells import Prior
from quartermaster.domain.cluster import Capacity, Node, Pool
from quartermaster.domain.decision import Placed
from quartermaster.domain.workload import Gang

USUAL = Prior()


@dataclass(frozen=True, slots=True)
class Scenery:
    """What there is, at one moment."""

    fleet: Fleet
    markets: Markets
    hardware: Hardware
    now: datetime
    prior: Prior = USUAL


@dataclass(frozen=True, slots=True)
class Offer:
    """One kind of capacity, as a gang finds it."""

    there: bool
    """Whether it has room for the whole gang now."""
    usd_per_hour: Fraction | None
    """Of the gang [USD/h]; the least of what there was, where there is no room now."""


Nodes = Iterable[tuple[Node, Pool]]


def wanted(gang: Gang, at: Scenery) -> Iterator[tuple[Seen, int]]:
    """Markets that would do, and how many nodes the gang takes there [count]."""
    on_spot = replace(gang, capacity=Capacity.SPOT)
    for _, seen in sorted(at.markets.seen.items()):
        node = seen.example
        if refusal(node, at.fleet.estate.pool_of(node), on_spot) not in LASTING:
            each = max(1, gang.per_worker.times_within(node.allocatable))
            yield seen, ceil(gang.size / each)


def nodes_wanted(gang: Gang, markets: Markets) -> set[int]:
    """How many nodes at once a gang may ask a market for [count]."""
    each = (
        gang.per_worker.times_within(seen.example.allocatable) for seen in markets.seen.values()
    )
    return {ceil(gang.size / one) for one in each if one}


def spot_nodes(markets: Iterable[tuple[Seen, int]], at: Scenery) -> Nodes:
    """A node of each market, there or not."""
    return [(seen.example, at.fleet.estate.pool_of(seen.example)) for seen, _ in markets]


def on_demand_nodes(gang: Gang, at: Scenery) -> Nodes:
    """A node of each class that the gang could use on demand, full or not."""
    gang = replace(gang, capacity=Capacity.ON_DEMAND)
    return [
        (each.node, each.pool)
        for each in at.fleet.estate.classes
        if refusal(each.node, each.pool, gang) not in LASTING
    ]


def offer(gang: Gang, capacity: Capacity, at: Scenery, nodes: Nodes) -> Offer:
    """What one kind of capacity has for a gang.

    Args:
        gang: Who asks.
        capacity: Which kind.
        at: What there is.
        nodes: Nodes of that kind that would do, for a price where there is no room.
    """
    decision = choose(replace(gang, capacity=capacity), at.fleet, at.hardware)
    if isinstance(decision, Placed):
        rates = [one.usd_per_hour for one in decision.assignments]
        known = [rate for rate in rates if rate is not None]
        total = sum(known, Fraction(0)) if len(known) == len(rates) else None
        return Offer(there=True, usd_per_hour=total)
    return Offer(there=False, usd_per_hour=least(gang, nodes))


def least(gang: Gang, nodes: Nodes) -> Fraction | None:
    """The least that a gang pays on nodes of one of these kinds [USD/h]; None: nobody knows."""
    prices = [worker_rate(node, pool, gang.per_worker) for node, pool in nodes]
    lowest = min((price for price in prices if price is not None), default=None)
    return None if lowest is None else lowest * gang.size
