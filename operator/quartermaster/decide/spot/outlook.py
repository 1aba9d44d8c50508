"""How a job stands to its deadline, and what it is to run on: from its run, the nodes, and spot."""

from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction

from quartermaster.decide.spot.deadline import choose, spare_s
from quartermaster.decide.spot.markets import Seen, all_of
from quartermaster.decide.spot.offers import (
    Offer,
    Scenery,
    offer,
    on_demand_nodes,
    spot_nodes,
    wanted,
)
from quartermaster.decide.spot.spells import Spells, scales
from quartermaster.decide.spot.table import Tables
from quartermaster.decide.spot.values import Choice, Move, Standing, Terms
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Gang
from quartermaster.units import duration

DECISION_S = 30.0
"""Longest time between two looks at a job [s]."""
KEPT_ROWS = 8
"""Of each table, steps that are kept [count]: a job has half a MiB, and not 70."""
SAME = 0.05
"""Terms that differ by less are the same ones [1]: costs are flat in them."""
CAPACITIES = {Move.SPOT: Capacity.SPOT, Move.ON_DEMAND: Capacity.ON_DEMAND}


@dataclass(frozen=True, slots=True)
class Course:
    """What is known of a job's run that its deadline is decided from."""

    gang: Gang
    """All of its workers, on whatever capacity."""
    deadline: datetime
    work_s: float | None
    """What is left to do after its last checkpoint [s of running]; None where nobody knows."""
    restart_s: float
    """From the order to stop until steps are made elsewhere [s]."""
    save_every_s: float = 0.0
    """From one save to the next [s]."""
    running: Move = Move.WAIT
    """What it runs on."""
    starting_s: float = 0.0
    """What its last start still needs until it makes steps [s]."""
    usd_per_hour: Fraction | None = None
    """What it costs now [USD/h]; None where that is unknown, or it does not run."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a job stands to its deadline."""

    deadline: datetime
    move: Move | None
    """What it is to run on; None: nothing is chosen for it."""
    reason: str
    work_s: float | None = None
    spare_s: float | None = None
    """What on-demand from now on leaves of the time [s]; below 0: it is late."""
    room: frozenset[Move] = frozenset()
    """Capacity that has room for it now."""
    spot_since: datetime | None = None
    """Since when spot has been there for it, or not."""


def weigh(
    course: Course, at: Scenery, before: Outlook | None, kept: Tables | None
) -> tuple[Outlook, Tables | None]:
    """What a job is to run on until the next look, and the tables that say so.

    Args:
        course: The job.
        at: What there is.
        before: What was found at the last look; None: there was none.
        kept: The tables of the last look, used again where they still hold.
    """
    markets = list(wanted(course.gang, at))
    spot, sure = _spot(course, at, markets), _on_demand(course, at)
    room = frozenset(
        move for move, offer in ((Move.SPOT, spot), (Move.ON_DEMAND, sure)) if offer.there
    )
    unchosen = _why_not(course, spot, sure, known=bool(markets))
    found = Outlook(course.deadline, None, unchosen, course.work_s, room=room)
    if course.work_s is None:
        return found, None
    standing = Standing(
        course.work_s,
        (course.deadline - at.now).total_seconds(),
        course.running,
        course.starting_s,
        spot.there,
    )
    terms = Terms(
        float(spot.usd_per_hour or 0), float(sure.usd_per_hour or 0), course.restart_s, DECISION_S
    )
    found = replace(found, spare_s=spare_s(standing, terms))
    if unchosen:
        return found, None
    same = before is not None and (Move.SPOT in before.room) == spot.there
    since = before.spot_since if before is not None and same else None
    since = since or at.now
    if kept is None or not kept.holds_for(standing) or not _alike(kept.terms, terms):
        kept = Tables(terms, standing, at.prior, KEPT_ROWS)
    choice = choose(standing, _seen(markets, since, at, spot=spot.there), kept)
    if choice.move is Move.SPOT and (why := _too_late(course, standing)):
        choice = Choice(Move.ON_DEMAND, why)
    reason = choice.reason
    if before is not None and before.move is choice.move and (before.spare_s or 0) >= 0:
        # What is said changes with what is done, and not with every look.
        reason = before.reason if (found.spare_s or 0) >= 0 else reason
    return replace(found, move=choice.move, reason=reason, spot_since=since), kept


def _why_not(course: Course, spot: Offer, sure: Offer, *, known: bool) -> str:
    """Why nothing is chosen for a job; empty where something is."""
    if course.work_s is None:
        return "how long it takes is not known before it has made steps"
    if not known and course.running is not Move.SPOT:
        return "there is no spot that would do, and none was seen"
    if sure.usd_per_hour is None:
        return "no on-demand node of a known price would do: nothing can ensure the deadline"
    if spot.usd_per_hour is None:
        return "the price of spot is not known"
    return ""


def _too_late(course: Course, standing: Standing) -> str:
    """Why no start on spot pays any more: it would be left again before its first save.

    What is not saved counts as not done, so a job that runs spends slack until it saves. One that
    was moved for that reason has saved, and would go back and forth.
    """
    needed = 2 * course.restart_s + course.save_every_s + DECISION_S
    if course.running is Move.SPOT or standing.slack_s >= needed:
        return ""
    return (
        f"{duration(standing.slack_s)} of slack is too little for a start on spot, a save every "
        f"{duration(course.save_every_s)} and a restart on demand: on-demand from here on"
    )


def _spot(course: Course, at: Scenery, markets: list[tuple[Seen, int]]) -> Offer:
    if course.running is Move.SPOT:
        return Offer(there=True, usd_per_hour=course.usd_per_hour)
    return offer(course.gang, Capacity.SPOT, at, spot_nodes(markets, at))


def _on_demand(course: Course, at: Scenery) -> Offer:
    if course.running is Move.ON_DEMAND:
        return Offer(there=True, usd_per_hour=course.usd_per_hour)
    nodes = on_demand_nodes(course.gang, at)
    return offer(course.gang, Capacity.ON_DEMAND, at, nodes)


def _seen(markets: list[tuple[Seen, int]], since: datetime, at: Scenery, *, spot: bool) -> Spells:
    """What was seen of the market that spot is, or was, best on.

    Where it has spot and this job has no room on it, the job's own wait is what counts.
    """
    spells = [all_of(seen, count) for seen, count in markets] or [Spells(up=spot)]
    agree = [one for one in spells if one.up == spot]
    best = max(agree or spells, key=lambda one: scales(one, at.prior).up_s)
    age_s = (at.now - since).total_seconds()
    return best if agree else replace(best, up=spot, age_s=age_s)


def _alike(one: Terms, other: Terms) -> bool:
    pairs = (
        (one.spot_usd_per_hour, other.spot_usd_per_hour),
        (one.on_demand_usd_per_hour, other.on_demand_usd_per_hour),
        (one.restart_s, other.restart_s),
    )
    return all(abs(a - b) <= SAME * max(a, b) for a, b in pairs)
