"""One round of serving the queues: order, quota, room, and who is stopped or let past for whom.

A generator over plain values: each gang's verdict comes as soon as it stands, and what it changes
for the others is in a state that nobody else sees. See ADR-0009.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from quartermaster.decide.fleet import Fleet, confined, fleet_of, tightest
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue import explain, order
from quartermaster.decide.queue.moves import moves
from quartermaster.decide.queue.reserve import Reservation, begun, earliest
from quartermaster.decide.queue.room import has_room, taken, without
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.share import Measure, label_of, measure
from quartermaster.decide.queue.shrink import cheapest
from quartermaster.decide.queue.tree import Ledger
from quartermaster.decide.queue.victims import Case, Room, victims
from quartermaster.domain.decision import Decision, Placed, Refusal, Waiting
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang

Labels = Mapping[str, str]
Affords = Callable[[str, int], bool]
"""Whether a gang's queue has quota for so many GPUs of a model."""


def admit(scene: Scene) -> Iterator[Verdict]:
    """The verdict on every waiting gang, in the order in which they are served.

    First gangs of which a part is on nodes already, then those for which others have been stopped,
    then by sureness, share and priority. What is placed, promised or kept is gone for those behind.
    """
    state = _Round(scene)
    claims = {
        h.stopped_for: h.made_room for h in order.in_key_order(scene.holdings) if h.stopped_for
    }
    claims |= {gang.uid: dict(gang.kept) for gang in scene.waiting if gang.kept}
    partly = order.in_order(gang for gang in scene.waiting if gang.held)
    claimed = order.in_order(g for g in scene.waiting if g.uid in claims and not g.held)
    for gang in claimed:
        state.promise_again(gang, claims[gang.uid])
    served = {gang.uid for gang in (*partly, *claimed)}
    for gang in (*partly, *claimed):
        yield state.judge(gang)
    rest = [gang for gang in scene.waiting if gang.uid not in served]
    for gang in order.by_share(rest, state.promised, state.measure, scene.past):
        yield state.judge(gang)


class _Round:
    """What has been given away, promised and kept so far."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._now = fleet_of(scene.snapshot) if scene.fleet is None else scene.fleet
        self.measure: Measure = measure(self._now)
        self._soon = without(self._now, scene.holdings, only_leaving=True)
        self._reservation: Reservation | None = None
        self._running = [holding for holding in scene.holdings if holding.staying().seats]
        self._begun: list[Holding] = []
        self._claimed: dict[str, Placed] = {}
        """Places by the uid of gangs that others were stopped for."""
        self._empty = Ledger(scene.tree)
        self._held = Ledger(scene.tree)
        """What is held now."""
        self.promised = Ledger(scene.tree)
        """What is held soon, with what was promised to those who wait for others to stop."""
        self._kept = Ledger(scene.tree)
        """That, and what is kept for the first of each tree that waits for quota."""
        self._quota_heads: dict[str, str] = {}
        """By tree: the queue of the first that waits for quota."""
        self._refused: dict[tuple[object, ...], Waiting] = {}
        for holding in scene.holdings:
            self._charge(holding.queue, holding.gpus_by_model(), self._held)
            staying = holding.gpus_by_model(with_leaving=False)
            self._charge(holding.queue, staying, self.promised, self._kept)

    def judge(self, gang: Gang) -> Verdict:
        """The verdict on the next gang."""
        settled = self._settled(gang)
        if settled is not None:
            return settled
        rooms = self._rooms(gang, self._now)
        decision, models = self._placing(gang, self._affords(gang, self._held), rooms)
        if not isinstance(decision, Placed):
            decision = self._smaller(gang, self._affords(gang, self._held), rooms) or decision
        if isinstance(decision, Placed):
            self._give(gang, decision)
            return Verdict(gang, decision)
        return replace(self._later(gang, decision, models), gang=gang)

    def _later(self, whole: Gang, decision: Decision | None, models: list[str]) -> Verdict:
        """What is done for a gang that has no place now: of an elastic one, for its fewest."""
        gang = whole.of(whole.least or whole.size)
        verdict = self._claim(gang) or self._shrink(gang) or self._move(gang) or self._preempt(gang)
        if verdict is not None:
            return verdict
        waiting = self._why(gang, decision, models)
        self._refused[order.shape_of(whole)] = waiting
        if waiting.refusal is Refusal.NO_CAPACITY and self._reservation is None:
            self._reservation = earliest(self._limited(gang, models), self._soon, self._all())
            if self._reservation is not None:
                waiting = explain.kept_for_it(waiting, self._reservation)
                return Verdict(gang, waiting, reservation=self._reservation)
        return Verdict(gang, waiting)

    def _smaller(self, gang: Gang, has: Affords, rooms: list[Fleet]) -> Placed | None:
        """An elastic gang's places with as many workers as have room; None: not with the fewest.

        A replacement for a lost worker joins the others in their number, so it is not looked at.
        """
        if gang.least is None or gang.held:
            return None
        best: Placed | None = None
        low, high = gang.least, gang.size - 1
        while low <= high:
            # The fewest first: where they have no place, nothing else is tried.
            middle = gang.least if best is None else (low + high + 1) // 2
            decision, _ = self._placing(gang.of(middle), has, rooms)
            if isinstance(decision, Placed):
                best, low = decision, middle + 1
            elif best is None:
                return None
            else:
                high = middle - 1
        return None if best is None else explain.smaller(best, gang)

    def _settled(self, gang: Gang) -> Verdict | None:
        """What stands without looking for a place: a rule, a promise, or an earlier refusal."""
        barred = self._barred(gang)
        if barred is not None:
            return Verdict(gang, barred)
        if gang.uid in self._claimed:
            return self._keep_promise(gang)
        before = self._refused.get(order.shape_of(gang))
        return None if before is None else Verdict(gang, before, repeated=True)

    def promise_again(self, gang: Gang, places: Mapping[str, int]) -> None:
        """Keep for a gang, before anybody is served, the places that others were stopped for.

        Just these places: together, several such gangs have no more than was made free for them.
        """
        if self._barred(gang) is not None:
            return
        room = confined(self._soon, places, gang.per_worker)
        has = self._affords(gang, self.promised)
        decision, _ = self._placing(gang, has, [room])
        if not isinstance(decision, Placed):
            decision = self._smaller(gang, has, [room])
        if isinstance(decision, Placed):
            self._promise(gang, decision)
            self._claimed[gang.uid] = decision

    def _keep_promise(self, gang: Gang) -> Verdict:
        """Give the gang the places that are kept for it, once they are free and within quota."""
        placed = self._claimed[gang.uid]
        counts = order.gpus_of(gang, placed)
        queue = order.queue_of(gang)
        places = Counter(one.node for one in placed.assignments)
        if self._held.affords(queue, counts) and has_room(self._now, places, gang.per_worker):
            self._now = taken(self._now, placed.assignments, gang.per_worker)
            self._charge(gang.queue, counts, self._held)
            return Verdict(gang, placed)
        return Verdict(gang, self._being_made(gang))

    def _being_made(self, gang: Gang) -> Waiting:
        stopping = [h for h in self._scene.holdings if h.stopped_for == gang.uid]
        if not stopping:
            return explain.room_coming()
        return explain.preempting(order.in_key_order(stopping))

    def _barred(self, gang: Gang) -> Waiting | None:
        """Why the queue does not take the gang at all."""
        queue = self._scene.tree.queues.get(order.queue_of(gang))
        if queue is None:
            return explain.no_such_queue(gang, self._scene.tree)
        if queue.fault:
            return explain.unusable(queue)
        if not queue.admits(self._scene.namespaces.get(gang.key.namespace, {})):
            return explain.not_admitted(gang, queue)
        return None

    def _placing(
        self, gang: Gang, has: Affords, rooms: Iterable[Fleet]
    ) -> tuple[Decision | None, list[str]]:
        """The gang's places within quota and room; and the models of which it has the quota.

        A gang that mixes models needs quota of each; one of a single model is tried first. No
        decision at all means that quota is what is missing.
        """
        room = tightest(rooms)
        usable = self.measure.usable(gang.accelerators)
        models = self._within_quota(gang, has, usable)
        decision: Decision | None = None
        if models or not gang.per_worker.devices or len(models) == len(usable):
            decision = choose(self._limited(gang, models), room, self._scene.hardware)
        if isinstance(decision, Placed) or len(models) == len(usable):
            return decision, models
        mixed = choose(gang, room, self._scene.hardware)
        if isinstance(mixed, Placed) and all(
            has(*part) for part in order.gpus_of(gang, mixed).items()
        ):
            return mixed, models
        if isinstance(decision, Waiting) and decision.refusal is Refusal.UNSATISFIABLE:
            return None, models  # there are other nodes: it is their quota that is missing
        return decision, models

    def _within_quota(self, gang: Gang, has: Affords, usable: list[str]) -> list[str]:
        queue, need = order.queue_of(gang), gang.size * gang.per_worker.devices
        if gang.held or not need or self._scene.tree.queues[queue].unlimited:
            # A gang that is on nodes in part was admitted as a whole: its quota is charged.
            return usable
        return [model for model in usable if has(model, need)]

    def _affords(self, gang: Gang, ledger: Ledger) -> Affords:
        """Whether quota is there, and neither promised nor kept for somebody who waits longer."""
        queue = order.queue_of(gang)

        def has(model: str, gpus: int) -> bool:
            kept = self._kept.available(queue, model) >= gpus
            # The first that waits can have what its own queue is sure of, nobody else's.
            behind = queue in self._quota_heads.values()
            sure = not behind and self.promised.within(queue, model, gpus)
            promised = self.promised.available(queue, model) >= gpus
            return ledger.available(queue, model) >= gpus and promised and (kept or sure)

        return has

    def _could_start(self, gang: Gang) -> bool:
        """Whether it would start if it were alone: quota is kept for nobody else."""
        queue = order.queue_of(gang)
        alone = without(self._soon, self._all())
        decision, _ = self._placing(
            gang, lambda model, gpus: self._empty.available(queue, model) >= gpus, [alone]
        )
        return isinstance(decision, Placed)

    def _limited(self, gang: Gang, models: list[str]) -> Gang:
        """The gang on those models only of which it has the quota."""
        usable = self.measure.usable(gang.accelerators)
        if not gang.per_worker.devices or not models or len(models) == len(usable):
            return gang
        return replace(gang, accelerators=tuple(label_of(model) for model in models))

    def _rooms(self, gang: Gang, *rooms: Fleet) -> list[Fleet]:
        """What the gang has to fit into, so that it takes nothing that is another one's."""
        kept = self._reservation
        late = [kept.then] if kept is not None and kept.delayed_by(gang) else []
        return [*rooms, self._soon, *late]

    def _claim(self, gang: Gang) -> Verdict | None:
        """Promise the gang what others are about to give back."""
        if not any(seat.leaving for h in self._scene.holdings for seat in h.seats):
            return None
        has = self._affords(gang, self.promised)
        decision, _ = self._placing(gang, has, self._rooms(gang))
        if not isinstance(decision, Placed):
            return None
        self._promise(gang, decision)
        return Verdict(gang, self._being_made(gang))

    def _case(self, gang: Gang, holdings: Sequence[Holding]) -> Case:
        kept = self._reservation
        rooms = [Room(self._soon)]
        if kept is not None and kept.delayed_by(gang):
            rooms.append(Room(kept.then, kept.ended))
        trials = self._scene.victim_trials
        return Case(gang, tuple(rooms), self.promised, self.measure, holdings, trials)

    def _shrink(self, gang: Gang) -> Verdict | None:
        """Have elastic jobs go on with fewer workers, if that lets the whole gang start."""
        elastic = [one for one in self._running if one.least is not None]
        if gang.held or not elastic:
            return None
        found = cheapest(replace(self._case(gang, elastic), parts=True))
        if found is None:
            return None
        shrink, placed = found
        rest = {one.rest.uid: one.rest for one in shrink}
        self._running = [rest.get(one.uid, one) for one in self._running]
        self._give_back([one.freed for one in shrink], ended=False)
        self._promise(gang, placed)
        return Verdict(gang, explain.shrinking(shrink), shrink=shrink)

    def _move(self, gang: Gang) -> Verdict | None:
        """Have others go on elsewhere, where that lets a gang start that asks for it."""
        found = moves(self._case(gang, self._running)) if gang.defragment else None
        if found is None or gang.held:
            return None
        moved, placed = found
        self._leave([one.holding for one in moved], ended=False)
        for one in moved:
            self._soon = taken(self._soon, one.placed.assignments, one.holding.per_worker)
            self._charge(one.holding.queue, one.holding.gpus_by_model(), self.promised, self._kept)
        self._promise(gang, placed)
        return Verdict(gang, explain.moving(moved), move=moved)

    def _preempt(self, gang: Gang) -> Verdict | None:
        """Have others stopped, if the rules allow it and it lets the whole gang start."""
        case = self._case(gang, [one for one in self._running if not one.resizing])
        stop = None if gang.held else victims(case)
        if stop is None:
            return None
        self._leave(stop.victims, ended=True)
        self._promise(gang, stop.placed)
        told = tuple((v, explain.why_stopped(gang, v)) for v in stop.victims)
        places = Counter(one.node for one in stop.placed.assignments)
        waiting = explain.preempting(stop.victims)
        return Verdict(gang, waiting, told, places=tuple(sorted(places.items())))

    def _leave(self, holdings: Sequence[Holding], *, ended: bool) -> None:
        gone = {holding.uid for holding in holdings}
        self._running = [holding for holding in self._running if holding.uid not in gone]
        self._give_back(holdings, ended=ended)

    def _give_back(self, parts: Sequence[Holding], *, ended: bool) -> None:
        """What is free soon, and of nobody's quota. Whether the jobs end with it is told."""
        self._soon = without(self._soon, parts)
        kept = self._reservation
        if kept is not None:
            then = Room(kept.then, kept.ended).without(parts)
            gone = kept.ended | {part.uid for part in parts} if ended else kept.ended
            self._reservation = replace(kept, then=then, ended=gone)
        for victim in parts:
            given_back = {model: -gpus for model, gpus in victim.gpus_by_model().items()}
            self._charge(victim.queue, given_back, self.promised, self._kept)

    def _give(self, gang: Gang, placed: Placed) -> None:
        same = self._now is self._soon
        self._promise(gang, placed)
        self._now = self._soon if same else taken(self._now, placed.assignments, gang.per_worker)
        if not gang.held:
            self._charge(gang.queue, order.gpus_of(gang, placed), self._held)

    def _promise(self, gang: Gang, placed: Placed) -> None:
        self._soon = taken(self._soon, placed.assignments, gang.per_worker)
        kept = self._reservation
        if kept is not None and kept.delayed_by(gang):
            then = taken(kept.then, placed.assignments, gang.per_worker)
            self._reservation = replace(kept, then=then)
        if not gang.held:
            self._charge(gang.queue, order.gpus_of(gang, placed), self.promised, self._kept)
        self._begun.append(begun(gang, placed))

    def _why(self, gang: Gang, decision: Decision | None, models: list[str]) -> Waiting:
        kept = self._reservation
        if isinstance(decision, Waiting):
            if kept is not None and kept.delayed_by(gang):
                plain = choose(self._limited(gang, models), tightest([self._now, self._soon]))
                if isinstance(plain, Placed):
                    return explain.reserved(gang, kept)
            return explain.limited(decision, models, self.measure.usable(gang.accelerators))
        queue = order.queue_of(gang)
        short = [model for model in self.measure.usable(gang.accelerators) if model not in models]
        waiting = explain.quota(gang, short, self._kept, self._empty, self.measure)
        root = self._scene.tree.path(queue)[0]
        passed = waiting.refusal is not Refusal.QUOTA_USED or root in self._quota_heads
        if not passed and self._could_start(gang):
            self._quota_heads[root] = queue
            need = gang.size * gang.per_worker.devices
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
