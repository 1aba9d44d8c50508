"""Entries cut in time: the pieces cost together what the whole costs, to the last digit."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction

from quartermaster.decide.cost.rates import charge
from quartermaster.domain.money.ledger import Entry
from quartermaster.domain.money.stretch import MICROSECOND

DAY = timedelta(days=1)


def cost(entry: Entry) -> Fraction | None:
    """Rate times time [USD], exact; None where the price is unknown."""
    return charge(entry.usd_per_hour, entry.charged)


def on_demand_cost(entry: Entry) -> Fraction | None:
    """What it would have cost on demand [USD], exact; what it cost where that is unknown."""
    rate = entry.on_demand_usd_per_hour
    return charge(entry.usd_per_hour if rate is None else rate, entry.charged)


def within(entry: Entry, since: datetime, until: datetime) -> Entry | None:
    """What of an entry lies in [since, until); None where nothing does.

    The charged time is spread evenly over the entry's span. Of a prefix of it whole microseconds
    are charged, rounded down, and a piece is the difference of two prefixes: so pieces add up to
    the whole wherever it is cut, since each is taken from the same whole. An entry without a span
    lies where it begins.
    """
    if entry.began == entry.ended:
        return entry if since <= entry.began < until else None
    began, ended = max(entry.began, since), min(entry.ended, until)
    if began >= ended:
        return None
    charged = _prefix(entry, ended) - _prefix(entry, began)
    return replace(entry, began=began, ended=ended, charged=charged * MICROSECOND)


def by_day(entry: Entry) -> Iterator[tuple[date, Entry]]:
    """Its pieces, cut at midnight UTC, each with its day."""
    day = entry.began.astimezone(UTC).date()
    last = max(entry.began, entry.ended - MICROSECOND).astimezone(UTC).date()
    while day <= last:
        start = midnight(day)
        piece = within(entry, start, start + DAY)
        if piece is not None:
            yield day, piece
        day += DAY


def midnight(day: date) -> datetime:
    """When a day begins, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _prefix(entry: Entry, moment: datetime) -> int:
    """Charged time from the beginning to a moment [us]."""
    span = (entry.ended - entry.began) // MICROSECOND
    return (entry.charged // MICROSECOND) * ((moment - entry.began) // MICROSECOND) // span
