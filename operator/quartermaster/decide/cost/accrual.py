"""What a job has cost: the sum of rate times time over its segments.

A segment is one pod on one node at one price, from bind to release. Rate times time is kept as an
exact fraction and divided only to be shown: rounding each part would make the parts disagree with
the whole.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

NEWS_LAG = timedelta(seconds=3)
"""A pod's end is known this long after it: billing what runs only up to then keeps a bill from
falling when the end turns out to lie in the past."""
_MICROSECOND = timedelta(microseconds=1)
_MICROSECONDS_PER_HOUR = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Segment:
    """One pod's time on one node."""

    pod_uid: str
    bound: datetime
    released: datetime | None
    """None while it runs."""
    usd_per_hour: Fraction | None
    """None where the price is unknown."""


@dataclass(frozen=True, slots=True)
class Account:
    """What a job's closed segments add up to."""

    accrued: Fraction = Fraction(0)
    """[USD], exact"""
    segments: int = 0
    """Closed segments [count]."""
    unpriced_seconds: int = 0
    """Pod time without a price [s]."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a job has cost at one moment."""

    total: Fraction | None
    """[USD]; None while any of its time has no price."""
    rate_per_hour: Fraction | None
    """[USD/h]; None while a running pod has no price."""


def charge(segment: Segment, now: datetime) -> Fraction | None:
    """Rate times time [USD], exact; None where the price is unknown."""
    if segment.usd_per_hour is None:
        return None
    return segment.usd_per_hour * Fraction(_microseconds(segment, now), _MICROSECONDS_PER_HOUR)


def closed(account: Account, segment: Segment) -> Account:
    """The account after a segment that has been released.

    Raises:
        ValueError: The segment is still open.
    """
    if segment.released is None:
        raise ValueError(f"segment of pod {segment.pod_uid} is still open")
    amount = charge(segment, segment.released)
    unpriced = _microseconds(segment, segment.released) // 1_000_000 if amount is None else 0
    return Account(
        accrued=account.accrued + (amount or 0),
        segments=account.segments + 1,
        unpriced_seconds=account.unpriced_seconds + unpriced,
    )


def bill(account: Account, open_segments: Iterable[Segment], now: datetime) -> Bill:
    """Cost so far and rate, from the closed account and what is still running."""
    segments = list(open_segments)
    charges = [charge(segment, now - NEWS_LAG) for segment in segments]
    rates = [s.usd_per_hour for s in segments if s.released is None]
    unknown = account.unpriced_seconds > 0 or None in charges
    return Bill(
        total=None if unknown else sum((c for c in charges if c is not None), account.accrued),
        rate_per_hour=None
        if None in rates
        else sum((r for r in rates if r is not None), Fraction(0)),
    )


def _microseconds(segment: Segment, now: datetime) -> int:
    end = segment.released if segment.released is not None else now
    return max(0, (end - segment.bound) // _MICROSECOND)
