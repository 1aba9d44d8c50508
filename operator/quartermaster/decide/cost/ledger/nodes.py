"""The accounts of nodes: what of their price nobody's job or service has paid.

A node's time is cut wherever its price, who holds it or what these pay changes. In each piece the
jobs and services on it pay what they have agreed to, other pods their share of the node's price,
rounded down to a billionth of a USD an hour, and idle time the rest, whatever that is. So for each
piece, and for any set of pieces,

    jobs + services + system + idle = price of the node x time

to the last digit. Idle time falls below zero only where jobs have agreed to more than the node now
costs; the source of its price says so.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from itertools import pairwise

from quartermaster.decide.cost.rates import STEPS_PER_USD, charge
from quartermaster.domain.money.ledger import Entry, Kind, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price

PAYING = frozenset({Kind.JOB, Kind.SERVICE})
"""Who has agreed to a price, and is recorded by whoever looks after it."""
IDLE = Owner(Kind.IDLE)
DEARER = "; jobs have agreed to more than the node costs"
UNSEEN = "; who was on it is not known any more"

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A piece of a node's time in which nothing changes."""

    began: datetime
    ended: datetime
    price: Price
    holds: tuple[Hold, ...]


def entries(
    presence: Presence, holds: Iterable[Hold], span: Span, known_since: datetime | None = None
) -> list[Entry]:
    """What stands in the ledger for a node's system and idle time within [since, until).

    Args:
        presence: The node.
        holds: Who was on it, jobs and services too; they get no entry here.
        span: From when to when.
        known_since: Before it holds of others may be missing; None: they are all there.
    """
    on_it = [hold for hold in holds if hold.node == presence.machine.node]
    found: list[Entry] = []
    for stretch in _stretches(presence, on_it, span, known_since):
        unseen = known_since is not None and stretch.began < known_since
        found += _of(presence, stretch, UNSEEN if unseen else "")
    return found


def at_moment(presence: Presence, holds: Iterable[Hold], moment: datetime) -> list[Entry]:
    """Who pays for a node at a moment, jobs and services left out: entries that take no time.

    Args:
        presence: The node, which is there then.
        holds: Who is on it then.
        moment: When.
    """
    price = price_at(presence.prices, moment)
    return _of(presence, Stretch(moment, moment, price, tuple(holds)), "")


def node_cost(presence: Presence, span: Span) -> Fraction | None:
    """What the node costs in [since, until) [USD], exact; None where a price is unknown."""
    total = Fraction(0)
    for stretch in _stretches(presence, (), span, None):
        cost = charge(whole(stretch.price.usd_per_hour), stretch.ended - stretch.began)
        if cost is None:
            return None
        total += cost
    return total


def price_at(prices: Sequence[Price], moment: datetime) -> Price:
    """The price that is in force."""
    past = [price for price in prices if price.since <= moment]
    return past[-1] if past else Price(moment, None, "unknown")


def _stretches(
    presence: Presence, holds: Sequence[Hold], span: Span, known_since: datetime | None
) -> Iterable[Stretch]:
    since = max(span[0], presence.began)
    until = span[1] if presence.ended is None else min(span[1], presence.ended)
    edges = {since, until}
    for hold in holds:
        edges |= {hold.began} if hold.ended is None else {hold.began, hold.ended}
        edges |= {since for since, _ in hold.repriced}
    edges |= {price.since for price in presence.prices}
    edges |= set() if known_since is None else {known_since}
    inside = sorted(edge for edge in edges if since <= edge <= until)
    for began, ended in pairwise(inside):
        there = (h for h in holds if h.began <= began and (h.ended is None or h.ended >= ended))
        yield Stretch(began, ended, price_at(presence.prices, began), tuple(there))


def _of(presence: Presence, stretch: Stretch, remark: str) -> list[Entry]:
    price = whole(stretch.price.usd_per_hour)
    source = stretch.price.source + remark
    others: dict[str, tuple[Fraction, Fraction]] = {}
    for hold in stretch.holds:
        if hold.owner.kind not in PAYING:
            share, gpus = others.get(hold.owner.namespace, (Fraction(0), Fraction(0)))
            others[hold.owner.namespace] = share + hold.share, gpus + hold.gpus
    made = [
        _entry(
            presence, stretch, Owner(Kind.SYSTEM, namespace), gpus,
            None if price is None else _floor(price * share), source,
        )
        for namespace, (share, gpus) in sorted(others.items())
    ]  # fmt: skip
    held = sum((hold.gpus for hold in stretch.holds), Fraction(0))
    left = None if price is None else price - _paid(stretch) - _sum(made)
    dearer = DEARER if left is not None and left < 0 else ""
    if left != 0:
        free = max(Fraction(0), presence.gpus - held)
        made.append(_entry(presence, stretch, IDLE, free, left, source + dearer))
    return made


def _paid(stretch: Stretch) -> Fraction:
    paying = (hold for hold in stretch.holds if hold.owner.kind in PAYING)
    rates = (hold.rate_at(stretch.began) for hold in paying)
    return sum((rate for rate in rates if rate is not None), Fraction(0))


def _sum(made: Iterable[Entry]) -> Fraction:
    rates = (entry.usd_per_hour for entry in made)
    return sum((rate for rate in rates if rate is not None), Fraction(0))


def _entry(
    presence: Presence, stretch: Stretch, owner: Owner, gpus: Fraction,
    usd_per_hour: Fraction | None, source: str,
) -> Entry:  # fmt: skip
    began, ended = stretch.began, stretch.ended
    return Entry(
        id=f"node/{presence.uid}/{began:%Y%m%dT%H%M%S.%f}/{owner.kind}/{owner.namespace}",
        owner=owner,
        machine=presence.machine,
        part=None,
        began=began,
        ended=ended,
        charged=ended - began,
        gpus=gpus,
        usd_per_hour=usd_per_hour,
        price_source=source,
    )


def whole(usd_per_hour: Fraction | None) -> Fraction | None:
    """A node's price [USD/h] in whole billionths: rounded once, the same for whoever asks."""
    if usd_per_hour is None:
        return None
    return Fraction(round(usd_per_hour * STEPS_PER_USD), STEPS_PER_USD)


def _floor(usd_per_hour: Fraction) -> Fraction:
    return Fraction((usd_per_hour * STEPS_PER_USD).__floor__(), STEPS_PER_USD)
