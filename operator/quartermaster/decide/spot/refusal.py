"""How long spot lasts for a gang, and when it is not worth having, with the reason."""

from collections.abc import Iterable
from dataclasses import dataclass

from quartermaster.decide.spot.interval import (
    Bounds,
    Expectation,
    Interruptions,
    hopeless,
    interval,
    mean_between_s,
)
from quartermaster.decide.spot.offers import (
    Scenery,
    least,
    offer,
    on_demand_nodes,
    spot_nodes,
    wanted,
)
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Gang

USUAL = Expectation()


@dataclass(frozen=True, slots=True)
class Toll:
    """What an interruption costs a job beside the work that is lost."""

    save_s: float
    """What a save keeps training from going on [s]."""
    restart_s: float
    """From an interruption until its replacement makes new steps [s]."""
    period_s: float | None = None
    """From one save to the next [s]; None: the trainer chooses."""


def mean_s(seen: Iterable[Interruptions], nodes: int) -> float:
    """Mean time between interruptions of a gang on so many nodes [s]; each of them stops it.

    Args:
        seen: What was seen of the nodes of its markets.
        nodes: Nodes that it is on [count].
    """
    running, count = 0.0, 0
    for one in seen:
        running, count = running + one.running_s, count + one.count
    return mean_between_s(Interruptions(running, count), USUAL) / max(1, nodes)


def spot_refusal(gang: Gang, at: Scenery, toll: Toll) -> str | None:
    """Why spot costs a gang more than on-demand, interruptions included; None where it does not.

    Nothing is refused where no interruption was seen, a price is not known, or there is no room on
    demand.
    """
    markets = list(wanted(gang, at))
    if not markets or not all(seen.interruptions.count for seen, _ in markets):
        return None
    spot = least(gang, spot_nodes(markets, at))
    sure = least(gang, on_demand_nodes(gang, at))
    if not spot or sure is None:
        return None
    if not offer(gang, Capacity.ON_DEMAND, at, ()).there:
        return None  # what is dear is better than nothing
    longest = max(mean_s([seen.interruptions], nodes) for seen, nodes in markets)
    bounds = Bounds() if toll.period_s is None else Bounds(toll.period_s, toll.period_s)
    found = interval(toll.save_s, toll.restart_s, longest, bounds)
    return hopeless(
        found,
        toll.save_s,
        toll.restart_s,
        spot_usd=float(spot),
        on_demand_usd=float(sure),
    )
