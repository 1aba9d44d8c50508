"""Which of the candidates that fit is taken. See ADR-0003 and ADR-0008."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quartermaster.decide.placement.candidates import Candidate
from quartermaster.decide.placement.forecast import Forecast
from quartermaster.domain.profile import Bound

Key = tuple[object, ...]
UNKNOWN = math.inf
"""What is weighed in second place, where it is not known: as bad as can be."""


@dataclass(frozen=True, slots=True)
class Weighed:
    """A candidate with what is predicted of it."""

    candidate: Candidate
    forecast: Forecast | None
    """None where it is unknown."""
    cost: float | None
    """By the gang's objective; None where it is unknown, or where the model would not fit."""
    other_cost: float
    """Where the objective is indifferent; infinite where it is unknown."""


def best(fitting: Sequence[Weighed], indifference: float) -> Weighed:
    """The least cost by the objective; where no cost is known, the least by `by_price`.

    What is known goes before what is not. Costs within `indifference` of the least are alike: then
    the other side counts, time where money is alike, and money where time is. Where that is alike
    too, the less disturbing goes: a job that communicates little takes nodes that are broken
    already, one that communicates much the narrower domain.
    """
    known = [(it.cost, it) for it in fitting if it.cost is not None]
    if not known:
        return min(fitting, key=lambda it: (_too_large(it), *by_price(it.candidate)))
    least, first = min(known, key=lambda pair: (pair[0], by_price(pair[1].candidate)))
    if indifference == 0:
        return first
    alike = [it for cost, it in known if cost <= least * (1 + indifference)]
    second = min(it.other_cost for it in alike) * (1 + indifference)
    alike = [it for it in alike if it.other_cost <= second]
    tight = first.forecast is not None and first.forecast.bound is Bound.COMMUNICATION
    return min(alike, key=lambda it: _disturbing(it.candidate, tight=tight))


def by_price(candidate: Candidate) -> Key:
    """Equal GPUs, then the price, then the narrower domain, then fewer nodes, then names."""
    return (
        candidate.kind.mixture,
        candidate.steps is None,
        candidate.steps or 0,
        candidate.breadth,
        len(candidate.seats),
        candidate.domain.value,
        # Positions are in the order of names.
        tuple(node for node, _ in candidate.seats),
    )


def _disturbing(candidate: Candidate, *, tight: bool) -> Key:
    mixture, unknown, rate, breadth, *rest = by_price(candidate)
    near = (breadth, candidate.untouched) if tight else (candidate.untouched, breadth)
    return (mixture, unknown, rate, *near, *rest)


def _too_large(it: Weighed) -> bool:
    return it.forecast is not None and not it.forecast.fits_memory


def one_of_each(
    weighed: Sequence[Weighed], chosen: Weighed | None, indifference: float
) -> list[Weighed]:
    """The best of each kind but the chosen one, in their order.

    Where the cost is known, one place of a kind stands for all of them, and those that are like the
    chosen one are left out; elsewhere there is one of each kind in each domain.
    """
    found: dict[object, Weighed] = {}
    for it in weighed:
        key = _sort(it)
        if chosen is not None and key == _sort(chosen) and not worse(it, chosen, indifference):
            continue
        if key not in found or least(it) < least(found[key]):
            found[key] = it
    return list(found.values())


def _sort(it: Weighed) -> object:
    kind, domain = it.candidate.kind, it.candidate.domain
    return kind if it.cost is not None else (kind, domain)


def worse(it: Weighed, chosen: Weighed, indifference: float) -> bool:
    """Whether a candidate costs more than the chosen one, by more than makes no difference."""
    if it.cost is None or chosen.cost is None:
        return False
    return it.cost > chosen.cost * (1 + indifference)


def least(it: Weighed) -> Key:
    """What fits goes before what does not, what is known before what is not, then the cost."""
    candidate = it.candidate
    return (not candidate.fits, it.cost is None, it.cost or 0.0, *by_price(candidate))
