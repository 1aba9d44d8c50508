"""Laws of the queues, over random trees, clusters and jobs; brute force where it is small."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from fractions import Fraction
from itertools import combinations
from math import inf
from random import Random

from hypothesis import given, note, settings
from hypothesis import strategies as st

from quartermaster.decide.fleet import fleet_of, tightest
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.room import taken, without
from quartermaster.decide.queue.scene import Verdict
from quartermaster.decide.queue.share import decayed, measure
from quartermaster.decide.queue.tree import Ledger, tree_of
from quartermaster.decide.queue.victims import Case, Room, lost_work, victims
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import History, Holding, Queue, Reclaim, WithinQueue
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import World, holding, occupied, queue

SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=150, deadline=None)
MODELS = (make.T4, make.H100)


def queues_of(random: Random, *, reclaiming: bool = True) -> tuple[Queue, ...]:
    """A root, two to three below it, perhaps two below one of them, and perhaps a tree beside."""
    names = [("lab", None), ("a", "lab"), ("b", "lab")]
    names += [("c", "lab")] * (random.random() < 0.5)
    names += [("a-1", "a"), ("a-2", "a")] * (random.random() < 0.4)
    names += [("other", None)] * (random.random() < 0.4)
    return tuple(
        queue(
            name,
            parent,
            weight=random.choice(["1", "1", "2", "0.5"]),
            t4=random.choice([0, 0, 2, 4]) + (4 if parent is None else 0),
            h100=random.choice([0, 0, 2]),
            borrowing_limit=random.choice([None, None, 0, 2]) if parent else None,
            lending_limit=random.choice([None, None, 0, 1]) if parent else None,
            reclaim=random.choice(list(Reclaim)) if reclaiming else Reclaim.NEVER,
            within_queue=random.choice(list(WithinQueue)) if reclaiming else WithinQueue.NEVER,
        )
        for name, parent in names
    )


def gang_of(random: Random, name: str, queues: Sequence[Queue]) -> Gang:
    return make.gang(
        random.randint(1, 4),
        random.choice([0, 1, 1, 1, 2]),
        name=name,
        created=make.after(random.randint(0, 3)),
        priority=random.choice([0, 0, 1, 5]),
        accelerators=random.choice([(), (), (make.T4,)]),
        queue=random.choice([*(one.name for one in queues), "default", "default"]),
    )


def world_of(random: Random, *, reclaiming: bool = True, jobs: int = 10) -> World:
    nodes = [
        make.node(f"node-{i}", random.choice([1, 2, 4]), gpu=random.choice(MODELS))
        for i in range(random.randint(1, 4))
    ]
    prices = [make.price("0.5", accelerator=make.T4), make.price("4", accelerator=make.H100)]
    pools = [make.pool("pool", *prices)] if random.random() < 0.7 else []
    world = World(make.snapshot(nodes, *pools), queues_of(random, reclaiming=reclaiming))
    for number in range(random.randint(1, jobs)):
        gang = gang_of(random, f"job-{number}", world.queues)
        world.waiting[gang.uid] = gang
        world.lasts[gang.uid] = float(random.randint(1, 60))
    note(f"{world.queues}\n{world.empty}\n{list(world.waiting.values())}")
    return world


def within_limits(world: World) -> None:
    ledger = world.ledger()
    for name, told in ledger.tree.queues.items():
        if not told.unlimited and not told.fault:
            for model in MODELS:
                assert ledger.available(name, model) >= 0, (name, model)
                if told.borrowing_limit is not None:
                    assert ledger.borrowed(name, model) <= told.borrowing_limit
                if told.parent is None:
                    assert ledger.held(name, model) <= ledger.tree.nominal(name, model)
    for node in occupied(world.empty, world.holdings()).nodes:
        assert node.free.gpus >= 0, node.name


@law
@given(SEEDS)
def test_nothing_exceeds_quota_and_borrowing_and_no_node_is_overdrawn(seed: int) -> None:
    random = Random(seed)
    world = world_of(random)
    for number in range(4):
        world.round()
        within_limits(world)
        world.stopped_are_gone()
        more = gang_of(random, f"late-{number}", world.queues)
        world.waiting[more.uid] = more


@law
@given(SEEDS)
def test_shares_add_up_over_the_tree(seed: int) -> None:
    world = world_of(Random(seed))
    world.settle()
    ledger, cluster = world.ledger(), measure(world.empty)
    for name, told in ledger.tree.queues.items():
        own = Fraction(0)
        for one in world.holdings():
            if one.queue == name:
                parts = (n * cluster.worth(m) for m, n in one.gpus_by_model().items())
                own += sum(parts, Fraction(0))
        below = [
            cluster.share(ledger, child) * ledger.tree.queues[child].weight
            for child in ledger.tree.children[name]
        ]
        whole = cluster.share(ledger, name) * told.weight
        assert whole == (own / cluster.capacity) + sum(below, Fraction(0))


@law
@given(SEEDS)
def test_who_has_others_stopped_starts_when_they_are_gone(seed: int) -> None:
    world = world_of(Random(seed))
    for _ in range(8):
        world.round()
        served = world.stopped_are_gone()
        world.round()
        assert not [uid for uid in served if uid in world.waiting]


@law
@given(SEEDS)
def test_nobody_is_stopped_for_one_that_it_would_stop_in_turn(seed: int) -> None:
    world = world_of(Random(seed), jobs=14)
    world.settle()
    assert not {(b, a) for a, b in world.stops} & set(world.stops)


@law
@given(SEEDS)
def test_the_order_of_the_input_does_not_matter(seed: int) -> None:
    random = Random(seed)
    world = world_of(random)
    world.round()
    for number in range(4):
        more = gang_of(random, f"late-{number}", world.queues)
        world.waiting[more.uid] = more
    scene = world.scene()
    wanted = told(admit(scene))

    def shuffled(values: Sequence[object]) -> tuple[object, ...]:
        return tuple(random.sample(list(values), len(values)))

    other = replace(
        scene,
        snapshot=replace(scene.snapshot, nodes=shuffled(scene.snapshot.nodes)),
        waiting=shuffled(scene.waiting),
        holdings=shuffled(scene.holdings),
        tree=tree_of(shuffled(world.queues)),  # type: ignore[arg-type]
    )
    assert told(admit(other)) == wanted


def told(verdicts: Iterable[Verdict]) -> list[tuple[object, ...]]:
    """Verdicts without the snapshots in them, which have the order of the nodes."""
    return [
        (v.gang.key, v.decision, v.stop, v.reservation and v.reservation.ended) for v in verdicts
    ]


@law
@given(SEEDS)
def test_a_round_leaves_no_trace_in_what_it_was_decided_from(seed: int) -> None:
    world = world_of(Random(seed))
    world.round()
    scene = world.scene()
    first = list(admit(scene))
    assert list(admit(scene)) == first
    assert scene == world.scene()


@law
@given(SEEDS)
def test_places_given_and_given_back_leave_the_snapshot_as_it_was(seed: int) -> None:
    world = world_of(Random(seed))
    empty = fleet_of(world.empty)
    for gang in world.waiting.values():
        decision = choose(gang, empty)
        if isinstance(decision, Placed):
            after = taken(empty, decision.assignments, gang.per_worker)
            seats: dict[str, int] = {}
            for one in decision.assignments:
                seats[one.node] = seats.get(one.node, 0) + 1
            held = replace(holding("job", "a", seats), per_worker=gang.per_worker)
            assert without(after, [held]) == empty
            assert without(after, [held]).snapshot() == empty.snapshot()
            assert tightest([after, empty]) == after != empty


@settings(max_examples=80, deadline=None)
@given(SEEDS, st.booleans(), st.booleans())
def test_everyone_who_fits_alone_is_started_in_the_end(
    seed: int, reclaiming: bool, known: bool
) -> None:
    """Finite arrivals with finite run times, ends known or not, with and without preemption."""
    random = Random(seed)
    world = world_of(random, reclaiming=reclaiming, jobs=8)
    world.ends_known = known
    arrivals = [gang_of(random, f"late-{n}", world.queues) for n in range(6)]
    for gang in arrivals:
        world.lasts[gang.uid] = float(random.randint(1, 60))
    alone = {gang.uid for gang in (*world.waiting.values(), *arrivals) if fits_alone(world, gang)}
    for _ in range(400):
        world.settle()
        if arrivals:
            gang = arrivals.pop()
            world.waiting[gang.uid] = gang
        if world.running:
            world.next_end()
        elif not arrivals:
            break
    world.settle()
    assert alone <= set(world.started)


def fits_alone(world: World, gang: Gang) -> bool:
    empty = World(world.empty, world.queues, {gang.uid: gang})
    (verdict,) = empty.round()
    return isinstance(verdict.decision, Placed)


@law
@given(SEEDS)
def test_nobody_who_is_let_past_delays_the_one_that_has_the_reservation(seed: int) -> None:
    random = Random(seed)
    nodes = [make.node(f"node-{i}", random.choice([2, 4])) for i in range(random.randint(1, 3))]
    world = World(make.snapshot(nodes), ())
    for number in range(random.randint(2, 12)):
        lasts = float(random.randint(1, 40))
        told = random.choice([lasts, lasts, lasts + 5, None])
        gang = make.gang(
            random.randint(1, 5),
            1,
            name=f"job-{number}",
            created=make.after(number),
            runtime_s=told,
        )
        world.waiting[gang.uid], world.lasts[gang.uid] = gang, lasts
    promised: dict[str, float] = {}
    while world.waiting:
        for verdict in world.round():
            kept = verdict.reservation
            if kept is not None and kept.start_s < inf:
                promised.setdefault(kept.gang.uid, world.now + kept.start_s)
        if not world.running:
            break
        world.next_end()
    for uid, start in promised.items():
        assert world.started[uid] <= start


def sets(holdings: Sequence[Holding]) -> list[tuple[Holding, ...]]:
    return [
        chosen for size in range(1, len(holdings) + 1) for chosen in combinations(holdings, size)
    ]


def victim_case(random: Random) -> tuple[Case, list[Holding], Ledger]:
    """One queue of its own that preempts within: rules are simple, so brute force is too."""
    nodes = [make.node(f"node-{i}", random.choice([2, 4])) for i in range(random.randint(1, 3))]
    free = {node.name: node.allocatable.gpus for node in nodes}
    held = []
    for number in range(random.randint(1, 6)):
        seats: dict[str, int] = {}
        for name in random.sample(sorted(free), random.randint(1, len(free))):
            count = random.randint(0, min(2, free[name]))
            free[name] -= count
            if count:
                seats[name] = count
        if seats:
            held.append(
                holding(
                    f"job-{number}",
                    "a",
                    seats,
                    priority=random.choice([0, 0, 0, 9]),
                    lost_s=float(random.choice([0, 60, 60, 120, 700])),
                )
            )
    tree = tree_of(
        [queue("a", t4=random.choice([4, 8, 12]), within_queue=WithinQueue.LOWER_PRIORITY)]
    )
    ledger = Ledger(tree)
    for one in held:
        ledger.charge("a", make.T4, len(one.seats))
    cluster = occupied(make.snapshot(nodes, make.pool("pool", make.price("0.6"))), held)
    gang = make.gang(random.randint(1, 5), 1, priority=5, queue="a")
    case = Case(gang, (Room(fleet_of(cluster)),), ledger, measure(cluster), held, trials=10**6)
    return case, held, ledger


def lets_it_fit(case: Case, chosen: Sequence[Holding]) -> bool:
    gone = sum(len(one.seats) for one in chosen)
    quota = case.ledger.available("a", make.T4) + gone >= case.gang.size
    return quota and isinstance(choose(case.gang, case.rooms[0].without(chosen)), Placed)


@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_victims_are_the_cheapest_set_that_helps_and_nobody_is_stopped_in_vain(seed: int) -> None:
    case, held, ledger = victim_case(Random(seed))
    note(str(case))
    before = ledger.copy()
    found = victims(case)
    assert ledger == before
    helping = [
        chosen
        for chosen in sets([one for one in held if one.priority < 5])
        if lets_it_fit(case, chosen)
    ]
    if found is None:
        assert not helping
        return
    costs = [sum((lost_work(v, case.measure) for v in c), Fraction(0)) for c in helping]
    assert found.lost_usd == min(costs)
    assert lets_it_fit(case, found.victims)
    assert not [chosen for chosen in helping if set_of(chosen) < set_of(found.victims)]


@settings(max_examples=200, deadline=None)
@given(SEEDS)
def test_where_the_trials_do_not_last_the_victims_are_still_all_needed(seed: int) -> None:
    case, held, _ = victim_case(Random(seed))
    found = victims(replace(case, trials=0))
    exact = victims(case)
    assert (found is None) == (exact is None)
    if found is not None:
        assert lets_it_fit(case, found.victims)
        fewer = [c for c in sets(held) if set_of(c) < set_of(found.victims)]
        assert not [chosen for chosen in fewer if lets_it_fit(case, chosen)]


def set_of(chosen: Sequence[Holding]) -> frozenset[str]:
    return frozenset(one.uid for one in chosen)


@law
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 50), st.integers(0, 50))
def test_decay_over_a_time_is_decay_over_its_parts(
    first: int, rest: int, was: int, used: int
) -> None:
    start = History(Fraction(was), make.T0)
    once = decayed(start, Fraction(used), 3600.0, make.after(first + rest))
    half = decayed(start, Fraction(used), 3600.0, make.after(first))
    twice = decayed(
        History(half, make.after(first)), Fraction(used), 3600.0, make.after(first + rest)
    )
    assert abs(once - twice) < Fraction(1, 10**6)
    assert min(was, used) <= once <= max(was, used)


def test_what_lies_one_half_life_back_counts_half() -> None:
    history = History(Fraction(8), make.T0)
    assert decayed(history, Fraction(0), 3600.0, make.after(3600)) == 4
    assert decayed(None, Fraction(8), 3600.0, make.after(3600)) == 0
