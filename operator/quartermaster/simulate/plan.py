"""What would become of jobs that nobody has applied yet, by the code that decides when they are.

A plan is one round of `admit` with the new gangs among those that wait. Where others would be
stopped for one of them, a second round tells where it goes once they are gone.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from math import isfinite

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.reserve import begun
from quartermaster.decide.queue.room import taken, without
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.share import Measure, measure
from quartermaster.decide.queue.shrink import Shrink
from quartermaster.decide.queue.victims import lost_work
from quartermaster.domain.decision import Decision, Placed, Refusal, Waiting
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang


class Outcome(StrEnum):
    """What would become of a job."""

    STARTS = "Starts"
    """At once."""
    MAKES_ROOM = "MakesRoom"
    """As soon as those who are stopped have saved their work."""
    WAITS = "Waits"


@dataclass(frozen=True, slots=True)
class Loss:
    """A running job that would be stopped."""

    holding: Holding
    why: str
    """What its user would be told."""
    usd: Fraction
    """What is lost by it: time since its last checkpoint, at the price of its places [USD]."""


@dataclass(frozen=True, slots=True)
class Planned:
    """What would become of one job."""

    gang: Gang
    outcome: Outcome
    decision: Decision
    """Where, and why there; of one that waits, why."""
    losses: tuple[Loss, ...] = ()
    """Who would have to make room for it."""
    shrinks: tuple[Shrink, ...] = ()
    """Elastic jobs that would go on with fewer workers for it."""
    start_s: float | None = None
    """Time until its reservation begins [s]; None where it has none, or nobody knows."""

    @property
    def usd_per_hour(self) -> Fraction | None:
        """Price of its places [USD/h]; None while it has none, or where one is unknown."""
        if not isinstance(self.decision, Placed):
            return None
        rates = [one.usd_per_hour for one in self.decision.assignments]
        return None if None in rates else sum((r for r in rates if r is not None), Fraction(0))

    def seconds(self, steps: int | None) -> float | None:
        """Time that so many steps take where it would be [s]; None where that is unknown."""
        if steps is None or not isinstance(self.decision, Placed):
            return None
        each = self.decision.predicted_step_seconds
        return None if each is None else each * steps

    def usd(self, seconds: float | None) -> Fraction | None:
        """What so much time costs there [USD]; None where that is unknown."""
        rate = self.usd_per_hour
        return None if rate is None or seconds is None else rate * Fraction(seconds) / 3600


def plan(scene: Scene, gangs: Sequence[Gang]) -> list[Planned]:
    """What would become of these gangs if they came now, in the order in which they are served.

    Args:
        scene: The cluster; the namespaces of the gangs are told in it too.
        gangs: Who would come, later than everybody who waits; uids are their own.
    """
    new = {gang.uid for gang in gangs}
    asked = replace(scene, waiting=[*scene.waiting, *gangs])
    verdicts = list(admit(asked))
    later = _once_room_is_made(asked, verdicts, new)
    worth = measure(scene.snapshot)
    return [
        _planned(verdict, later.get(verdict.gang.uid), worth)
        for verdict in verdicts
        if verdict.gang.uid in new
    ]


def _planned(verdict: Verdict, later: Decision | None, worth: Measure) -> Planned:
    gang, decision = verdict.gang, verdict.decision
    if isinstance(decision, Placed):
        return Planned(gang, Outcome.STARTS, decision)
    losses = tuple(Loss(one, why, lost_work(one, worth)) for one, why in verdict.stop)
    if decision.refusal is Refusal.PREEMPTING:
        return Planned(gang, Outcome.MAKES_ROOM, later or decision, losses, verdict.shrink)
    kept = verdict.reservation
    start = kept.start_s if kept is not None and isfinite(kept.start_s) else None
    return Planned(gang, Outcome.WAITS, decision, losses, start_s=start)


def _once_room_is_made(
    scene: Scene, verdicts: Iterable[Verdict], new: Collection[str]
) -> dict[str, Decision]:
    """Where those of the new gangs will be that others are stopped for, by uid."""
    told = list(verdicts)
    awaited = {
        verdict.gang.uid
        for verdict in told
        if isinstance(verdict.decision, Waiting)
        and verdict.decision.refusal is Refusal.PREEMPTING
        and verdict.gang.uid in new
    }
    if not awaited:
        return {}
    return {
        verdict.gang.uid: verdict.decision
        for verdict in admit(settled(scene, told))
        if verdict.gang.uid in awaited and isinstance(verdict.decision, Placed)
    }


def settled(scene: Scene, verdicts: Iterable[Verdict]) -> Scene:
    """The scene after a round: who was placed runs, who was stopped, or gave workers, has gone."""
    fleet, waiting = fleet_of(scene.snapshot), list[Gang]()
    fleet = without(fleet, scene.holdings, only_leaving=True)
    holdings = {holding.uid: holding.staying() for holding in scene.holdings}
    for verdict in verdicts:
        gang = verdict.gang
        fleet = without(fleet, (holdings[victim.uid] for victim, _ in verdict.stop))
        for victim, _ in verdict.stop:
            holdings[victim.uid] = replace(
                victim, seats=(), stopped_for=gang.uid, made_room=dict(verdict.places)
            )
        fleet = without(fleet, [one.freed for one in verdict.shrink])
        holdings |= {one.rest.uid: one.rest for one in verdict.shrink}
        if isinstance(verdict.decision, Placed):
            fleet = taken(fleet, verdict.decision.assignments, gang.per_worker)
            holdings.setdefault(gang.uid, begun(gang, verdict.decision))
        else:
            waiting.append(gang)
    return replace(
        scene,
        snapshot=fleet.snapshot(),
        holdings=list(holdings.values()),
        waiting=waiting,
        fleet=None,
    )
