"""A job's books by day and place: what a status keeps, so that a lost ledger can be made again.

They are sums, so their size does not grow with the number of pods; and they are bounded, since a
status is: a job that lives long loses days first, then places, and never an amount.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from quartermaster.decide.cost.ledger.pieces import by_day, cost, on_demand_cost
from quartermaster.domain.money.ledger import Entry, Part
from quartermaster.domain.money.posting import MOST_POSTINGS, Place, Posting
from quartermaster.domain.money.stretch import MICROSECOND, NO_TIME

Books = Iterable[Posting]


def of_entries(entries: Iterable[Entry]) -> list[Posting]:
    """What entries add up to, each cut at midnight."""
    return _merged(_posting(day, piece) for entry in entries for day, piece in by_day(entry))


def with_entries(
    books: Books, entries: Iterable[Entry], most: int = MOST_POSTINGS
) -> list[Posting]:
    """The books with more in them, in at most so many postings."""
    return bounded([*books, *of_entries(entries)], most)


def bounded(books: Books, most: int = MOST_POSTINGS) -> list[Posting]:
    """At most so many postings, by place; their sums by part are those of all.

    The oldest days are taken together, within their month as long as that helps; then months, and
    at last places. `most` is at least the number of parts.
    """
    found = _merged(books)
    for merge in (_oldest_days_of_a_month, _oldest_days):
        while len(found) > most and (days := merge({posting.place.day for posting in found})):
            found = _merged(_put_off(posting, *days) for posting in found)
    for name in ("accelerator", "pool", "capacity_type"):
        if len(found) > most:
            found = _merged(_without(posting, name) for posting in found)
    return found


def balanced(
    books: Books, parts: Mapping[Part, Fraction], times: Mapping[Part, timedelta], day: date
) -> list[Posting]:
    """The books with what they do not tell of: what was charged before a status kept postings.

    Args:
        books: As a status keeps them.
        parts: What the money went into, all of it [USD].
        times: The pod time by what it went into.
        day: The day to which the rest is put down.
    """
    found = list(books)
    for part in Part:
        mine = [posting for posting in found if posting.place.part is part]
        usd = parts.get(part, Fraction(0)) - sum((it.usd for it in mine), Fraction(0))
        time = times.get(part, NO_TIME) - sum((it.time for it in mine), NO_TIME)
        if usd > 0 or time > NO_TIME:
            unpriced = NO_TIME if usd else time
            found.append(Posting(Place(day, "", "", "", part), usd, usd, time, unpriced))
    return _merged(found)


def _posting(day: date, piece: Entry) -> Posting:
    machine, paid = piece.machine, cost(piece)
    part = piece.part or Part.OTHER
    place = Place(day, machine.pool, machine.accelerator, machine.capacity_type, part)
    gpu_time = piece.gpus * (piece.charged // MICROSECOND)
    if paid is None:
        return Posting(place, time=piece.charged, unpriced=piece.charged, gpu_time=gpu_time)
    listed = on_demand_cost(piece) or Fraction(0)
    return Posting(place, paid, listed, piece.charged, NO_TIME, gpu_time)


def _merged(books: Books) -> list[Posting]:
    sums: dict[Place, Posting] = {}
    for posting in books:
        old = sums.get(posting.place)
        sums[posting.place] = posting if old is None else old + posting
    return [sums[place] for place in sorted(sums)]


def _put_off(posting: Posting, first: date, second: date) -> Posting:
    """A posting of the first day as one of the second."""
    if posting.place.day != first:
        return posting
    return replace(posting, place=replace(posting.place, day=second))


def _without(posting: Posting, name: str) -> Posting:
    """It, and whatever is unknown from now on."""
    place = {**asdict(posting.place), name: ""}
    return replace(posting, place=Place(**place))


def _oldest_days_of_a_month(days: Iterable[date]) -> tuple[date, date] | None:
    """The oldest two neighbours in one month."""
    pairs = pairwise(sorted(days))
    return next(((a, b) for a, b in pairs if (a.year, a.month) == (b.year, b.month)), None)


def _oldest_days(days: Iterable[date]) -> tuple[date, date] | None:
    first, *rest = sorted(days)
    return (first, rest[0]) if rest else None
