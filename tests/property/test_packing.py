"""Laws of packing, over random fleets and workloads; measures against their definitions."""

from itertools import combinations
from random import Random

import numpy as np
from hypothesis import given, note, settings
from hypothesis import strategies as st

from quartermaster.decide.packing.fleet import (
    ABSENT,
    ANY_MODEL,
    WHOLE,
    Fleet,
    Integers,
    Placement,
    TaskClasses,
)
from quartermaster.decide.packing.fragmentation import Fragmentation
from quartermaster.decide.packing.options import options
from quartermaster.decide.packing.packer import UNFIT, Packer, ScoreBook
from quartermaster.decide.packing.scorers import (
    BestFit,
    FragmentationGradient,
    GpuPacking,
    Indifferent,
    Scorer,
)
from quartermaster.decide.packing.stranding import LeastStranding, beyond
from quartermaster.decide.packing.workload import Workload, observed, typical

SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=60, deadline=None)
MODELS = (1, 2, 4)
SHARES = (110, 250, 320, 470, 500, 810)


def fleet_of(random: Random) -> Fleet:
    rows = [random.choice([0, 1, 2, 4]) for _ in range(random.randint(1, 6))]
    return Fleet(
        cpu=np.array([random.choice([4, 16, 32, 64]) * 1000 for _ in rows]),
        memory=np.array([random.choice([32, 64, 256]) * 1024 for _ in rows]),
        gpu=np.where(np.arange(4) < np.array(rows)[:, np.newaxis], WHOLE, ABSENT),
        model=np.array([random.choice(MODELS) if gpus else 0 for gpus in rows]),
    )


def classes_of(random: Random) -> TaskClasses:
    rows: list[tuple[int, int, int, int, int]] = []
    for _ in range(random.randint(1, 7)):
        gpus = random.choice([0, 1, 1, 1, 2, 4])
        milli = random.choice((*SHARES, WHOLE, WHOLE)) if gpus else 0
        models = random.choice([ANY_MODEL, ANY_MODEL, 1, 3, 4])
        cpu, memory = random.choice([0, 1, 3, 8, 12]) * 1000, random.choice([0, 4, 16]) * 1024
        rows.append((cpu, memory, gpus, milli, models))
    return TaskClasses(*np.array(sorted(set(rows))).T)


def scene(seed: int) -> tuple[Random, Fleet, Workload]:
    random = Random(seed)
    fleet, classes = fleet_of(random), classes_of(random)
    pods = np.array([random.randrange(len(classes)) for _ in range(30)])
    note(f"{fleet}\n{classes}")
    return random, fleet, observed(classes, pods)


def scorers(fleet: Fleet, workload: Workload) -> list[Scorer]:
    return [
        Indifferent(),
        BestFit(64_000, 4 * WHOLE),
        GpuPacking(),
        FragmentationGradient(Fragmentation.of(typical(workload))),
        LeastStranding.of(workload, fleet),
    ]


def packers(random: Random, fleet: Fleet, workload: Workload) -> list[Packer]:
    return [
        Packer(fleet, ScoreBook(workload.classes, scorer), chance)
        for scorer in scorers(fleet, workload)
        for chance in (None, np.random.default_rng(random.randrange(1000)))
    ]


def fits(fleet: Fleet, node: int, classes: TaskClasses, row: int) -> bool:
    """By the words of the rules, device by device."""
    gpus, milli = int(classes.gpus[row]), int(classes.milli[row])
    enough = sum(int(free) >= milli for free in fleet.gpu[node] if free != ABSENT) >= gpus
    model = gpus == 0 or bool(int(fleet.model[node]) & int(classes.models[row]))
    return (
        bool(fleet.cpu[node] >= classes.cpu[row])
        and bool(fleet.memory[node] >= classes.memory[row])
        and enough
        and model
    )


def contents(packer: Packer) -> tuple[bytes, ...]:
    fleet = packer.fleet
    arrays = (fleet.cpu, fleet.memory, fleet.gpu, fleet.model, packer.scores)
    return tuple(array.tobytes() for array in arrays)


@law
@given(SEEDS)
def test_no_node_is_overdrawn_and_each_pod_gets_what_it_asked_for(seed: int) -> None:
    random, fleet, workload = scene(seed)
    classes = workload.classes
    for packer in packers(random, fleet, workload):
        used_cpu, used_memory = np.zeros_like(fleet.cpu), np.zeros_like(fleet.memory)
        used_gpu = np.zeros_like(fleet.gpu)
        for _ in range(40):
            row = random.randrange(len(classes))
            placement = packer.place(row)
            if placement is None:
                continue
            node, devices = placement.node, list(placement.devices)
            used_cpu[node] += classes.cpu[row]
            used_memory[node] += classes.memory[row]
            used_gpu[node, devices] += classes.milli[row]
            assert len(set(devices)) == len(devices) == classes.gpus[row]
            if devices:
                assert int(fleet.model[node]) & int(classes.models[row])
                assert (fleet.gpu[node, devices] == WHOLE).all(), "a device that is not there"
            if classes.milli[row] == WHOLE:
                assert (used_gpu[node, devices] == WHOLE).all(), "a whole GPU is nobody else's"
        assert (used_cpu <= fleet.cpu).all()
        assert (used_memory <= fleet.memory).all()
        assert ((used_gpu >= 0) & (used_gpu <= WHOLE)).all()
        assert (packer.fleet.cpu == fleet.cpu - used_cpu).all()
        assert (packer.fleet.memory == fleet.memory - used_memory).all()
        assert (packer.fleet.gpu == fleet.gpu - used_gpu).all()


@law
@given(SEEDS)
def test_a_pod_is_refused_only_where_no_node_has_room(seed: int) -> None:
    random, fleet, workload = scene(seed)
    classes = workload.classes
    for packer in packers(random, fleet, workload):
        for _ in range(40):
            row = random.randrange(len(classes))
            room = [fits(packer.fleet, node, classes, row) for node in range(len(fleet))]
            assert [bool(score != UNFIT) for score in packer.scores[row]] == room
            placement = packer.place(row)
            assert (placement is not None) == any(room)
            assert placement is None or room[placement.node]


@law
@given(SEEDS)
def test_a_trial_that_is_rolled_back_leaves_no_trace(seed: int) -> None:
    random, fleet, workload = scene(seed)
    for packer in packers(random, fleet, workload):
        for _ in range(random.randrange(12)):
            packer.place(random.randrange(len(workload.classes)))
        before = contents(packer)
        tried = [packer.place(random.randrange(len(workload.classes))) for _ in range(8)]
        for placement in random.sample(tried, len(tried)):
            if placement is not None:
                packer.remove(placement)
        assert contents(packer) == before


@law
@given(SEEDS)
def test_the_fleet_that_is_given_is_not_changed(seed: int) -> None:
    random, fleet, workload = scene(seed)
    kept = fleet.copy()
    for packer in packers(random, fleet, workload):
        for _ in range(10):
            packer.place(random.randrange(len(workload.classes)))
    assert (fleet.cpu == kept.cpu).all()
    assert (fleet.gpu == kept.gpu).all()


def fragmentation_by_definition(
    workload: Workload, cpu: int, gpu: tuple[int, ...], model: int
) -> float:
    """The sum of section 3 of the paper, one class and one device at a time [milli-GPU]."""
    classes, total = workload.classes, 0.0
    for row, popularity in enumerate(workload.popularity):
        gpus, milli = int(classes.gpus[row]), int(classes.milli[row])
        runs = (
            gpus > 0
            and cpu >= classes.cpu[row]
            and bool(model & int(classes.models[row]))
            and any(min(chosen) >= milli for chosen in combinations(gpu, gpus))
        )
        total += popularity * sum(free for free in gpu if not runs or free < milli)
    return total


@law
@given(SEEDS)
def test_fragmentation_is_what_its_definition_says(seed: int) -> None:
    random, fleet, workload = scene(seed)
    measure = Fragmentation.of(workload)
    packer = Packer(fleet, ScoreBook(workload.classes, Indifferent()))
    for _ in range(random.randrange(30)):
        packer.place(random.randrange(len(workload.classes)))
    for node in range(len(fleet)):
        room = packer.fleet.room(node)
        want = fragmentation_by_definition(workload, room.cpu, room.gpu, room.model)
        assert np.isclose(measure(room.state)[0], want)


@law
@given(SEEDS)
def test_fragmentation_lies_between_nothing_and_all_that_is_idle(seed: int) -> None:
    _, fleet, workload = scene(seed)
    for node in range(len(fleet)):
        state = fleet.room(node).state
        assert -1e-9 <= Fragmentation.of(workload)(state)[0] <= state.idle[0] + 1e-9


@law
@given(SEEDS)
def test_each_device_that_has_room_is_an_option_or_equals_one(seed: int) -> None:
    random, fleet, workload = scene(seed)
    classes = workload.classes
    packer = Packer(fleet, ScoreBook(classes, Indifferent()), np.random.default_rng(seed))
    for _ in range(random.randrange(20)):
        packer.place(random.randrange(len(classes)))
    for node in range(len(fleet)):
        room = packer.fleet.room(node)
        ways = options(classes, room)
        for row in range(len(classes)):
            after = {tuple(sorted(gpu)) for gpu in ways.after.gpu[ways.task_class == row].tolist()}
            assert after == afterwards(packer.fleet, node, classes, row)


def afterwards(fleet: Fleet, node: int, classes: TaskClasses, row: int) -> set[tuple[int, ...]]:
    """What devices may look like with the pod on them: any one device, or the fullest that do."""
    if not fits(fleet, node, classes, row):
        return set()
    gpu = sorted(int(free) for free in fleet.gpu[node] if free != ABSENT)
    gpus, milli = int(classes.gpus[row]), int(classes.milli[row])
    able = [place for place, free in enumerate(gpu) if free >= milli]
    chosen = [(place,) for place in able] if gpus == 1 and milli < WHOLE else [tuple(able[:gpus])]
    return {
        tuple(sorted(free - milli * (place in places) for place, free in enumerate(gpu)))
        for places in chosen
    }


def route(packer: Packer, pods: Integers) -> list[Placement | None]:
    return [packer.place(int(row)) for row in pods]


@law
@given(SEEDS)
def test_the_order_of_nodes_matters_between_equals_only(seed: int) -> None:
    """Each pod goes to the first of the best nodes, whatever the order; scores do not see it."""
    random, fleet, workload = scene(seed)
    order = np.array(random.sample(range(len(fleet)), len(fleet)))
    for scorer in scorers(fleet, workload):
        packer = Packer(fleet, ScoreBook(workload.classes, scorer))
        other = Packer(fleet.reordered(order), ScoreBook(workload.classes, scorer))
        assert (other.scores == packer.scores[:, order]).all()
        for _ in range(20):
            row = random.randrange(len(workload.classes))
            scores = packer.scores[row].copy()
            placement = packer.place(row)
            if placement is not None:
                best = np.flatnonzero(scores == scores.max())
                assert placement.node == best[0]


@law
@given(SEEDS)
def test_the_same_pods_take_the_same_places_with_and_without_a_memory(seed: int) -> None:
    random, fleet, workload = scene(seed)
    pods = np.array([random.randrange(len(workload.classes)) for _ in range(30)])
    for scorer in scorers(fleet, workload):
        book = ScoreBook(workload.classes, scorer)
        first = route(Packer(fleet, book), pods)
        assert route(Packer(fleet, book), pods) == first
        assert route(Packer(fleet, ScoreBook(workload.classes, scorer)), pods) == first


@law
@given(SEEDS)
def test_stranded_gpu_is_what_is_idle_beyond_what_is_left_for_it(seed: int) -> None:
    random = Random(seed)
    idle, left = random.choice([0.0, 0.19, 1.0, 7.5]), random.choice([0.0, 3.0, 96.0])
    needs = [random.choice([0.0, 3.9, 11.3, 25.0]) for _ in range(random.randint(1, 8))]
    want = sum(max(0.0, idle - left / need) if need else 0.0 for need in needs) / len(needs)
    have = beyond(np.array([idle]), np.array([left]), np.array(needs))
    assert np.isclose(have[0], want)


@law
@given(SEEDS)
def test_more_cpu_or_memory_never_strands_more(seed: int) -> None:
    random, fleet, workload = scene(seed)
    scorer = LeastStranding.of(workload, fleet)
    for node in range(len(fleet)):
        room = fleet.room(node)
        richer = room._replace(cpu=room.cpu + 1000 * random.randrange(9), memory=room.memory * 2)
        assert scorer.potential(richer.state)[0] <= scorer.potential(room.state)[0] + 1e-9
