"""What spoke for a candidate whose speed is known, and against the others, with numbers."""

from collections.abc import Sequence

from quartermaster.decide.placement.forecast import Forecast
from quartermaster.decide.placement.naming import describe, price
from quartermaster.decide.placement.rank import Weighed
from quartermaster.decide.profile.classify import shares
from quartermaster.domain.profile import Bound
from quartermaster.domain.workload import Gang, Objective

_LEAST = {
    Objective.COST: "the cheapest to finish",
    Objective.TIME: "the fastest",
    Objective.BALANCED: "the least cost x time",
}
_NOTED = 0.05
"""Shares of a step that differ by less are not worth a word."""


def deciding_point(chosen: Weighed, others: Sequence[Weighed], gang: Gang) -> str:
    """Why this one: `the fastest of 4 combinations that fit`."""
    known = [(it.cost, it) for it in others if it.cost is not None]
    if not any(it.candidate.fits for it in others):
        return "the only combination that fits now"
    word = _LEAST[gang.objective]
    if not known:
        return "the only one that is known to suit"
    least, first = min(known, key=lambda pair: pair[0])
    if chosen.cost is None or chosen.cost <= least:
        return f"{word} of {len(known) + 1} combinations that fit"
    behind = (chosen.cost / least - 1) * 100
    return (
        f"{behind:.1f} % behind {word}, {describe(first.candidate, gang)}, "
        f"and {_gentler(chosen, first, gang.objective)}"
    )


def _gentler(chosen: Weighed, other: Weighed, objective: Objective) -> str:
    mine, theirs = chosen.candidate, other.candidate
    if mine.kind.mixture < theirs.kind.mixture:
        return "of equal GPUs"
    if chosen.other_cost < other.other_cost:
        return "faster" if objective is Objective.COST else "cheaper to finish"
    if mine.untouched < theirs.untouched:
        return "leaves more nodes whole"
    return "nearer together"


def bound(chosen: Weighed, others: Sequence[Weighed], gang: Gang) -> str:
    """What bounds a step, and what the place does about it."""
    told = chosen.forecast
    if told is None:
        return ""
    word = told.bound.value.lower()
    share = shares(told.step)[told.bound]
    text = f"a step takes {told.step.total:.3g} s, {word}-bound ({share:.0%} of it{_link(told)})"
    worse = [
        (it.forecast.communication, it)
        for it in others
        if it.forecast is not None and it.forecast.communication > told.communication + _NOTED
    ]
    if worse:
        most, where = max(worse, key=lambda pair: pair[0])
        near = told.linked and told.link is None
        keeps = "NVLink keeps communication to" if near else "communication is"
        there = describe(where.candidate, gang)
        why = _link(where.forecast) if where.forecast else ""
        text += f", {keeps} {told.communication:.0%} where it is {most:.0%} on {there}{why}"
    elif told.bound is not Bound.COMMUNICATION and _spares(chosen, others):
        text += ", so it leaves whole nodes to others"
    return text.replace("%", " %")


def _link(told: Forecast) -> str:
    """What communication waits for: `, over the 25 Gbit/s across topology.example.com/rack`."""
    if told.bound is not Bound.COMMUNICATION:
        return ""
    if told.link is None or told.link.bandwidth is None:
        return ", over the links inside a node"
    width = f"{told.link.bandwidth * 8 / 1e9:.3g} Gbit/s"
    if not told.link.level:
        return f", over network cards of {width}"
    return f", over the {width} across {told.link.level}"


def _spares(chosen: Weighed, others: Sequence[Weighed]) -> bool:
    return chosen.candidate.untouched == 0 and any(
        it.candidate.fits and it.candidate.untouched > 0 for it in others
    )


def against(other: Weighed, chosen: Weighed) -> str:
    """What spoke against a candidate that fits: `2.30 x the cost for 1.10 x the speed`."""
    cost = price(other.candidate.rate)
    if other.forecast is None or chosen.forecast is None:
        return f"its speed is unknown ({cost})"
    if not other.forecast.fits_memory:
        return f"the model does not fit into its memory ({cost})"
    told, mine = other.forecast, chosen.forecast
    faster = mine.step.total / told.step.total
    part = f"communication {told.communication:.0%} of a step".replace("%", " %")
    rate, own = other.candidate.rate, chosen.candidate.rate
    if rate is None or not own:
        return f"{faster:.2f} x the speed ({cost}; {part})"
    dearer = float(rate / own) / faster
    return f"{dearer:.2f} x the cost for {faster:.2f} x the speed ({cost}; {part})"
