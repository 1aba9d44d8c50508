"""The event loop: jobs come, end, and are gone; in between, whoever waits is judged by `admit`.

Decisions take no simulated time. A job that is stopped keeps its places for its grace, saves, and
goes on later from where it was: work is conserved. There is no chance in it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from fractions import Fraction
from heapq import heappop, heappush
from math import inf

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.reserve import begun
from quartermaster.decide.queue.room import taken, without
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.share import decayed, measure
from quartermaster.decide.queue.tree import Tree, ledger_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Placed, Waiting
from quartermaster.domain.queue import History, Holding
from quartermaster.simulate.trace.job import Stay, Submission, Terms, moment
from quartermaster.simulate.trace.outcome import Ending, Record

Progress = Callable[[float, int, int], None]
"""Called with the simulated time [s], jobs that have ended, and jobs that wait or run [count]."""


class _Kind(IntEnum):
    """What happens at one moment, in this order."""

    END = 0
    GONE = 1
    """The workers of a stopped job have saved."""
    PATIENCE = 2
    """A stopped job waits no longer for the one that it made room for."""
    SUBMIT = 3


@dataclass(slots=True)
class _Run:
    """A job on its places, or stopped and not waiting again yet."""

    job: Submission
    placed: Placed
    holding: Holding
    """Without what changes with time."""
    start_s: float
    works_from_s: float
    whole_s: float
    """What the whole job takes on these places [s]."""
    left: float
    """Part of the job that was left at the start, 0 to 1."""
    ending: Ending
    end_s: float
    stopped_s: float | None = None

    def worked_s(self, now: float) -> float:
        """Work since the start that is kept [s]."""
        until = min(now, self.end_s if self.stopped_s is None else self.stopped_s)
        return min(self.left * self.whole_s, max(0.0, until - self.works_from_s))


@dataclass(slots=True)
class _Waiter:
    """What is kept of a job from one stretch to the next."""

    job: Submission
    left: float = 1.0
    stays: list[Stay] = field(default_factory=list)
    why: str = ""
    """Why it had no place when it was last judged."""


class Simulation:
    """A cluster, its queues, and a trace that passes through them."""

    def __init__(
        self,
        cluster: Snapshot,
        tree: Tree,
        terms: Terms,
        hardware: Hardware = NOTHING_KNOWN,
        namespaces: Mapping[str, Mapping[str, str]] | None = None,
    ) -> None:
        self._terms = terms
        self._fleet = fleet_of(cluster)
        self._worth = measure(cluster)
        self._tree, self._hardware = tree, hardware
        self._namespaces = namespaces or {}
        self._events: list[tuple[float, int, int, str]] = []
        self._scheduled = 0
        self._jobs: dict[str, _Waiter] = {}
        self._waiting: dict[str, None] = {}
        """Uids, in the order in which they came."""
        self._running: dict[str, _Run] = {}
        self._records: dict[str, Record] = {}
        self._history = {
            name: History(Fraction(0), moment(0.0))
            for name, queue in tree.queues.items()
            if not queue.unlimited
        }
        self.after_decision: Callable[[float, Snapshot, Sequence[Holding]], None] | None = None
        """Called after each decision with the time, the nodes and who holds them."""

    def run(
        self, submissions: Sequence[Submission], progress: Progress | None = None
    ) -> list[Record]:
        """Simulate until nothing happens any more; the records in the order of the submissions.

        Args:
            submissions: The trace; uids are unique.
            progress: Told of each moment.
        """
        self._jobs = {job.gang.uid: _Waiter(job) for job in submissions}
        for job in submissions:
            self._schedule(job.submit_s, _Kind.SUBMIT, job.gang.uid)
        while self._events:
            now = self._events[0][0]
            self._remember(now)
            moved = False
            while self._events and self._events[0][0] == now:
                _, kind, _, uid = heappop(self._events)
                moved |= self._happens(_Kind(kind), uid, now)
            if moved:
                self._decide(now)
            if progress is not None:
                progress(now, len(self._records), len(self._waiting) + len(self._running))
        return [self._record(uid) for uid in self._jobs]

    def _happens(self, kind: _Kind, uid: str, now: float) -> bool:
        """One event; whether it may give somebody a place."""
        if kind is _Kind.SUBMIT:
            self._waiting[uid] = None
            return True
        run = self._running.get(uid)
        if run is None:
            return False
        if kind is _Kind.END:
            return self._end(run, now)
        if kind is _Kind.GONE:
            self._leave(run, now)
            return True
        return self._lose_patience(run, now)

    def _end(self, run: _Run, now: float) -> bool:
        if run.stopped_s is not None or run.end_s != now:
            return False  # It was stopped before, and ends later.
        self._leave(run, now)
        del self._running[run.holding.uid]
        self._close(run.holding.uid, run.ending, now)
        return True

    def _lose_patience(self, run: _Run, now: float) -> bool:
        if run.stopped_s is None or run.holding.seats or run.stopped_s + self._patience() > now:
            return False
        self._wait_again(run.holding.uid)
        return True

    def _patience(self) -> float:
        return max(self._terms.claim_s, self._terms.stop_s)

    def _decide(self, now: float) -> None:
        """Rounds until no stopped job is left whose place is taken: such a one waits again."""
        again = True
        while again and self._waiting:
            for verdict in admit(self._scene(now)):
                self._follow(verdict, now)
            again = False
            for uid, run in list(self._running.items()):
                stopped = run.stopped_s is not None and not run.holding.seats
                if stopped and run.holding.stopped_for not in self._waiting:
                    self._wait_again(uid)
                    again = True
        if self.after_decision is not None:
            self.after_decision(now, self._fleet.snapshot(), self._holdings(now))

    def _follow(self, verdict: Verdict, now: float) -> None:
        """Do what was decided."""
        uid, decision = verdict.gang.uid, verdict.decision
        if isinstance(decision, Waiting):
            self._jobs[uid].why = decision.message
            for victim, _ in verdict.stop:
                self._stop(victim.uid, uid, dict(verdict.places), now)
        else:
            self._start(uid, decision, now)

    def _start(self, uid: str, placed: Placed, now: float) -> None:
        kept = self._jobs[uid]
        job, gang = kept.job, kept.job.gang
        del self._waiting[uid]
        self._fleet = taken(self._fleet, placed.assignments, gang.per_worker)
        works_from = now + (self._terms.restart_s if kept.stays else 0.0)
        whole = job.whole_s(placed)
        end, ending = works_from + kept.left * whole, Ending.COMPLETE
        if gang.runtime_s is not None and now + gang.runtime_s < end:
            end, ending = now + gang.runtime_s, Ending.DEADLINE
        rates = [one.usd_per_hour for one in placed.assignments]
        rate = None if None in rates else sum((r for r in rates if r is not None), Fraction(0))
        holding = replace(begun(gang, placed), started=moment(now), usd_per_hour=rate)
        self._running[uid] = _Run(
            job, placed, holding, now, works_from, whole, kept.left, ending, end
        )
        self._schedule(end, _Kind.END, uid)

    def _stop(self, uid: str, by: str, places: Mapping[str, int], now: float) -> None:
        run = self._running[uid]
        seats = tuple(replace(seat, leaving=True) for seat in run.holding.seats)
        run.holding = replace(run.holding, seats=seats, stopped_for=by, made_room=places)
        run.stopped_s = now
        self._schedule(now + self._terms.stop_s, _Kind.GONE, uid)
        self._schedule(now + self._patience(), _Kind.PATIENCE, uid)

    def _leave(self, run: _Run, now: float) -> None:
        """A job's places are free again, and what it has done is written down."""
        kept = self._jobs[run.holding.uid]
        self._fleet = without(self._fleet, [run.holding])
        worked = run.worked_s(now)
        done = run.stopped_s is None and run.ending is Ending.COMPLETE
        kept.left = 0.0 if done else run.left - (worked / run.whole_s if run.whole_s else 0.0)
        gpus = len(run.holding.seats) * run.holding.per_worker.gpus
        kept.stays.append(Stay(run.placed, run.start_s, now, gpus, worked))
        run.holding = replace(run.holding, seats=())

    def _wait_again(self, uid: str) -> None:
        del self._running[uid]
        self._waiting[uid] = None

    def _scene(self, now: float) -> Scene:
        return Scene(
            snapshot=self._fleet.snapshot(),
            waiting=[self._jobs[uid].job.gang for uid in self._waiting],
            holdings=self._holdings(now),
            tree=self._tree,
            past={name: history.gpus for name, history in self._history.items()},
            namespaces=self._namespaces,
            hardware=self._hardware,
            fleet=self._fleet,
        )

    def _holdings(self, now: float) -> list[Holding]:
        return [self._holding(run, now) for run in self._running.values()]

    def _holding(self, run: _Run, now: float) -> Holding:
        left = self._left_s(run, now)
        since = max(0.0, now - run.works_from_s)
        period = self._terms.checkpoint_s
        lost = since % period if period else 0.0
        return replace(run.holding, remaining_s=left, lost_s=lost)

    def _left_s(self, run: _Run, now: float) -> float | None:
        """Time to a job's end, as the operator knows it [s]."""
        limit = run.job.gang.runtime_s
        known = [] if limit is None else [run.start_s + limit - now]
        if self._terms.ends_known:
            known.append(run.end_s - now)
        return max(0.0, min(known)) if known else None

    def _remember(self, now: float) -> None:
        """Let what the queues have used since the last moment go into their history."""
        if self._terms.half_life_s <= 0:
            self._history = {}
        if not self._history:
            return
        ledger = ledger_of(self._tree, (run.holding for run in self._running.values()))
        for name, before in self._history.items():
            used = self._worth.used(ledger, name)
            mean = decayed(before, used, self._terms.half_life_s, moment(now))
            self._history[name] = History(mean, moment(now))

    def _schedule(self, time: float, kind: _Kind, uid: str) -> None:
        if time < inf:
            self._scheduled += 1
            heappush(self._events, (time, int(kind), self._scheduled, uid))

    def _close(self, uid: str, ending: Ending, now: float | None) -> None:
        kept = self._jobs[uid]
        self._records[uid] = Record(kept.job, ending, now, tuple(kept.stays), kept.left, kept.why)

    def _record(self, uid: str) -> Record:
        if uid not in self._records:
            self._close(uid, Ending.NEVER_PLACED, None)
        return self._records[uid]
