"""How often to save on capacity that is interrupted, and when such capacity does not pay.

Saving costs its time, and an interruption the work since the last save. Young's interval balances
the two to the first order, Daly's to a higher one, which counts where a save is not short beside
the time between interruptions.
"""

from dataclasses import dataclass
from math import exp, sqrt

from quartermaster.units import duration

MOST_EXPONENT = 50.0
"""Times over a mean time between interruptions beyond which nothing is ever done [1]."""


@dataclass(frozen=True, slots=True)
class Interruptions:
    """What was seen of one placement, all of its workers as one: a gang stops when one does."""

    running_s: float = 0.0
    """Time that it ran [s]."""
    count: int = 0
    """How often it was interrupted [count]."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected where nothing was seen."""

    mean_s: float = 12_180.0
    """Between interruptions [s]: nine zones of 45 days together (skypilot-org/spot-traces,
    aws-02-15-2023, by steps of 10 min); zone by zone it is 0.7 to 10.5 h."""
    weight: float = 1.0
    """Interruptions that outweigh it [count]."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Which intervals are used."""

    shortest_s: float = 15.0
    longest_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Interval:
    """How often to save, and what it comes to."""

    seconds: float
    """From the end of one save to the beginning of the next [s]."""
    mean_s: float
    """Expected between interruptions [s]."""
    paid_over_useful: float
    """Time that is paid over time that is worked [1]; 1 is the least."""


def mean_between_s(seen: Interruptions, expected: Expectation) -> float:
    """Mean time between interruptions, after what was seen [s].

    Source: posterior mean time of a Poisson process with a conjugate prior (Gelman et al., Bayesian
    Data Analysis, 3rd edition, section 2.6).
    """
    weight = expected.weight
    return (weight * expected.mean_s + seen.running_s) / (weight + seen.count)


def young_s(save_s: float, mean_s: float) -> float:
    """Interval of the first order [s]: sqrt(2 d M).

    Source: Young 1974, "A first order approximation to the optimum checkpoint interval".
    """
    return sqrt(2 * save_s * mean_s)


def daly_s(save_s: float, mean_s: float) -> float:
    """Interval of the higher order [s].

    sqrt(2 d M) (1 + sqrt(d / 2M) / 3 + (d / 2M) / 9) - d where d < 2M; else M.

    Source: Daly 2006, "A higher order estimate of the optimum checkpoint interval for restart
    dumps", equation 37.
    """
    if save_s >= 2 * mean_s:
        return mean_s
    share = save_s / (2 * mean_s)
    return young_s(save_s, mean_s) * (1 + sqrt(share) / 3 + share / 9) - save_s


def paid_over_useful(interval_s: float, save_s: float, restart_s: float, mean_s: float) -> float:
    """Time that is paid over time that is worked [1], saves, restarts and lost work in it.

    M e^(R / M) (e^((t + d) / M) - 1) / t: interruptions at random, also during saves and restarts.
    Infinite where that is beyond all bounds. Waiting for the next capacity costs nothing.

    Source: Daly 2006, equation 13, for an interval t, a save d, a restart R and a mean M.
    """
    if (restart_s + interval_s + save_s) / mean_s > MOST_EXPONENT:
        return float("inf")
    segments = exp((interval_s + save_s) / mean_s) - 1
    return mean_s * exp(restart_s / mean_s) * segments / interval_s


def interval(save_s: float, restart_s: float, mean_s: float, bounds: Bounds) -> Interval:
    """How often to save.

    Args:
        save_s: What a save keeps training from going on [s].
        restart_s: From an interruption's replacement until it makes new steps [s].
        mean_s: Between interruptions [s], above zero.
        bounds: Which intervals are used.
    """
    wanted = daly_s(save_s, mean_s)
    seconds = min(max(wanted, bounds.shortest_s), bounds.longest_s)
    return Interval(seconds, mean_s, paid_over_useful(seconds, save_s, restart_s, mean_s))


def hopeless(
    found: Interval, save_s: float, restart_s: float, *, spot_usd: float, on_demand_usd: float
) -> str | None:
    """Why spot costs more than on-demand here, in one sentence; None where it does not.

    Spot pays while its paid over useful time is below the ratio of the prices. That it is not where
    an interruption usually comes before a restart and a save are through is told apart.

    Args:
        found: What saving on spot comes to.
        save_s: What a save takes [s].
        restart_s: What a restart takes [s].
        spot_usd: Price of spot, in the unit of the other, above zero.
        on_demand_usd: Price on demand.
    """
    if found.mean_s < restart_s + save_s:
        return (
            f"spot lasts {duration(found.mean_s)} on average, less than the "
            f"{duration(restart_s)} of a restart and the {duration(save_s)} of a save"
        )
    ratio = on_demand_usd / spot_usd
    if found.paid_over_useful < ratio:
        return None
    return (
        f"an hour of work on spot takes {found.paid_over_useful:.2f} paid hours at interruptions "
        f"every {duration(found.mean_s)}, and on-demand costs only {ratio:.2f} times as much"
    )
