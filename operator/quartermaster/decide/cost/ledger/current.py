"""Who pays how much an hour for the nodes that there are, by the arithmetic of their accounts.

What is told of all nodes with a price adds up to their prices, to the last digit: idle time is what
nobody else pays, and falls below zero where pods have agreed to more than their node now costs.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from quartermaster.decide.cost.ledger.nodes import IDLE, PAYING, at_moment, price_at, whole
from quartermaster.domain.money.ledger import Machine, Owner
from quartermaster.domain.money.occupancy import Hold, Presence

Place = tuple[str, str, str, str, str]
"""Kind, namespace, pool, GPU model and capacity type, as in `domain.money.spending.PLACE`."""
NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Rates:
    """What nodes cost at a moment; those without a price are not in it."""

    by_place: Mapping[Place, Fraction] = field(default_factory=dict)
    """[USD/h], exact."""
    overcharged: Fraction = NOTHING
    """What is paid beyond the price of a node, over all nodes [USD/h]."""


def rates(presences: Iterable[Presence], holds: Iterable[Hold], moment: datetime) -> Rates:
    """Who pays how much.

    Args:
        presences: The nodes.
        holds: Who is on them; those that are not there at the moment do not count.
        moment: When.
    """
    on_node: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        if hold.began <= moment and (hold.ended is None or hold.ended > moment):
            on_node[hold.node].append(hold)
    by_place: dict[Place, Fraction] = defaultdict(Fraction)
    overcharged = NOTHING
    for presence in presences:
        if whole(price_at(presence.prices, moment).usd_per_hour) is None:
            continue
        there, machine = on_node[presence.machine.node], presence.machine
        for hold in there:
            if hold.owner.kind in PAYING:
                model = machine.accelerator if hold.gpus else ""
                by_place[_place(hold.owner, machine, model)] += hold.rate_at(moment) or NOTHING
        # That nothing is idle is known: it is a zero, and not nothing.
        by_place[_place(IDLE, machine, machine.accelerator)] += NOTHING
        for entry in at_moment(presence, there, moment):
            left = entry.usd_per_hour or NOTHING
            by_place[_place(entry.owner, machine, machine.accelerator)] += left
            overcharged += max(NOTHING, -left)
    return Rates(by_place, overcharged)


def _place(owner: Owner, machine: Machine, model: str) -> Place:
    return owner.kind.value, owner.namespace, machine.pool, model, machine.capacity_type
