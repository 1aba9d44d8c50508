"""Laws of what a status keeps for a ledger that is lost: nothing is lost of it, and it is small."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.ledger import tables
from quartermaster.decide.cost import postings
from quartermaster.decide.cost.ledger import pieces, rebuild
from quartermaster.domain.money.ledger import Entry, Part
from quartermaster.domain.money.posting import Place, Posting
from quartermaster.domain.money.stretch import NO_TIME
from quartermaster.reconcile.money.held_sums import postings_of, postings_text
from tests.support.ledger import JOB, NOON, entries

law = settings(max_examples=150, deadline=None)
FEWEST = len(Part)


@st.composite
def of_a_job(draw: st.DrawFn) -> list[Entry]:
    """What pods of one job held, over months, at rates that have nothing in common."""
    found = []
    for each in draw(st.lists(entries(), max_size=8)):
        later = timedelta(days=draw(st.integers(0, 70)))
        machine = replace(
            each.machine,
            pool=draw(st.sampled_from(["", "aws"])),
            accelerator=draw(st.sampled_from(["", "Tesla-T4"])),
        )
        part = draw(st.sampled_from(Part))
        found.append(
            replace(
                each, owner=JOB, part=part, machine=machine,
                began=each.began + later, ended=each.ended + later,
            )
        )  # fmt: skip
    return found


def usd_by_part(books: Iterable[Posting]) -> dict[Part, Fraction]:
    found: dict[Part, Fraction] = {}
    for it in books:
        found[it.place.part] = found.get(it.place.part, Fraction(0)) + it.usd
    return {part: usd for part, usd in found.items() if usd}


def whole(books: Iterable[Posting]) -> Posting:
    nowhere = Posting(Place(date.min, "", "", "", Part.OTHER))
    return sum(books, nowhere)


def sums(some: list[Entry]) -> dict[tuple[object, ...], tuple[Fraction, Fraction]]:
    """What the ledger adds to each day [USD], paid and on demand."""
    daily = tables.coarse(tables.daily_sums(some))
    told = {key: tables.amounts(values) for key, values in daily.items()}
    return {
        key: (it.usd, it.on_demand_usd) for key, it in told.items() if it.usd or it.on_demand_usd
    }


@law
@given(of_a_job())
def test_a_ledger_that_was_lost_has_the_same_sums_again(some: list[Entry]) -> None:
    books = postings_of(postings_text(postings.of_entries(some)))
    again = rebuild.entries(books, JOB)
    assert sums(again) == sums(some)
    rows = [tables.row(it) for it in again]
    assert [tables.entry(row) for row in rows] == again, "what is kept is what was made"
    assert len({it.id for it in again}) == len(again)
    assert {it.first for it in again} <= {f"rebuilt/{JOB.uid}/0"}
    held = sum((it.charged for it in some), NO_TIME)
    assert sum((it.charged for it in again), NO_TIME) == held
    unpriced = sum((it.charged for it in some if it.usd_per_hour is None), NO_TIME)
    assert sum((it.charged for it in again if it.usd_per_hour is None), NO_TIME) == unpriced
    assert len(again) <= 4 * len(books)


@law
@given(of_a_job(), st.randoms())
def test_it_does_not_matter_in_which_order_pods_are_posted(
    some: list[Entry], random: Random
) -> None:
    shuffled = list(some)
    random.shuffle(shuffled)
    books: list[Posting] = []
    for each in shuffled:
        books = postings.with_entries(books, [each], most=10**6)
    assert books == postings.of_entries(some)


@law
@given(of_a_job(), st.integers(FEWEST, 20))
def test_books_are_bounded_and_lose_no_amount(some: list[Entry], most: int) -> None:
    books = postings.of_entries(some)
    fewer = postings.bounded(books, most)
    assert len(fewer) <= most
    assert usd_by_part(fewer) == usd_by_part(books)
    assert whole(fewer) == whole(books)
    assert postings.bounded(fewer, most) == fewer
    if len(books) <= most:
        assert fewer == books


@law
@given(of_a_job(), st.integers(FEWEST, 20))
def test_months_stay_apart_as_long_as_there_are_days_to_take_together(
    some: list[Entry], most: int
) -> None:
    books = postings.of_entries(some)
    fewer = postings.bounded(books, most)
    days = {it.place.day for it in fewer}
    months = {(it.place.day.year, it.place.day.month) for it in books}
    if {(day.year, day.month) for day in days} != months:
        assert len({it.place.day for it in fewer}) < len(months)


@law
@given(of_a_job(), of_a_job())
def test_what_was_charged_before_postings_were_kept_comes_back_by_part(
    before: list[Entry], since: list[Entry]
) -> None:
    books = postings.of_entries(since)
    every = postings.of_entries([*before, *since])
    parts, times = usd_by_part(every), dict.fromkeys(Part, NO_TIME)
    for it in every:
        times[it.place.part] += it.time
    found = postings.balanced(books, parts, times, NOON.date())
    assert usd_by_part(found) == parts
    assert whole(found).time == whole(every).time
    assert postings.balanced(found, parts, times, NOON.date()) == found


def test_an_amount_whose_time_nobody_knows_is_put_down_all_the_same() -> None:
    place = Place(NOON.date(), "", "", "", Part.OTHER)
    made = rebuild.entries([Posting(place, Fraction(1, 3 * 10**9), Fraction(5))], JOB)
    paid = sum((pieces.cost(it) or Fraction(0) for it in made), Fraction(0))
    assert paid == Fraction(1, 3 * 10**9)
