"""A cluster of queues in fast motion: rounds of `admit`, jobs that end, victims that come again."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from math import inf
from typing import Any

from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.share import model_of
from quartermaster.decide.queue.tree import Ledger, tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import Holding, Queue, Seat
from quartermaster.domain.workload import Gang
from tests.support import make


def queue(name: str, parent: str | None = None, weight: str = "1", **more: Any) -> Queue:
    """A queue; `t4` and `h100` are its nominal quotas."""
    models = {make.T4: more.pop("t4", 0), make.H100: more.pop("h100", 0)}
    nominal = {model: gpus for model, gpus in models.items() if gpus}
    return Queue(name, parent, Fraction(weight), nominal, **more)


def holding(
    name: str, queue: str | None, seats: Mapping[str, int], *, gpus: int = 1, **more: Any
) -> Holding:
    """A running job: workers by `NODE` or `NODE:MODEL`."""
    places = []
    for place, count in seats.items():
        node, _, model = place.partition(":")
        places += [Seat(node, model or make.T4)] * count
    return Holding(
        key=NamespacedName("team", name),
        uid=f"uid-{name}",
        queue=queue,
        per_worker=make.resources(gpus),
        seats=tuple(places),
        **{"started": make.T0, **more},
    )


def occupied(snapshot: Snapshot, holdings: Iterable[Holding]) -> Snapshot:
    """The snapshot with what these jobs hold."""
    more: dict[str, Any] = {}
    for one in holdings:
        for seat in one.seats:
            more[seat.node] = more.get(seat.node, make.NOTHING) + one.per_worker
    nodes = (
        replace(node, used=node.used + more.get(node.name, make.NOTHING)) for node in snapshot.nodes
    )
    return replace(snapshot, nodes=tuple(nodes))


@dataclass
class Run:
    """A job on its nodes."""

    gang: Gang
    seats: tuple[Seat, ...]
    ends: float
    began: float = 0.0
    stopped_for: str = ""
    made_room: dict[str, int] = field(default_factory=dict)


@dataclass
class World:
    """Nodes and queues, and the jobs on them; time passes when the test says so."""

    empty: Snapshot
    queues: tuple[Queue, ...]
    waiting: dict[str, Gang] = field(default_factory=dict)
    running: dict[str, Run] = field(default_factory=dict)
    lasts: dict[str, float] = field(default_factory=dict)
    """Run time of each job [s]; infinite without an entry."""
    now: float = 0.0
    started: dict[str, float] = field(default_factory=dict)
    stops: list[tuple[str, str]] = field(default_factory=list)
    """Uids: who was served, and who was stopped for it."""
    ends_known: bool = True

    def holdings(self) -> list[Holding]:
        return [
            Holding(
                key=run.gang.key,
                uid=uid,
                queue=run.gang.queue,
                per_worker=run.gang.per_worker,
                seats=run.seats,
                priority=run.gang.priority,
                started=make.after(run.began),
                remaining_s=run.ends - self.now if self.ends_known and run.ends < inf else None,
                lost_s=self.now - run.began,
                stopped_for=run.stopped_for,
                made_room=run.made_room,
            )
            for uid, run in self.running.items()
        ]

    def scene(self) -> Scene:
        held = self.holdings()
        return Scene(
            snapshot=occupied(self.empty, held),
            waiting=list(self.waiting.values()),
            holdings=held,
            tree=tree_of(self.queues),
        )

    def round(self) -> list[Verdict]:
        """One cycle: what is placed starts, who is stopped is on the way out."""
        models = {node.name: model_of(node) for node in self.empty.nodes}
        verdicts = list(admit(self.scene()))
        for verdict in verdicts:
            uid = verdict.gang.uid
            for victim, _ in verdict.stop:
                self.stops.append((uid, victim.uid))
                run = self.running[victim.uid]
                run.stopped_for, run.made_room = uid, dict(verdict.places)
                run.seats = tuple(replace(seat, leaving=True) for seat in run.seats)
            if isinstance(verdict.decision, Placed):
                del self.waiting[uid]
                gpus = verdict.gang.per_worker.gpus
                seats = tuple(
                    Seat(one.node, models[one.node] if gpus else "")
                    for one in verdict.decision.assignments
                )
                ends = self.now + self.lasts.get(uid, inf)
                self.running[uid] = Run(verdict.gang, seats, ends, self.now)
                self.started.setdefault(uid, self.now)
        return verdicts

    def stopped_are_gone(self) -> list[str]:
        """The workers of those that were stopped have ended; who they were stopped for.

        A job that was stopped waits again once the one that it was stopped for has its places.
        """
        stopped = {uid: run for uid, run in self.running.items() if run.stopped_for}
        for uid, run in stopped.items():
            run.seats = ()
            if run.stopped_for not in self.waiting:
                self.waiting[uid] = self.running.pop(uid).gang
        return [run.stopped_for for run in stopped.values()]

    def settle(self, rounds: int = 50) -> None:
        """Rounds, and the ends of those stopped, until nothing changes any more."""
        for _ in range(rounds):
            before = (set(self.running), len(self.stops))
            self.round()
            left = self.stopped_are_gone()
            if not left and (set(self.running), len(self.stops)) == before:
                return
        raise AssertionError(f"no rest after {rounds} rounds: {self.stops[-8:]}")

    def next_end(self) -> None:
        """Time passes to the next end of a job."""
        held = {uid: run for uid, run in self.running.items() if run.seats}
        self.now = min(run.ends for run in held.values())
        assert self.now < inf, "nothing ends"
        for uid, run in held.items():
            if run.ends <= self.now:
                del self.running[uid]

    def ledger(self) -> Ledger:
        """Who holds what, counted anew."""
        ledger = Ledger(tree_of(self.queues))
        for one in self.holdings():
            if one.queue is not None:
                for model, gpus in one.gpus_by_model().items():
                    ledger.charge(one.queue, model, gpus)
        return ledger
