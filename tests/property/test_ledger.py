"""Laws of the ledger: what is cut costs what it cost whole, and sums are the sums of the parts."""

from datetime import timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.ledger import tables
from quartermaster.decide.cost.ledger import pieces
from quartermaster.domain.money.ledger import Entry
from quartermaster.domain.money.spending import Amounts
from tests.support.ledger import NOON, entries

law = settings(max_examples=150, deadline=None)
CUTS = st.lists(st.integers(0, 2 * 10**12), max_size=6)


def money(each: Entry) -> Fraction:
    return pieces.cost(each) or Fraction(0)


@law
@given(entries(), CUTS)
def test_an_entry_costs_what_its_pieces_cost_wherever_it_is_cut(
    whole: Entry, cuts: list[int]
) -> None:
    edges = [NOON - timedelta(days=1)]
    edges += sorted(NOON + timedelta(microseconds=cut) for cut in cuts)
    edges.append(NOON + timedelta(days=90))
    found = [
        piece
        for since, until in pairwise(edges)
        if (piece := pieces.within(whole, since, until)) is not None
    ]
    assert sum((piece.charged for piece in found), timedelta()) == whole.charged
    assert sum(map(money, found), Fraction(0)) == money(whole)
    for piece in found:
        assert piece.charged <= piece.ended - piece.began or whole.began == whole.ended


@law
@given(entries())
def test_days_add_up_to_the_entry(whole: Entry) -> None:
    days = list(pieces.by_day(whole))
    assert sum((money(piece) for _, piece in days), Fraction(0)) == money(whole)
    assert len({day for day, _ in days}) == len(days) > 0
    for day, piece in days:
        assert pieces.midnight(day) <= piece.began
        assert piece.ended <= pieces.midnight(day) + pieces.DAY


@law
@given(st.lists(entries(), max_size=8))
def test_what_is_kept_as_integers_is_the_sum_of_the_entries(some: list[Entry]) -> None:
    for sums in (tables.daily_sums(some), tables.coarse(tables.daily_sums(some))):
        told = sum((tables.amounts(values) for values in sums.values()), Amounts())
        assert told.usd == sum(map(money, some), Fraction(0))
        assert all(0 <= values[1] < tables.RESTS for values in sums.values())
        assert told.unpriced_ms <= told.held_ms


@law
@given(entries())
def test_an_entry_that_was_kept_is_the_same_entry(whole: Entry) -> None:
    assert tables.entry(tables.row(whole)) == whole


def test_the_sums_of_a_hundred_million_rows_fit_64_bits() -> None:
    rows = 10**8
    assert rows * (tables.RESTS - 1) < 2**63
    assert rows * 16 * 86_400_000 < 2**63, "days of 16 GPUs [ms]"
    assert 9 * 10**9 * tables.NANO < 2**63, "nine billion USD"
