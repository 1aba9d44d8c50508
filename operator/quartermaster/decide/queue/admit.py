"""One round of serving the queues: order, quota, room, and who is stopped or let past for whom.

A generator over plain values: each gang's verdict comes as soon as it stands, and what it changes
for the others is in a state that nobody else sees. See ADR-0009.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue import explain
from quartermaster.decide.queue.order import by_share, in_order, queue_of
from quartermaster.decide.queue.reserve import Reservation, begun, earliest
from quartermaster.decide.queue.room import taken, tightest, without
from quartermaster.decide.queue.share import Measure, Past, label_of, measure
from quartermaster.decide.queue.tree import Ledger, Tree
from quartermaster.decide.queue.victims import Case, Room, Stop, victims
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Decision, Placed, Refusal, Waiting
from quartermaster.domain.queue import UNKNOWN_MODEL, Holding
from quartermaster.domain.workload import Gang

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a round is decided from."""

    snapshot: Snapshot
    """What is held now, by pods that are being stopped too."""
    waiting: Sequence[Gang]
    holdings: Sequence[Holding]
    tree: Tree
    past: Past = field(default_factory=dict)
    namespaces: Mapping[str, Labels] = field(default_factory=dict)
    """Labels of the namespaces of the waiting gangs."""
    victim_trials: int = 32
    """Placements that are tried to find whom to stop for one gang [count]."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of one gang in this round."""

    gang: Gang
    decision: Decision
    stop: tuple[tuple[Holding, str], ...] = ()
    """Jobs to be stopped for it, each with what its user is to be told."""
    reservation: Reservation | None = None
    """What is kept for it, if it is the first that has no room."""
    repeated: bool = False
    """Whether it is the answer to an earlier gang of the same shape."""


def admit(scene: Scene) -> Iterator[Verdict]:
    """The verdict on every waiting gang, in the order in which they are served.

    First gangs of which a part is on nodes already, then those for which others have been stopped,
    then by sureness, share and priority. What is placed, promised or kept is gone for those behind.
    """
    state = _Round(scene)
    claims = {holding.stopped_for for holding in scene.holdings} - {""}
    partly = [gang for gang in scene.waiting if gang.held]
    claimed = [gang for gang in scene.waiting if gang.uid in claims and not gang.held]
    served = {gang.uid for gang in (*partly, *claimed)}
    for gang in (*in_order(partly), *in_order(claimed)):
        yield state.judge(gang)
    rest = [gang for gang in scene.waiting if gang.uid not in served]
    for gang in by_share(rest, state.promised, state.measure, scene.past):
        yield state.judge(gang)


class _Round:
    """What has been given away, promised and kept so far."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self.measure: Measure = measure(scene.snapshot)
        self._now = scene.snapshot
        self._soon = without(scene.snapshot, scene.holdings, only_leaving=True)
        self._reservation: Reservation | None = None
        self._running = [holding for holding in scene.holdings if holding.staying().seats]
        self._begun: list[Holding] = []
        self._empty = Ledger(scene.tree)
        self._held = Ledger(scene.tree)
        """What is held now."""
        self.promised = Ledger(scene.tree)
        """What is held soon, with what was promised to those who wait for others to stop."""
        self._kept = Ledger(scene.tree)
        """That, and what is kept for the first of each tree that waits for quota."""
        self._quota_heads: set[str] = set()
        self._refused: dict[tuple[object, ...], Waiting] = {}
        for holding in scene.holdings:
            self._charge(holding.queue, holding.gpus_by_model(), self._held)
            staying = holding.gpus_by_model(with_leaving=False)
            self._charge(holding.queue, staying, self.promised, self._kept)

    def judge(self, gang: Gang) -> Verdict:
        """The verdict on the next gang."""
        barred = self._barred(gang)
        if barred is not None:
            return Verdict(gang, barred)
        shape = _shape(gang)
        before = self._refused.get(shape)
        if before is not None:
            return Verdict(gang, before, repeated=True)
        decision, models = self._placing(gang, self._held, self._rooms(gang, self._now))
        if isinstance(decision, Placed):
            self._give(gang, decision)
            return Verdict(gang, decision)
        verdict = self._claim(gang) or self._preempt(gang)
        if verdict is not None:
            return verdict
        waiting = self._why(gang, decision, models)
        self._refused[shape] = waiting
        if waiting.refusal is Refusal.NO_CAPACITY and self._reservation is None:
            self._reservation = earliest(self._limited(gang, models), self._soon, self._all())
            if self._reservation is not None:
                waiting = explain.kept_for_it(waiting, self._reservation)
                return Verdict(gang, waiting, reservation=self._reservation)
        return Verdict(gang, waiting)

    def _barred(self, gang: Gang) -> Waiting | None:
        """Why the queue does not take the gang at all."""
        queue = self._scene.tree.queues.get(queue_of(gang))
        if queue is None:
            return explain.no_such_queue(gang, self._scene.tree)
        if queue.fault:
            return explain.unusable(queue)
        if not queue.admits(self._scene.namespaces.get(gang.key.namespace, {})):
            return explain.not_admitted(gang, queue)
        return None

    def _placing(
        self, gang: Gang, ledger: Ledger, rooms: Iterable[Snapshot]
    ) -> tuple[Decision | None, list[str]]:
        """The gang's places within quota and room; and the models of which it has the quota.

        A gang that mixes models needs quota of each; one of a single model is tried first. No
        decision at all means that quota is what is missing.
        """
        room = tightest(rooms)
        usable = self.measure.usable(gang.accelerators)
        models = self._within_quota(gang, ledger, usable)
        decision: Decision | None = None
        if models or not gang.per_worker.gpus or len(models) == len(usable):
            decision = choose(self._limited(gang, models), room)
        if isinstance(decision, Placed) or len(models) == len(usable):
            return decision, models
        mixed = choose(gang, room)
        if isinstance(mixed, Placed) and self._affords(gang, ledger, mixed):
            return mixed, models
        if isinstance(decision, Waiting) and decision.refusal is Refusal.UNSATISFIABLE:
            return None, models  # there are other nodes: it is their quota that is missing
        return decision, models

    def _within_quota(self, gang: Gang, ledger: Ledger, usable: list[str]) -> list[str]:
        queue, need = queue_of(gang), gang.size * gang.per_worker.gpus
        if gang.held or not need or self._scene.tree.queues[queue].unlimited:
            # A gang that is on nodes in part was admitted as a whole: its quota is charged.
            return usable
        return [model for model in usable if self._has(queue, model, need, ledger)]

    def _has(self, queue: str, model: str, gpus: int, ledger: Ledger) -> bool:
        """Whether the quota is there, and not kept for somebody who waits longer for it."""
        kept = self._kept.available(queue, model) >= gpus
        sure = self.promised.within(queue, model, gpus)
        promised = self.promised.available(queue, model) >= gpus
        return ledger.available(queue, model) >= gpus and promised and (kept or sure)

    def _affords(self, gang: Gang, ledger: Ledger, placed: Placed) -> bool:
        counts = _gpus(gang, placed)
        return all(self._has(queue_of(gang), model, n, ledger) for model, n in counts.items())

    def _limited(self, gang: Gang, models: list[str]) -> Gang:
        """The gang on those models only of which it has the quota."""
        usable = self.measure.usable(gang.accelerators)
        if not gang.per_worker.gpus or not models or len(models) == len(usable):
            return gang
        return replace(gang, accelerators=tuple(label_of(model) for model in models))

    def _rooms(self, gang: Gang, *rooms: Snapshot) -> list[Snapshot]:
        """What the gang has to fit into, so that it takes nothing that is another one's."""
        kept = self._reservation
        late = [kept.then] if kept is not None and kept.delayed_by(gang) else []
        return [*rooms, self._soon, *late]

    def _claim(self, gang: Gang) -> Verdict | None:
        """Promise the gang what others are about to give back."""
        if not any(seat.leaving for h in self._scene.holdings for seat in h.seats):
            return None
        decision, _ = self._placing(gang, self.promised, self._rooms(gang))
        if not isinstance(decision, Placed):
            return None
        self._promise(gang, decision)
        stopping = sorted(
            (h for h in self._scene.holdings if h.stopped_for == gang.uid), key=lambda h: h.key
        )
        waiting = explain.preempting(stopping) if stopping else explain.room_coming()
        return Verdict(gang, waiting)

    def _preempt(self, gang: Gang) -> Verdict | None:
        """Have others stopped, if the rules allow it and it lets the whole gang start."""
        kept = self._reservation
        rooms = [Room(self._soon)]
        if kept is not None and kept.delayed_by(gang):
            rooms.append(Room(kept.then, kept.ended))
        trials = self._scene.victim_trials
        case = Case(gang, tuple(rooms), self.promised, self.measure, self._running, trials)
        stop = None if gang.held else victims(case)
        if stop is None:
            return None
        self._stop(stop)
        self._promise(gang, stop.placed)
        told = tuple((v, explain.why_stopped(gang, v)) for v in stop.victims)
        return Verdict(gang, explain.preempting(stop.victims), told)

    def _stop(self, stop: Stop) -> None:
        gone = {victim.uid for victim in stop.victims}
        self._running = [holding for holding in self._running if holding.uid not in gone]
        self._soon = without(self._soon, stop.victims)
        kept = self._reservation
        if kept is not None:
            then = Room(kept.then, kept.ended).without(stop.victims)
            self._reservation = replace(kept, then=then, ended=kept.ended | gone)
        for victim in stop.victims:
            given_back = {model: -gpus for model, gpus in victim.gpus_by_model().items()}
            self._charge(victim.queue, given_back, self.promised, self._kept)

    def _give(self, gang: Gang, placed: Placed) -> None:
        same = self._now is self._soon
        self._promise(gang, placed)
        self._now = self._soon if same else taken(self._now, placed.assignments, gang.per_worker)
        if not gang.held:
            self._charge(gang.queue, _gpus(gang, placed), self._held)

    def _promise(self, gang: Gang, placed: Placed) -> None:
        self._soon = taken(self._soon, placed.assignments, gang.per_worker)
        kept = self._reservation
        if kept is not None and kept.delayed_by(gang):
            then = taken(kept.then, placed.assignments, gang.per_worker)
            self._reservation = replace(kept, then=then)
        if not gang.held:
            self._charge(gang.queue, _gpus(gang, placed), self.promised, self._kept)
        self._begun.append(begun(gang, placed))

    def _why(self, gang: Gang, decision: Decision | None, models: list[str]) -> Waiting:
        kept = self._reservation
        if isinstance(decision, Waiting):
            if kept is not None and kept.delayed_by(gang):
                plain = choose(self._limited(gang, models), tightest([self._now, self._soon]))
                if isinstance(plain, Placed):
                    return explain.reserved(gang, kept)
            return explain.limited(decision, models, self.measure.usable(gang.accelerators))
        queue = queue_of(gang)
        short = [model for model in self.measure.usable(gang.accelerators) if model not in models]
        waiting = explain.quota(gang, queue, short, self._kept, self._empty)
        root = self._scene.tree.path(queue)[0]
        if waiting.refusal is Refusal.QUOTA_USED and root not in self._quota_heads:
            self._quota_heads.add(root)
            need = gang.size * gang.per_worker.gpus
            best = max(short, key=lambda model: self._kept.available(queue, model))
            self._charge(queue, {best: need}, self._kept)
        return waiting

    def _all(self) -> list[Holding]:
        return [*self._running, *self._begun]

    def _charge(self, queue: str | None, gpus: Mapping[str, int], *ledgers: Ledger) -> None:
        if queue is None or queue not in self._scene.tree.queues:
            return
        for model, count in gpus.items():
            for ledger in ledgers:
                ledger.charge(queue, model, count)


def _gpus(gang: Gang, placed: Placed) -> dict[str, int]:
    """GPUs of a gang by model [count]."""
    each = gang.per_worker.gpus
    models = Counter(one.accelerator or UNKNOWN_MODEL for one in placed.assignments)
    return {model: count * each for model, count in sorted(models.items())} if each else {}


def _shape(gang: Gang) -> tuple[object, ...]:
    """What a refusal depends on: within a round, room and quota only become less."""
    return (
        gang.size,
        gang.per_worker,
        gang.held,
        gang.capacity,
        gang.accelerators,
        gang.pools,
        gang.topology,
        gang.topology_level,
        gang.queue,
        gang.priority,
        gang.runtime_s,
    )
