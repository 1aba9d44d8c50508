"""Laws of placement, over random clusters, against brute force where it is small enough."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

from hypothesis import given, note, settings
from hypothesis import strategies as st

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.room import taken
from quartermaster.domain.cluster import Capacity, Node, Pool, Snapshot, Taint, Toleration
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.resources import NOTHING
from quartermaster.domain.workload import Gang, TopologyMode
from tests.support import make, walked

RACK = "example.com/rack"
GPUS = (make.T4, make.H100)
PRICES = ("0.35", "0.35", "0.526", "3.9")
SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=150, deadline=None)


def node_of(random: Random, index: int, *, healthy: bool) -> Node:
    gpus = random.choice([0, 1, 2, 4])
    labels = {"pool": random.choice(["a", "a", "b", "none"])}
    if zone := random.choice(["", "east", "west"]):
        labels[make.ZONE] = zone
    if rack := random.choice(["", "r1", "r2"]):
        labels[RACK] = rack
    used_gpus = random.choice([0, 0, 0, 1, gpus, gpus + 1])
    return make.node(
        f"node-{index}",
        gpus,
        gpu=random.choice(GPUS),
        labels=labels,
        capacity=random.choice([Capacity.SPOT, Capacity.ON_DEMAND, Capacity.UNKNOWN]),
        used=make.resources(used_gpus, cpu=random.choice([0, 8, 31]), pods=1),
        ready=healthy or random.random() < 0.9,
        cordoned=not healthy and random.random() < 0.1,
        taints=(Taint("team", "x"),) if random.random() < 0.15 else (),
    )


def pool_of(random: Random, name: str) -> Pool:
    rows = [
        make.price(random.choice(PRICES), accelerator=gpu, capacity=capacity)
        for gpu, capacity in product(GPUS, (Capacity.SPOT, None))
        if random.random() < 0.8
    ]
    return make.pool(
        name,
        *rows,
        selector={"pool": name},
        topology_levels=random.choice([(make.ZONE,), (make.ZONE, RACK), (RACK,)]),
        tolerations=random.choice([(), (Toleration("team"),)]),
    )


def cluster_of(random: Random, *, most: int = 7, healthy: bool = False) -> Snapshot:
    nodes = [node_of(random, i, healthy=healthy) for i in range(random.randint(1, most))]
    names = random.choice([(), ("a",), ("a", "b"), ("a", "b")])
    return make.snapshot(nodes, *[pool_of(random, name) for name in names])


def gang_of(random: Random, *modes: TopologyMode) -> Gang:
    mode = random.choice(modes or tuple(TopologyMode))
    level = None
    if mode is not TopologyMode.UNCONSTRAINED:
        level = random.choice([None, None, make.ZONE, RACK])
    return make.gang(
        random.randint(1, 5),
        random.choice([0, 1, 1, 2]),
        topology=mode,
        topology_level=level,
        capacity=random.choice([None, None, None, Capacity.SPOT]),
        accelerators=random.choice([(), (), (), (make.T4,)]),
        tolerations=random.choice([(), (Toleration("team", "x"),)]),
    )


def scene(
    seed: int, *modes: TopologyMode, most: int = 7, healthy: bool = False
) -> tuple[Random, Gang, Snapshot]:
    """A random gang and cluster. A seed draws faster than Hypothesis draws each field."""
    random = Random(seed)
    gang, cluster = gang_of(random, *modes), cluster_of(random, most=most, healthy=healthy)
    note(f"{gang}\n{cluster}")
    return random, gang, cluster


def loads(decision: Placed) -> Counter[str]:
    return Counter(assignment.node for assignment in decision.assignments)


@law
@given(SEEDS)
def test_a_gang_is_placed_whole_or_not_at_all_and_no_node_is_overdrawn(seed: int) -> None:
    _, gang, cluster = scene(seed)
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting):
        return
    assert [assignment.index for assignment in decision.assignments] == list(gang.indices)
    by_name = {node.name: node for node in cluster.nodes}
    for name, count in loads(decision).items():
        need, free = gang.per_worker, by_name[name].free
        assert need.cpu_m * count <= free.cpu_m
        assert need.memory * count <= free.memory
        assert need.pods * count <= free.pods
        # A worker without GPUs may go where others have overdrawn them.
        assert need.gpus == 0 or need.gpus * count <= free.gpus


@law
@given(SEEDS)
def test_only_nodes_that_the_gang_may_use_are_taken(seed: int) -> None:
    _, gang, cluster = scene(seed)
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting):
        return
    by_name = {node.name: node for node in cluster.nodes}
    for assignment in decision.assignments:
        node = by_name[assignment.node]
        pool = cluster.pool_of(node)
        assert node.ready
        assert not node.cordoned
        passes = (*gang.tolerations, *pool.tolerations)
        assert not node.taints or passes
        assert gang.capacity in (None, node.capacity)
        assert not gang.accelerators or node.accelerator in gang.accelerators
        assert assignment.tolerations == pool.tolerations
        assert (assignment.pool, assignment.accelerator) == (pool.name, node.accelerator)


@law
@given(SEEDS)
def test_the_order_of_the_nodes_changes_nothing(seed: int) -> None:
    random, gang, cluster = scene(seed)
    shuffled = replace(cluster, nodes=tuple(random.sample(cluster.nodes, len(cluster.nodes))))
    assert repr(choose(gang, cluster)) == repr(choose(gang, shuffled))


@law
@given(SEEDS)
def test_a_node_more_never_makes_a_placed_gang_wait(seed: int) -> None:
    random, gang, cluster = scene(seed)
    if isinstance(choose(gang, cluster), Waiting):
        return
    twin, name = random.choice(cluster.nodes), random.choice(["a-first", "z-last"])
    more = replace(twin, name=name, used=NOTHING, ready=True, cordoned=False)
    assert isinstance(choose(gang, replace(cluster, nodes=(*cluster.nodes, more))), Placed)


@law
@given(SEEDS)
def test_required_keeps_the_gang_in_one_domain(seed: int) -> None:
    _, gang, cluster = scene(seed, TopologyMode.REQUIRED)
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting):
        return
    by_name = {node.name: node for node in cluster.nodes}
    level = decision.topology_level
    assert level in (
        (gang.topology_level,) if gang.topology_level else (make.ZONE, RACK, make.REGION)
    )
    assert len({by_name[name].labels[level] for name in loads(decision)}) == 1


@law
@given(SEEDS)
def test_a_part_of_a_required_gang_joins_the_rest_of_it(seed: int) -> None:
    """Wherever the rest is, however full its nodes are, and whether or not they take more."""
    random, gang, cluster = scene(seed, TopologyMode.REQUIRED)
    anchor = random.choice(cluster.nodes)
    if random.random() < 0.5:
        full = replace(anchor, used=anchor.allocatable, cordoned=random.random() < 0.5)
        rest = tuple(node for node in cluster.nodes if node.name != anchor.name)
        anchor, cluster = full, replace(cluster, nodes=(*rest, full))
    decision = choose(replace(gang, held=(anchor.name,)), cluster)
    by_name = {node.name: node for node in cluster.nodes}
    if isinstance(decision, Placed):
        level = decision.topology_level
        there = {by_name[name].labels[level] for name in loads(decision)}
        assert there == {anchor.labels[level]}
        return
    alone = [node for node in cluster.nodes if any_level_shared(node, anchor, gang.topology_level)]
    slots, _ = walked.slots(gang, replace(cluster, nodes=tuple(alone)))
    room = Counter[str]()
    for slot in slots:
        level = gang.topology_level or slot.pool.topology_levels[-1]
        if slot.node.labels.get(level, "") == anchor.labels.get(level):
            room[level] += slot.free
    assert all(count < gang.size for count in room.values())


def any_level_shared(node: Node, anchor: Node, level: str | None) -> bool:
    levels = (level,) if level else (make.ZONE, RACK)
    return any(
        key in anchor.labels and node.labels.get(key) == anchor.labels[key] for key in levels
    )


@law
@given(SEEDS)
def test_unsatisfiable_means_that_not_even_the_empty_cluster_would_do(seed: int) -> None:
    _, gang, cluster = scene(seed, healthy=True)
    empty = replace(cluster, nodes=tuple(replace(node, used=NOTHING) for node in cluster.nodes))
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting):
        never = isinstance(choose(gang, empty), Waiting)
        assert (decision.refusal is Refusal.UNSATISFIABLE) == never


@law
@given(SEEDS)
def test_a_node_that_may_come_back_is_never_called_unsatisfiable(seed: int) -> None:
    _, gang, cluster = scene(seed)
    decision = choose(gang, cluster)
    cured = tuple(replace(n, used=NOTHING, ready=True, cordoned=False) for n in cluster.nodes)
    if isinstance(decision, Waiting) and decision.refusal is Refusal.UNSATISFIABLE:
        assert isinstance(choose(gang, replace(cluster, nodes=cured)), Waiting)


@law
@given(SEEDS)
def test_every_node_is_either_usable_or_refused_once(seed: int) -> None:
    _, gang, cluster = scene(seed)
    usable, refused = walked.slots(gang, cluster)
    assert len(usable) + sum(refused.values()) == len(cluster.nodes)
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting) and decision.refusal is not Refusal.NO_SUCH_POOL:
        for reason, count in refused.items():
            assert f"{count} node{'s' if count != 1 else ''} {reason.value}" in decision.message


def cheapest_uniform(gang: Gang, cluster: Snapshot) -> Fraction | None:
    """By trying every count on every node of one kind; None where no priced one holds the gang."""
    slots, _ = walked.slots(gang, cluster)
    plain = [slot for slot in slots if not slot.node.allocatable.gpus]
    if not gang.per_worker.gpus and sum(slot.free for slot in plain) >= gang.size:
        slots = plain  # work without GPUs is kept apart from them, whatever it costs
    best: Fraction | None = None
    for kind in {(slot.node.accelerator, slot.node.capacity) for slot in slots}:
        members = [s for s in slots if (s.node.accelerator, s.node.capacity) == kind]
        for counts in product(*(range(min(s.free, gang.size) + 1) for s in members)):
            if sum(counts) != gang.size:
                continue
            rates = [s.rate for s, n in zip(members, counts, strict=True) if n]
            if None in rates:
                continue
            total = sum(
                (
                    s.rate * n
                    for s, n in zip(members, counts, strict=True)
                    if n and s.rate is not None
                ),
                Fraction(0),
            )
            best = total if best is None else min(best, total)
    return best


@law
@given(SEEDS)
def test_the_rate_is_the_least_of_all_places_on_equal_nodes(seed: int) -> None:
    _, gang, cluster = scene(seed, TopologyMode.UNCONSTRAINED, most=5)
    best = cheapest_uniform(gang, cluster)
    if best is None:
        return
    decision = choose(gang, cluster)
    assert isinstance(decision, Placed)
    rates = [assignment.usd_per_hour for assignment in decision.assignments]
    # A known price is found, so an unknown one, whatever else speaks for it, is not taken.
    assert None not in rates
    assert sum((rate for rate in rates if rate is not None), Fraction(0)) == best


@law
@given(SEEDS)
def test_at_one_price_the_fewest_nodes_are_taken(seed: int) -> None:
    random = Random(seed)
    rooms = [random.choice([1, 1, 2, 3, 4, 8]) for _ in range(random.randint(1, 6))]
    nodes = [make.node(f"node-{index}", room) for index, room in enumerate(rooms)]
    size = random.randint(1, sum(rooms))
    decision = choose(make.gang(size), make.snapshot(nodes, make.pool("pool", make.price("1"))))
    assert isinstance(decision, Placed)
    fewest = next(n for n in range(1, 7) if sum(sorted(rooms, reverse=True)[:n]) >= size)
    assert len(loads(decision)) == fewest


@law
@given(SEEDS)
def test_a_price_is_the_pools_or_unknown_and_zero_only_beside_gpus(seed: int) -> None:
    _, gang, cluster = scene(seed)
    decision = choose(gang, cluster)
    if isinstance(decision, Waiting):
        return
    by_name = {node.name: node for node in cluster.nodes}
    for assignment in decision.assignments:
        node = by_name[assignment.node]
        pool = cluster.pool_of(node)
        known = any(row.matches(node) for row in pool.prices) and node.allocatable.gpus > 0
        assert (assignment.usd_per_hour is not None) == known
        beside_gpus = node.allocatable.devices > 0 and not gang.per_worker.devices
        assert (assignment.usd_per_hour == 0) == (known and beside_gpus)


@law
@given(SEEDS, st.integers(1, 253))
def test_words_stay_within_the_status_limits(seed: int, length: int) -> None:
    _, gang, cluster = scene(seed)

    def longer(node: Node) -> Node:
        labels = {
            key: value if key == "pool" else (value * 63)[:63] for key, value in node.labels.items()
        }
        gpu = (node.accelerator * length)[:63]
        return replace(node, name=(node.name * 40)[:253], labels=labels, accelerator=gpu)

    decision = choose(gang, replace(cluster, nodes=tuple(map(longer, cluster.nodes))))
    words = decision.reason if isinstance(decision, Placed) else decision.message
    assert 0 < len(words) <= 1024
    assert len(decision.rejected) <= 5
    assert all(len(other.candidate) <= 256 for other in decision.rejected)
    assert all(0 < len(other.reason) <= 512 for other in decision.rejected)


@law
@given(SEEDS)
def test_no_rejected_candidate_is_told_twice(seed: int) -> None:
    _, gang, cluster = scene(seed)
    told = [other.candidate for other in choose(gang, cluster).rejected]
    assert len(told) == len(set(told))


@law
@given(SEEDS)
def test_one_gang_after_the_other_never_overdraws_a_node(seed: int) -> None:
    _, gang, cluster = scene(seed)
    fleet = fleet_of(cluster)
    for _ in range(3):
        decision = choose(gang, fleet)
        if isinstance(decision, Waiting):
            break
        before = {node.name: node.free for node in fleet.snapshot().nodes}
        fleet = taken(fleet, decision.assignments, gang.per_worker)
        for node in fleet.snapshot().nodes:
            assert node.free.gpus >= min(0, before[node.name].gpus)
