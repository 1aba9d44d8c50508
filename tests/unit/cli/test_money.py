from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubectl_qm import money, views
from kubectl_qm.views import Job
from tests.support import qm_make as make

MONEY = st.from_regex(r"[0-9]{1,14}(\.[0-9]{1,9})?", fullmatch=True)


def costing(total: str | None, name: str = "digits", currency: str = "USD") -> Job:
    cost = {"total": total, "currency": currency, "ratePerHour": "1"}
    return views.job(make.training_job(name, status=make.running_status(cost=cost)))


@given(st.lists(MONEY, max_size=40))
def test_the_sum_is_exact(amounts: list[str]) -> None:
    total = money.total(Decimal(each) for each in amounts)
    assert Fraction(total) == sum(map(Fraction, amounts), Fraction(0))


@given(st.lists(MONEY, min_size=1, max_size=10))
def test_the_sum_does_not_depend_on_the_order(amounts: list[str]) -> None:
    decimals = [Decimal(each) for each in amounts]
    assert money.total(decimals) == money.total(reversed(decimals))


@given(st.lists(MONEY, min_size=1, max_size=10))
def test_a_column_shows_every_digit_with_the_points_in_line(amounts: list[str]) -> None:
    shown = money.column(map(Decimal, amounts))
    assert [Fraction(each) for each in shown] == [Fraction(each) for each in amounts]
    assert len({len(each.partition(".")[2]) for each in shown}) == 1


def test_the_longest_amounts_that_the_api_takes_add_up_exactly() -> None:
    assert money.total([Decimal("99999999999999.999999999")] * 3) == Decimal(
        "299999999999999.999999997"
    )


def test_an_unknown_cost_is_counted_and_never_taken_for_zero() -> None:
    (total,) = money.sums([costing("1.50"), costing(None), costing("0.25")])
    assert (total.total, total.known, total.unknown) == (Decimal("1.75"), 2, 1)


def test_currencies_are_never_added_together() -> None:
    sums = money.sums([costing("1"), costing("2", currency="EUR")])
    assert [(each.currency, each.total) for each in sums] == [
        ("EUR", Decimal(2)),
        ("USD", Decimal(1)),
    ]


@pytest.mark.parametrize(
    ("status", "want"),
    [
        pytest.param(None, False, id="never looked at"),
        pytest.param(make.waiting_status(), False, id="never started"),
        pytest.param(make.running_status(cost=None), True, id="runs without a price"),
        pytest.param(make.running_status(cost={"total": None}), True, id="a node has no price"),
        pytest.param(make.running_status(cost={"total": "lots"}), True, id="not a number"),
        pytest.param(make.running_status(), False, id="priced"),
    ],
)
def test_what_is_unknown(status: make.Json | None, *, want: bool) -> None:
    assert money.is_unknown(views.job(make.training_job(status=status))) is want
