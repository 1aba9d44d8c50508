"""A job's books by day and place, as a status holds them."""

from collections.abc import Iterable
from datetime import date
from fractions import Fraction

from quartermaster.api.money.cost import HeldSum
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.posting import Place, Posting
from quartermaster.domain.money.stretch import MICROSECOND
from quartermaster.units import exact


def postings_of(told: Iterable[HeldSum]) -> list[Posting]:
    """The postings that a status holds."""
    return [
        Posting(
            place=Place(
                day=date.fromisoformat(it.day),
                pool=it.pool,
                accelerator=it.accelerator,
                capacity_type=it.capacity_type,
                part=Part(it.part),
            ),
            usd=Fraction(it.usd),
            on_demand_usd=Fraction(it.on_demand),
            time=it.microseconds * MICROSECOND,
            unpriced=it.unpriced_microseconds * MICROSECOND,
            gpu_time=Fraction(it.gpu_microseconds),
        )
        for it in told
    ]


def postings_text(postings: Iterable[Posting]) -> list[HeldSum]:
    """The postings as a status holds them."""
    return [
        HeldSum(
            day=it.place.day.isoformat(),
            pool=it.place.pool,
            accelerator=it.place.accelerator,
            capacity_type=it.place.capacity_type,
            part=it.place.part,
            usd=exact(it.usd),
            on_demand=exact(it.on_demand_usd),
            microseconds=it.time // MICROSECOND,
            unpriced_microseconds=it.unpriced // MICROSECOND,
            gpu_microseconds=exact(it.gpu_time),
        )
        for it in postings
    ]
