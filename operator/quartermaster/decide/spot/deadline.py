"""Spot, on-demand or waiting, decided again at every step, so that no deadline is missed.

Two parts, apart from each other. What is allowed is arithmetic: after any move but on-demand, a
start on demand at the next decision still has to be in time, whatever spot does until then. What is
cheapest of it comes from the table, which may be wrong about spot without doing harm. So no
deadline is missed that on-demand could meet at the first decision, if decisions come when they are
due.
"""

from quartermaster.decide.spot.spells import Spells, scales
from quartermaster.decide.spot.table import Tables
from quartermaster.decide.spot.values import Choice, Move, Standing, Terms
from quartermaster.units import duration


def allowed(move: Move, standing: Standing, terms: Terms) -> bool:
    """Whether on-demand can still be in time after a move, whatever spot does until the next one.

    On-demand itself is always allowed: nothing is surer.
    """
    if move is Move.ON_DEMAND:
        return True
    if move is Move.SPOT and not standing.spot:
        return False
    worked = 0.0
    if move is Move.SPOT and terms.holds:
        start = standing.starting_s if standing.running is Move.SPOT else terms.restart_s
        worked = max(0.0, terms.step_s - start)
    left = standing.work_s - worked
    return left <= 0 or left + terms.restart_s <= standing.time_s - terms.step_s


def spare_s(standing: Standing, terms: Terms) -> float:
    """What on-demand from now on leaves of the time until the deadline [s]; below 0: it is late."""
    sure = standing.running is Move.ON_DEMAND
    return standing.slack_s - (standing.starting_s if sure else terms.restart_s)


def choose(standing: Standing, seen: Spells, tables: Tables) -> Choice:
    """What to run on until the next decision.

    Args:
        standing: Where the job stands; its `spot` is that of `seen`.
        seen: What was seen of spot up to now.
        tables: Terms and tables of this job.
    """
    terms = tables.terms
    if standing.work_s <= 0:
        return Choice(Move.WAIT, "the work is done")
    if (spare := spare_s(standing, terms)) < 0:
        return _late(standing, -spare)
    if not (allowed(Move.WAIT, standing, terms) or allowed(Move.SPOT, standing, terms)):
        return Choice(
            Move.ON_DEMAND,
            f"{duration(standing.slack_s)} of slack is what a restart of "
            f"{duration(terms.restart_s)} needs: on-demand, or the deadline is at risk",
        )
    expected = scales(seen, tables.prior)
    move = tables.of(expected).move(standing, seen.age_s)
    if not allowed(move, standing, terms):
        move = Move.ON_DEMAND
    usual = duration(2 * expected.of(up=seen.up))
    return Choice(move, _reason(move, standing, terms, usual))


def _late(standing: Standing, by_s: float) -> Choice:
    """The deadline is lost on demand; spot that runs is faster by the restart that it saves."""
    if standing.running is Move.SPOT and standing.spot:
        return Choice(Move.SPOT, "on-demand would be late: spot that runs is kept while it lasts")
    return Choice(
        Move.ON_DEMAND, f"the deadline will be missed by {duration(by_s)}: on-demand, at once"
    )


def _reason(move: Move, standing: Standing, terms: Terms, usual: str) -> str:
    slack, restart = duration(standing.slack_s), duration(terms.restart_s)
    spot, sure = terms.spot_usd_per_hour, terms.on_demand_usd_per_hour
    if move is Move.SPOT:
        return f"spot at {spot:.2f} USD/h beside {sure:.2f}, {slack} of slack, spells of {usual}"
    if move is Move.WAIT and standing.spot:
        return f"spot is there, too briefly by what was seen to pay a restart of {restart}"
    if move is Move.WAIT:
        return f"no spot for {usual} as a rule, and {slack} of slack to wait in"
    if standing.spot:
        return f"on-demand: spells of {usual} do not pay a restart of {restart}, {slack} of slack"
    return f"on-demand: {slack} of slack is worth more later than the wait for spot"
