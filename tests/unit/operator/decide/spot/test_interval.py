"""How often to save on spot, and when spot does not pay."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from quartermaster.decide.spot.interval import (
    Bounds,
    Expectation,
    Interruptions,
    daly_s,
    hopeless,
    interval,
    mean_between_s,
    paid_over_useful,
    young_s,
)

SAVES = st.floats(0.1, 600)
MEANS = st.floats(600, 1e6)
WIDE = Bounds(shortest_s=1e-3, longest_s=1e9)


@pytest.mark.parametrize(
    ("save_s", "mean_s", "young", "daly"),
    [
        pytest.param(60, 6480, 881.82, 842.27, id="a minute to save, 1.8 h between"),
        pytest.param(120, 3600, 929.52, 851.24, id="two minutes, an hour"),
        pytest.param(300, 3600, 1469.69, 1276.50, id="five minutes, an hour"),
        pytest.param(7200, 3600, 7200.0, 3600.0, id="a save as long as two means"),
    ],
)
def test_intervals_are_those_of_the_papers(
    save_s: float, mean_s: float, young: float, daly: float
) -> None:
    assert young_s(save_s, mean_s) == pytest.approx(young, abs=0.01)
    assert daly_s(save_s, mean_s) == pytest.approx(daly, abs=0.01)


@given(SAVES, MEANS)
def test_dalys_interval_costs_next_to_the_least_that_any_does(save_s: float, mean_s: float) -> None:
    """Beside a numerical minimum of the expected time, where a save is short beside the mean."""
    if save_s > mean_s / 2:
        return
    least = minimize_scalar(
        lambda log: paid_over_useful(math.exp(log), save_s, 30.0, mean_s),
        bounds=(math.log(save_s / 10), math.log(5 * mean_s)), method="bounded",
    ).fun  # fmt: skip
    assert paid_over_useful(daly_s(save_s, mean_s), save_s, 30.0, mean_s) <= 1.01 * least


@given(SAVES, MEANS, st.floats(0, 600))
def test_no_time_is_paid_less_than_once(save_s: float, mean_s: float, restart_s: float) -> None:
    found = interval(save_s, restart_s, mean_s, WIDE)
    assert found.paid_over_useful >= 1


def simulated(
    interval_s: float, save_s: float, restart_s: float, mean_s: float, seed: int
) -> float:
    """Paid over useful time of a long run in which interruptions come at random."""
    random, work, paid, useful = Random(seed), 4000 * mean_s, 0.0, 0.0
    while useful < work:
        needed = restart_s + interval_s + save_s if paid == 0 else interval_s + save_s
        while (until := random.expovariate(1 / mean_s)) < needed:
            paid += until
            needed = restart_s + interval_s + save_s
        paid += needed
        useful += interval_s
    return paid / useful


@pytest.mark.parametrize(
    ("interval_s", "save_s", "restart_s", "mean_s"),
    [(600, 60, 120, 3600), (1800, 60, 600, 3600), (300, 120, 30, 900)],
)
def test_what_is_expected_is_what_a_simulation_pays(
    interval_s: float, save_s: float, restart_s: float, mean_s: float
) -> None:
    """Daly counts a restart with each failed segment: an upper end by 2 % at these rates."""
    seen = simulated(interval_s, save_s, restart_s, mean_s, seed=7)
    expected = paid_over_useful(interval_s, save_s, restart_s, mean_s)
    assert seen == pytest.approx(expected, rel=0.2)
    assert seen <= expected * 1.02


def test_what_was_never_interrupted_is_trusted_longer_the_longer_it_runs() -> None:
    prior = Expectation(mean_s=3600.0, weight=1.0)
    assert mean_between_s(Interruptions(), prior) == 3600
    assert mean_between_s(Interruptions(running_s=36_000), prior) == 39_600
    assert mean_between_s(Interruptions(running_s=36_000, count=9), prior) == 3960


def test_bounds_hold() -> None:
    bounds = Bounds(shortest_s=60, longest_s=1800)
    assert interval(0.01, 30, 3600, bounds).seconds == 60
    assert interval(60, 30, 1e6, bounds).seconds == 1800


def test_spot_that_pays_is_not_called_hopeless() -> None:
    found = interval(60, 120, 6480, Bounds())
    assert hopeless(found, 60, 120, spot_usd=0.9731, on_demand_usd=3.06) is None


def test_spot_is_refused_above_the_ratio_of_the_prices_and_the_reason_has_the_numbers() -> None:
    found = interval(120, 600, 900, Bounds())
    assert hopeless(found, 120, 600, spot_usd=1, on_demand_usd=3) == (
        "an hour of work on spot takes 3.43 paid hours at interruptions every 15m00s, "
        "and on-demand costs only 3.00 times as much"
    )


def test_spot_that_is_gone_before_it_works_is_told_apart() -> None:
    found = interval(120, 600, 300, Bounds())
    assert hopeless(found, 120, 600, spot_usd=1, on_demand_usd=3) == (
        "spot lasts 5m00s on average, less than the 10m00s of a restart and the 2m00s of a save"
    )


def test_spot_that_is_dearer_than_on_demand_is_hopeless_however_long_it_lasts() -> None:
    found = interval(1, 1, 1e9, Bounds())
    assert hopeless(found, 1, 1, spot_usd=1.6, on_demand_usd=1) is not None


def test_what_never_ends_is_infinite_and_not_an_error() -> None:
    assert interval(60, 1e6, 1.0, Bounds()).paid_over_useful == math.inf
