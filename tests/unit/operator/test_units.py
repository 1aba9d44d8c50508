"""Quantities as Kubernetes reads them, durations and money as users read them."""

import contextlib
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.units import byte_count, duration, millicores, usd


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("0", 0),
        ("1", 1000),
        ("1.5", 1500),
        ("0.1", 100),
        ("500m", 500),
        ("1e3", 1_000_000),
        ("2k", 2_000_000),
        ("0.5m", 1),
        ("1500u", 2),
        ("1n", 1),
        ("100000000n", 100),
    ],
)
def test_cpu_is_counted_in_millicores_and_rounded_up(text: str, want: int) -> None:
    assert millicores(text) == want


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("128974848", 128974848),
        ("129e6", 129_000_000),
        ("129M", 129_000_000),
        ("123Mi", 128974848),
        ("128974848000m", 128974848),
        ("1k", 1000),
        ("1Ki", 1024),
        ("1.5Gi", 1610612736),
        ("0.1Ki", 103),
        ("1E", 10**18),
        ("1Ei", 2**60),
        ("1E3", 1000),
        ("1Pi", 2**50),
        ("1Ti", 2**40),
    ],
)
def test_bytes_follow_kubernetes_own_examples(text: str, want: int) -> None:
    assert byte_count(text) == want


@pytest.mark.parametrize(
    "text",
    ["", "m", "Gi", "xm", "1KiB", "1Kii", "one", "1 Gi", "1kk", "--1", "nan", "Infinity", "infm"],
)
def test_what_is_no_quantity_is_refused_as_one(text: str) -> None:
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        byte_count(text)
    with pytest.raises(ValueError, match="is not a Kubernetes quantity"):
        millicores(text)


@given(st.text(alphabet="0123456789.eEkKmMGTPiun+-_ naNfx", max_size=6))
def test_any_text_is_a_quantity_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(byte_count(text), int)


@pytest.mark.parametrize(
    ("amount", "digits", "want"),
    [
        (Fraction(0), 4, "0.0000"),
        (Fraction(1, 2), 0, "1"),
        (Fraction(5, 10**5), 4, "0.0001"),
        (Fraction(49, 10**6), 4, "0.0000"),
        (Fraction(263, 500), 4, "0.5260"),
        (Fraction(99999, 100000), 4, "1.0000"),
        (Fraction(10**15), 2, "1000000000000000.00"),
        (Fraction(-6, 10**4), 4, "-0.0006"),
        (Fraction(-3, 2), 0, "-2"),
        (Fraction(-1, 10**9), 4, "0.0000"),
    ],
)
def test_money_is_rounded_half_away_from_zero(amount: Fraction, digits: int, want: str) -> None:
    assert usd(amount, digits) == want


@given(st.fractions(min_value=-(10**9), max_value=10**9))
def test_money_is_off_by_half_a_digit_at_most(amount: Fraction) -> None:
    assert abs(Fraction(usd(amount)) - amount) <= Fraction(1, 20_000)


@pytest.mark.parametrize(
    ("seconds", "want"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (200, "3m20s"),
        (3600, "1h00m"),
        (7500, "2h05m"),
        (86_399, "23h59m"),
        (86_400, "1d00h"),
        (273_600, "3d04h"),
    ],
)
def test_durations_are_short(seconds: float, want: str) -> None:
    assert duration(seconds) == want
