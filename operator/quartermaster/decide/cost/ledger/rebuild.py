"""A job's books as entries of a ledger that has lost its own, to the last digit.

An entry is a rate times a time, and its rate is a whole number of billionths of a USD an hour. A
posting is a sum of such products, which in general is no such product itself; but two are enough:
of its time, a whole number of microseconds, a part is charged at the average rate rounded down, and
the rest, which are as many microseconds as the division left over, at a billionth more.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

from quartermaster.decide.cost.ledger.pieces import midnight
from quartermaster.decide.cost.rates import STEPS_PER_USD, hours
from quartermaster.domain.money.ledger import REBUILT, Entry, Machine, Owner
from quartermaster.domain.money.posting import Posting
from quartermaster.domain.money.stretch import MICROSECOND, NO_TIME

SOURCE = "average; from the job's status, since the ledger had lost it"
UNKNOWN_TIME = timedelta(hours=1)
"""What is put down where an amount is known and its time is not: earlier versions kept none."""


def entries(books: Iterable[Posting], owner: Owner) -> list[Entry]:
    """What a ledger that knows nothing of a job is told of it first.

    They lie at the beginning of their day: when on it they were is not known any more. Nor are
    nodes, zones and instance types.

    Args:
        books: What the job's status keeps.
        owner: The job.
    """
    made = [entry for posting in books for entry in _of(posting, owner)]
    return [replace(it, id=f"{REBUILT}{owner.uid}/{n}") for n, it in enumerate(made)]


def _of(posting: Posting, owner: Owner) -> Iterator[Entry]:
    place = posting.place
    time = posting.time or (UNKNOWN_TIME if posting.usd else NO_TIME)
    moment = midnight(place.day)
    whole = Entry(
        id="",
        owner=owner,
        machine=Machine(
            pool=place.pool, accelerator=place.accelerator, capacity_type=place.capacity_type
        ),
        part=place.part,
        began=moment,
        ended=moment,
        charged=posting.unpriced,
        gpus=posting.gpu_time / (time // MICROSECOND) if time else Fraction(0),
        usd_per_hour=None,
        price_source=SOURCE,
    )
    if posting.unpriced:
        yield whole
    priced = (time - posting.unpriced) // MICROSECOND
    if not priced:
        return
    paid, more_paid = _average(posting.usd, priced)
    listed, more_listed = _average(posting.on_demand_usd, priced)
    cuts = sorted({0, more_paid, more_listed, priced})
    for since, until in pairwise(cuts):
        yield replace(
            whole,
            charged=(until - since) * MICROSECOND,
            usd_per_hour=Fraction(paid + (since < more_paid), STEPS_PER_USD),
            on_demand_usd_per_hour=Fraction(listed + (since < more_listed), STEPS_PER_USD),
        )


def _average(usd: Fraction, microseconds: int) -> tuple[int, int]:
    """The rate in whole billionths [1e-9 USD/h], and of how many microseconds it is one more."""
    return divmod(int(usd * STEPS_PER_USD / hours(MICROSECOND)), microseconds)
