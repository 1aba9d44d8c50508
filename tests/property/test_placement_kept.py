"""Arrays kept from decision to decision, against an oracle that walks over the nodes anew."""

from collections import Counter
from dataclasses import replace
from fractions import Fraction
from random import Random

from hypothesis import given, note, settings
from hypothesis import strategies as st

from quartermaster.decide.fleet import Fleet, confined, fleet_of, tightest
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.profile.calibration import DECLARED
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.domain.cluster import NODE_LEVEL, Capacity, Link, Node, Pool, Snapshot
from quartermaster.domain.decision import Decision, Placed
from quartermaster.domain.profile import JobProfile
from quartermaster.domain.resources import NOTHING, Resources
from quartermaster.domain.workload import Gang, Objective, TopologyMode
from tests.support import gpus, make, walked

RACK = "example.com/rack"
SEEDS = st.integers(0, 2**32 - 1)
MODELS = (gpus.T4, gpus.L4, gpus.A100)
TYPES = {
    it.name: it
    for it in (
        *(gpus.instance(f"{gpu.name}-linked", gpu, 8, 100) for gpu in MODELS),
        *(gpus.instance(f"{gpu.name}-apart", gpu, 8, 20, linked=False) for gpu in MODELS),
    )
}
law = settings(max_examples=120, deadline=None)
Loads = dict[str, Resources]


def node_of(random: Random, index: int, racks: int, *, twins: bool, parted: bool) -> Node:
    gpu = random.choice(MODELS)
    rack = random.randrange(racks)
    labels = {"pool": random.choice("aab")}
    if random.random() < 0.95:
        labels[RACK] = f"r{rack:02}"
    if random.random() < 0.95:
        # Now and then a zone is called what a rack is called.
        labels[make.ZONE] = f"r{rack % 3:02}" if twins else f"zone-{rack % 3}"
    room = room_of(random, parted=parted)
    daemons = make.resources(0, cpu=random.choice([0, 0, 2]), memory_gib=1)
    return make.node(
        f"node-{random.randrange(10**6)}-{index}",
        room.devices,
        gpu=gpu.name if random.random() < 0.98 else "Unheard-Of",
        labels=labels,
        capacity=random.choice([Capacity.SPOT, Capacity.ON_DEMAND]),
        instance_type=f"{gpu.name}-{random.choice(['linked', 'linked', 'apart'])}",
        allocatable=room,
        used=used_of(random, room) + daemons,
        daemons=daemons,
        fractions={name: Fraction(1, 7) for name, _ in room.parts if random.random() < 0.9},
        parted_gpus=Fraction(8) if room.parts and random.random() < 0.9 else None,
    )


def room_of(random: Random, *, parted: bool) -> Resources:
    """A node of whole GPUs; where there are parts, of MIG devices, slots, both or none too."""
    count = random.choice([8, 8, 8, 4, 1])
    kinds: list[dict[str, int]] = [{"mig_1g_10gb": 28}, {"shared": 16}, {"shared_gpu": 8}, {}]
    plain = parted and random.random() < 0.5
    whole = random.choice([0, 0, count]) if plain else count
    parts = random.choice(kinds) if plain else {}
    return make.resources(whole, cpu=32, memory_gib=128, pods=110, **parts)


def used_of(random: Random, room: Resources) -> Resources:
    gpus = room.gpus
    held = Resources(
        1000 * random.choice([1, 1, 8, 24, 31]),
        2**30 * random.choice([1, 1, 64, 120]),
        random.choice([0, 0, gpus // 2, gpus, random.randint(0, gpus)]),
        1,
        tuple((name, random.randint(1, count)) for name, count in room.parts),
    )
    return held if random.random() < 0.8 else make.resources(0)


def links_of(random: Random, levels: tuple[str, ...]) -> tuple[Link, ...]:
    """Some of the levels are joined by links that are told, the nodes now and then too."""
    return tuple(
        Link(level, 10 ** random.uniform(8, 10.5), random.choice([0.0, 1e-5]))
        for level in (*levels, NODE_LEVEL)
        if random.random() < 0.6
    )


def cluster_of(random: Random) -> Snapshot:
    racks, twins = random.choice([1, 3, 8, 20]), random.random() < 0.1
    parted = random.random() < 0.4
    nodes = [
        node_of(random, i, racks, twins=twins, parted=parted) for i in range(random.randint(1, 40))
    ]
    prices = [
        make.price(str(Fraction(usd) * share), accelerator=gpu.name, capacity=capacity)
        for gpu, usd in zip(MODELS, random.choices([1, 2, 3], k=3), strict=True)
        for capacity, share in ((Capacity.SPOT, Fraction(2, 5)), (None, 1))
        if random.random() < 0.9
    ]
    levels = random.choice([(make.ZONE, RACK), (RACK,)])
    told = links_of(random, levels) if random.random() < 0.5 else ()
    pools = [
        Pool("a", {"pool": "a"}, levels, told, tuple(prices)),
        Pool(
            "b",
            {"pool": "b"},
            random.choice([levels, (RACK, make.ZONE)]),
            prices=tuple(prices[:2]),
        ),
    ]
    found = make.snapshot(nodes, *random.choice([pools, [replace(pools[0], selector={})]]))
    return replace(found, gpu_needs=make.resources(0, cpu=random.choice([1, 3, 6]), memory_gib=8))


def profile_of(random: Random) -> JobProfile:
    return JobProfile(
        flops_per_sample=10 ** random.uniform(8, 12),
        parameters=round(10 ** random.uniform(5, 9.5)),
        batch=random.choice([1, 8, 64]),
        tensors=random.choice([0, 60, 200]),
    )


def gang_of(random: Random, cluster: Snapshot, *, speed: bool) -> Gang:
    mode = random.choice(list(TopologyMode))
    free = mode is TopologyMode.UNCONSTRAINED
    return make.gang(
        random.choice([1, 1, 2, 3, 5, 8, 8, 16, 40]),
        per_worker=worker_of(random, cluster),
        topology=mode,
        topology_level=None if free else random.choice([None, None, make.ZONE, RACK]),
        capacity=random.choice([None, None, None, Capacity.SPOT]),
        accelerators=random.choice([(), (), (), (gpus.T4.name,)]),
        objective=random.choice(list(Objective)),
        profile=profile_of(random) if speed else None,
        held=(random.choice(cluster.nodes).name,) if random.random() < 0.1 else (),
    )


def worker_of(random: Random, cluster: Snapshot) -> Resources:
    """Of whole GPUs mostly, now and then without any; of parts only where there are some."""
    cpu, memory = random.choice([1, 1, 4, 7]), random.choice([1, 8])
    parts: list[dict[str, int]] = [{"mig_1g_10gb": 1}, {"shared": 1}, {"shared_gpu": 2}]
    if any(node.allocatable.parts for node in cluster.nodes) and random.random() < 0.4:
        return make.resources(0, cpu, memory, **random.choice(parts))
    return make.resources(random.choice([1, 1, 1, 1, 2, 0]), cpu, memory)


def loads(decision: Placed, gang: Gang) -> Loads:
    held: Loads = {}
    for one in decision.assignments:
        held[one.node] = held.get(one.node, NOTHING) + gang.per_worker
    return held


def told(decision: Decision) -> walked.Answer:
    if not isinstance(decision, Placed):
        return [], decision.message, decision.rejected
    counts = Counter(assignment.node for assignment in decision.assignments)
    return sorted(counts.items()), decision.reason, decision.rejected


def changed(random: Random, fleet: Fleet, new: Loads, given: list[Loads]) -> Fleet:
    """The fleet with the newest places given away, and now and then older ones given back."""
    fleet = fleet.loaded(new)
    given.append(new)
    if random.random() < 0.4:
        back = given.pop(random.randrange(len(given)))
        fleet = fleet.loaded({name: NOTHING - load for name, load in back.items()})
    return fleet


@law
@given(SEEDS, st.booleans())
def test_each_of_many_decisions_is_what_walking_over_the_nodes_gives(
    seed: int, speed: bool
) -> None:
    random = Random(seed)
    cluster = cluster_of(random)
    known = Hardware(gpus.CATALOGUE.get, TYPES.get, lambda _: DECLARED, random.choice([0.0, 0.05]))
    hardware = known if speed else NOTHING_KNOWN
    gangs = [gang_of(random, cluster, speed=speed) for _ in range(2)]
    note(f"{gangs}\n{cluster}")
    fleet, given_away = fleet_of(cluster), list[Loads]()
    for _ in range(5):
        gang = random.choice(gangs)
        decision = choose(gang, fleet, hardware)
        assert told(decision) == walked.answer(gang, fleet.snapshot(), hardware)
        new = loads(decision, gang) if isinstance(decision, Placed) else {}
        fleet = changed(random, fleet, new, given_away)


@law
@given(SEEDS)
def test_what_is_kept_never_changes_an_answer(seed: int) -> None:
    """Whichever fleets are asked about in between, and in whatever order."""
    random = Random(seed)
    cluster = cluster_of(random)
    gangs = [gang_of(random, cluster, speed=False) for _ in range(3)]
    fleets = [fleet_of(cluster)]
    for _ in range(8):
        fleet, gang = random.choice(fleets), random.choice(gangs)
        decision = choose(gang, fleet)
        assert decision == choose(gang, fleet.snapshot())
        if isinstance(decision, Placed):
            fleets.append(fleet.loaded(loads(decision, gang)))


@law
@given(SEEDS)
def test_an_estate_is_used_again_where_nothing_but_what_is_held_has_changed(seed: int) -> None:
    random = Random(seed)
    cluster = cluster_of(random)
    before = fleet_of(cluster)
    busier = replace(
        cluster,
        nodes=tuple(
            replace(node, used=node.allocatable, labels=dict(node.labels))
            for node in random.sample(cluster.nodes, len(cluster.nodes))
        ),
    )
    after = fleet_of(busier, before.estate)
    assert after.estate is before.estate
    by_name = sorted(busier.nodes, key=lambda node: node.name)
    assert after.snapshot() == replace(busier, nodes=tuple(by_name))
    node = random.choice(cluster.nodes)
    others = tuple(it for it in cluster.nodes if it is not node)
    for other in (
        replace(cluster, nodes=others),
        replace(cluster, nodes=(*others, replace(node, cordoned=True))),
        replace(cluster, nodes=(*others, replace(node, labels={**node.labels, RACK: "other"}))),
        replace(cluster, pools=()),
    ):
        assert fleet_of(other, before.estate).estate is not before.estate


@law
@given(SEEDS)
def test_the_tightest_of_some_fleets_has_of_each_node_the_least(seed: int) -> None:
    random = Random(seed)
    first = fleet_of(cluster_of(random))
    names = [node.name for node in first.estate.nodes]
    some = [
        first.loaded(
            {name: make.resources(random.randint(-2, 2)) for name in random.sample(names, k)}
        )
        for k in random.choices(range(len(names) + 1), k=3)
    ]
    found = tightest(some)
    for name in names:
        for each in (make.resources(1), make.resources(0)):
            assert found.room(name, each) <= min(one.room(name, each) for one in some)
    assert tightest([first, first]) is first


@law
@given(SEEDS)
def test_a_confined_fleet_has_no_more_room_than_was_kept(seed: int) -> None:
    random = Random(seed)
    fleet = fleet_of(cluster_of(random))
    each, names = make.resources(1), [node.name for node in fleet.estate.nodes]
    places = {random.choice(names): random.randint(0, 3) for _ in range(3)} | {"gone": 1}
    less = confined(fleet, places, each)
    assert {n.name for n in less.estate.nodes} == {n for n in names if places.get(n)}
    for node in less.estate.nodes:
        assert less.room(node.name, each) == min(places[node.name], fleet.room(node.name, each))
