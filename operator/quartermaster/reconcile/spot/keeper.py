"""Looks at spot and at who runs on it: deadlines are kept at the least cost, hopeless spot refused.

What it knows of spot, of tables and of restarts is in memory alone: a new operator begins with what
is expected of any zone, and with what stands on the jobs.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from quartermaster.api.record import JobRecord
from quartermaster.decide.fleet import Estate, fleet_of
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.spot.markets import Markets, market_of
from quartermaster.decide.spot.offers import Scenery, nodes_wanted
from quartermaster.decide.spot.outlook import CAPACITIES, Course, Outlook, weigh
from quartermaster.decide.spot.refusal import mean_s, spot_refusal
from quartermaster.decide.spot.table import Tables
from quartermaster.decide.spot.values import Move
from quartermaster.decide.workers import places
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.decision import Refusal, Waiting
from quartermaster.domain.queue import Resize
from quartermaster.domain.workload import Gang
from quartermaster.reconcile.demand import size_of
from quartermaster.reconcile.elastic.rounds import tell
from quartermaster.reconcile.ports import Clock, Reports, Telemetry, View, Writer
from quartermaster.reconcile.spot.course import (
    UNKNOWN_RESTART_S,
    course,
    has_choice,
    measured_restart_s,
    toll,
    unsaved_s,
)

logger = logging.getLogger(__name__)

LOOK_SECONDS = 5.0
"""Far below `DECISION_S`, so that a look that comes late breaks no promise."""
SETTLE_SECONDS = 0.2

NEW = "it is weighed against its deadline"
"""Why a job waits that nobody has looked at yet."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the keeper works with."""

    view: View
    writer: Writer
    telemetry: Telemetry
    clock: Clock
    reports: Reports
    hardware: Hardware = NOTHING_KNOWN


@dataclass(slots=True)
class Kept:
    """What is kept of a job from look to look."""

    outlook: Outlook
    tables: Tables | None


class SpotKeeper:
    """Chooses capacity for jobs that leave it open, and moves those that a deadline calls off."""

    def __init__(self, around: Surroundings, changed: Callable[[str], None]) -> None:
        self._around = around
        self._view = around.view
        self._clock = around.clock
        self._changed = changed
        self._markets = Markets()
        self._estate: Estate | None = None
        self._at: Scenery | None = None
        """What there was at the last look."""
        self._kept: dict[str, Kept] = {}
        self._refused: dict[str, str] = {}
        self._restarts: dict[str, float] = {}
        """What a restart has taken each job at the most [s]: one that waits shows it no more."""
        self._unsaved: dict[str, float] = {}
        """For how long each job went on without a save, at the most [s of running].

        A script that tells no period saves when it likes, and a move saves early.
        """
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Something has changed on a job or on the nodes."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.once()
            except Exception:  # one bad object must not let every deadline pass
                logger.exception("a look at the deadlines failed")
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
                    await asyncio.sleep(SETTLE_SECONDS)
            except TimeoutError:
                pass

    async def once(self) -> None:
        """One look at spot, and at all jobs that have a deadline."""
        now, snapshot = self._clock.now(), self._view.snapshot()
        courses = self._courses(now)
        sizes = {n for _, it in courses for n in nodes_wanted(it.gang, self._markets)}
        self._markets = self._markets.then(snapshot.nodes, sizes, now)
        self._kept = {job.uid: self._kept[job.uid] for job, _ in courses if job.uid in self._kept}
        if not courses and not self._markets.seen:
            self._estate = self._at = None
            return
        before, self._estate = self._estate, None
        fleet = await asyncio.to_thread(fleet_of, snapshot, before)
        self._at = Scenery(fleet, self._markets, self._around.hardware, now)
        for job, it in courses:
            try:
                await self._look_at(job, it, self._at)
            except Exception:  # one bad object must not let every deadline pass
                logger.exception("%s: a look at its deadline failed", job.key)
        self._estate = fleet.estate

    def judge(self, gang: Gang) -> Gang | Waiting:
        """The gang on the capacity that was chosen for it, or that it waits for spot."""
        job = self._view.job(gang.uid)
        self._refused.pop(gang.uid, None)
        if job is None or gang.held or gang.capacity is not None:
            return gang
        return self._by_deadline(gang) if has_choice(job) else self._off_hopeless(gang, job)

    def _by_deadline(self, gang: Gang) -> Gang | Waiting:
        kept = self._kept.get(gang.uid)
        if kept is None:
            self._wake.set()
            return Waiting(Refusal.DEADLINE_ALLOWS_WAITING, NEW)
        move = kept.outlook.move
        if move is None:
            return gang
        if move is Move.WAIT:
            return Waiting(Refusal.DEADLINE_ALLOWS_WAITING, f"waits: {kept.outlook.reason}")
        if move not in kept.outlook.room:
            return gang  # whatever has room is better than what has none
        return replace(gang, capacity=CAPACITIES[move])

    def _off_hopeless(self, gang: Gang, job: JobRecord) -> Gang:
        """The gang, on demand only where spot would cost more for all its interruptions."""
        took = self._restarts.get(job.uid)
        cost = None if took is None else toll(job, took)
        if self._at is None or cost is None:
            return gang
        why = spot_refusal(gang, self._at, cost)
        if why is None:
            return gang
        self._refused[gang.uid] = why
        return replace(gang, capacity=Capacity.ON_DEMAND)

    def refused(self, job_uid: str) -> str:
        """Why a job is kept off spot, in one sentence; empty where it is not."""
        return self._refused.get(job_uid, "")

    def mean_s(self, job_uid: str) -> float | None:
        """Mean time between interruptions of a job where it is now [s]; None off spot."""
        names = places(self._view.workers(job_uid))
        nodes = [node for name in names if (node := self._view.node(name))]
        spot = [node for node in nodes if node.capacity is Capacity.SPOT]
        seen = {market_of(node): self._markets.seen.get(market_of(node)) for node in spot}
        if not spot:
            return None
        return mean_s([one.interruptions for one in seen.values() if one], len(spot))

    def outlook(self, job_uid: str) -> Outlook | None:
        """How a job stands to its deadline; None where nobody has looked at it."""
        kept = self._kept.get(job_uid)
        return None if kept is None else kept.outlook

    def _courses(self, now: datetime) -> list[tuple[JobRecord, Course]]:
        found: list[tuple[JobRecord, Course]] = []
        restarts: dict[str, float] = {}
        unsaved: dict[str, float] = {}
        for job in self._view.jobs():
            took = measured_restart_s(job, self._view.workers(job.uid))
            longest = max(took or 0.0, self._restarts.get(job.uid, 0.0))
            if longest:
                restarts[job.uid] = longest
            if job.spec is None or job.spec.placement.deadline_time is None:
                continue
            report = self._around.reports.last(job.uid)
            unsaved[job.uid] = max(unsaved_s(job, report), self._unsaved.get(job.uid, 0.0))
            it = course(
                job,
                self._view,
                report,
                now,
                restart_s=longest or UNKNOWN_RESTART_S,
                unsaved_s=unsaved[job.uid],
            )
            if it is not None:
                found.append((job, it))
        self._restarts, self._unsaved = restarts, unsaved
        self._refused = {uid: why for uid, why in self._refused.items() if self._view.job(uid)}
        return found

    async def _look_at(self, job: JobRecord, it: Course, at: Scenery) -> None:
        old = self._kept.get(job.uid)
        before, tables = (None, None) if old is None else (old.outlook, old.tables)
        if before is not None and before.deadline != it.deadline:
            before = tables = None
        # A table takes most of a second: the lease and the watches do not wait for it.
        outlook, tables = await asyncio.to_thread(weigh, it, at, before, tables)
        if not has_choice(job):
            outlook = replace(outlook, move=None, reason="")
        self._kept[job.uid] = Kept(outlook, tables)
        if before is None or (before.move, before.reason) != (outlook.move, outlook.reason):
            self._changed(job.uid)
        fresh = self._view.job(job.uid)
        if fresh is None or fresh.resize is not None or fresh.sent_away or fresh.spec is None:
            return  # somebody else has told it something meanwhile
        if fresh.finished or fresh.deleting or fresh.spec.suspend:
            return
        note = self._departure(fresh, it, outlook)
        if note is not None and await tell(job, note, self._around.writer, self._around.telemetry):
            self._changed(job.uid)

    def _departure(self, job: JobRecord, it: Course, outlook: Outlook) -> Resize | None:
        """The note that a running job goes over to what was chosen; None where it stays."""
        move, now = outlook.move, self._clock.now()
        if move is None or it.running in (Move.WAIT, move):
            return None
        if (it.work_s or 0.0) <= it.restart_s:
            return None  # it is done before it could go on elsewhere
        if it.running is Move.SPOT and move is Move.WAIT:
            return None  # what is paid for and there is used
        if move is not Move.WAIT and move not in outlook.room:
            return None
        verb = {
            Move.SPOT: "moves to spot",
            Move.ON_DEMAND: "moves to on-demand",
            Move.WAIT: "moves off on-demand and waits",
        }[move]
        nodes = tuple(sorted(places(self._view.workers(job.uid))))
        return Resize(size_of(job, self._view), f"{verb}: {outlook.reason}", now, avoids=nodes)
