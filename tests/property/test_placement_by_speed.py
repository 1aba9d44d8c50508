"""Laws of placing by predicted speed, against an oracle that tries every assignment."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from itertools import product
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.placement.choose import choose
from quartermaster.decide.placement.fit import Slot
from quartermaster.decide.profile.calibration import DECLARED
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.cluster import Capacity, Node, Pool, Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.hardware import Accelerator, InstanceType
from quartermaster.domain.profile import JobProfile, Kernel, Shape
from quartermaster.domain.workload import Gang, Objective, TopologyMode
from tests.support import gpus, make, walked

SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=150, deadline=None)
MODELS = (gpus.T4, gpus.L4, gpus.A100)
INSTANCES = {
    gpus.T4.name: gpus.instance("t4-machine", gpus.T4, 4, 10),
    gpus.L4.name: gpus.instance("l4-machine", gpus.L4, 4, 40, linked=False),
    gpus.A100.name: gpus.instance("a100-machine", gpus.A100, 4, 400),
}
RATES = {gpus.T4.name: "0.5", gpus.L4.name: "0.8", gpus.A100.name: "3.7"}


def known(
    indifference: float = 0.0,
    catalogue: Mapping[str, Accelerator] = gpus.CATALOGUE,
    instances: Mapping[str, InstanceType] | None = None,
) -> Hardware:
    types = {it.name: it for it in INSTANCES.values()} if instances is None else instances
    return Hardware(catalogue.get, types.get, lambda _: DECLARED, indifference)


def profile_of(random: Random) -> JobProfile:
    return JobProfile(
        flops_per_sample=10 ** random.uniform(8, 12),
        parameters=round(10 ** random.uniform(5, 9)),
        batch=random.choice([1, 8, 64]),
        traffic_per_sample=random.choice([0, 10 ** random.uniform(6, 10)]),
        tensors=random.choice([0, 60, 200]),
        kernel=random.choice(list(Kernel)),
        input_seconds_per_sample=random.choice([0, 0, 1e-3]),
        state_bytes_per_parameter=4,
    )


def node_of(random: Random, index: int, models: tuple[Accelerator, ...]) -> Node:
    gpu = random.choice(models)
    used = random.choice([0, 0, 1, 2])
    return make.node(
        f"node-{index}",
        4,
        gpu=gpu.name,
        zone=random.choice(["east", "west"]),
        capacity=random.choice([Capacity.SPOT, Capacity.ON_DEMAND]),
        instance_type=INSTANCES[gpu.name].name,
        used=make.resources(used),
    )


def pool_of(random: Random) -> Pool:
    """One price for each GPU model and capacity type, as in a price list."""
    rows = []
    for name, rate in RATES.items():
        spot = Fraction(rate) * Fraction(random.choice([3, 5, 8]), 10)
        rows.append(make.price(str(spot), accelerator=name, capacity=Capacity.SPOT))
        rows.append(make.price(rate, accelerator=name))
    return make.pool("pool", *rows, topology_levels=(make.ZONE,))


def scene(seed: int, models: tuple[Accelerator, ...] = MODELS) -> tuple[Random, Gang, Snapshot]:
    random = Random(seed)
    nodes = [node_of(random, index, models) for index in range(random.randint(1, 4))]
    gang = make.gang(
        random.randint(1, 5),
        random.choice([1, 1, 2]),
        topology=random.choice([TopologyMode.UNCONSTRAINED, TopologyMode.PREFERRED]),
        profile=profile_of(random),
        objective=random.choice(list(Objective)),
    )
    return random, gang, make.snapshot(nodes, pool_of(random))


def assignments(slots: list[Slot], size: int) -> Iterator[list[tuple[Slot, int]]]:
    """Every way of giving each node a number of workers."""
    for counts in product(*(range(min(slot.free, size) + 1) for slot in slots)):
        if sum(counts) == size:
            yield [(slot, n) for slot, n in zip(slots, counts, strict=True) if n]


def seconds(gang: Gang, places: list[tuple[Slot, int]], hardware: Hardware) -> float:
    """A step there: the slowest GPU, the narrowest network card."""
    assert gang.profile is not None
    types = [hardware.instance(slot.node.instance_type) for slot, _ in places]
    widths = [it.network_bandwidth for it in types if it is not None]
    shape = Shape(
        per_node=max(count for _, count in places) * gang.per_worker.gpus,
        nodes=len(places),
        linked=all(it is not None and it.linked for it in types),
        network_bandwidth=min(width for width in widths if width is not None),
    )
    steps = []
    for name in {slot.node.accelerator for slot, _ in places}:
        step = step_time(gang.profile, hardware.accelerator(name), shape)
        assert step is not None
        steps.append(step.total)
    return max(steps)


def cost(gang: Gang, places: list[tuple[Slot, int]], hardware: Hardware) -> float:
    """The objective, in the units of the definition: USD/h x s, s, USD/h x s x s."""
    step = seconds(gang, places, hardware)
    rate = float(sum((slot.rate or Fraction(0)) * count for slot, count in places))
    return {
        Objective.COST: rate * step,
        Objective.TIME: step,
        Objective.BALANCED: rate * step * step,
    }[gang.objective]


def taken_by(decision: Placed, gang: Gang, cluster: Snapshot) -> list[tuple[Slot, int]]:
    loads = Counter(assignment.node for assignment in decision.assignments)
    slots, _ = walked.slots(gang, cluster)
    return [(slot, loads[slot.node.name]) for slot in slots if slot.node.name in loads]


@law
@given(SEEDS, st.sampled_from([MODELS, (gpus.T4,), (gpus.L4, gpus.A100)]))
def test_the_objective_is_the_least_of_all_assignments(
    seed: int, models: tuple[Accelerator, ...]
) -> None:
    """Mixed and equal GPUs, spot and on-demand, at one price for each kind, one machine type."""
    _, gang, cluster = scene(seed, models)
    hardware = known()
    slots, _ = walked.slots(gang, cluster)
    costs = [cost(gang, places, hardware) for places in assignments(slots, gang.size)]
    decision = choose(gang, cluster, hardware)
    assert isinstance(decision, Placed) == bool(costs)
    if isinstance(decision, Placed):
        found = taken_by(decision, gang, cluster)
        assert cost(gang, found, hardware) == pytest.approx(min(costs))
        assert decision.predicted_step_seconds == pytest.approx(seconds(gang, found, hardware))


@law
@given(SEEDS, st.floats(0.0, 0.5))
def test_indifference_gives_away_no_more_than_it_says(seed: int, indifference: float) -> None:
    _, gang, cluster = scene(seed)
    exact = choose(gang, cluster, known())
    gentle = choose(gang, cluster, known(indifference))
    if isinstance(exact, Placed) and isinstance(gentle, Placed):
        least = cost(gang, taken_by(exact, gang, cluster), known())
        found = cost(gang, taken_by(gentle, gang, cluster), known())
        assert least * (1 - 1e-9) <= found <= least * (1 + indifference) * (1 + 1e-9)


@law
@given(SEEDS)
def test_the_order_of_the_nodes_changes_nothing(seed: int) -> None:
    random, gang, cluster = scene(seed)
    shuffled = replace(cluster, nodes=tuple(random.sample(cluster.nodes, len(cluster.nodes))))
    hardware = known(0.05)
    assert repr(choose(gang, cluster, hardware)) == repr(choose(gang, shuffled, hardware))


@law
@given(SEEDS)
def test_whoever_fits_without_a_profile_fits_with_one(seed: int) -> None:
    _, gang, cluster = scene(seed)
    plain = choose(replace(gang, profile=None), cluster)
    assert type(choose(gang, cluster, known())) is type(plain)


@law
@given(SEEDS, st.sampled_from(Objective))
def test_without_a_profile_or_a_catalogue_nothing_changes(seed: int, objective: Objective) -> None:
    _, gang, cluster = scene(seed)
    nameless = replace(gang, profile=None)
    plain = choose(nameless, cluster)
    assert choose(replace(nameless, objective=objective), cluster, known()) == plain
    assert choose(gang, cluster) == plain


@law
@given(SEEDS)
def test_what_is_unknown_never_wins_by_being_unknown(seed: int) -> None:
    """A free node of an unknown GPU model, or with an unknown network, does not draw the gang."""
    random, gang, cluster = scene(seed)
    decision = choose(gang, cluster, known())
    if not isinstance(decision, Placed) or decision.predicted_step_seconds is None:
        return
    stranger = make.node(
        "stranger",
        8,
        gpu=random.choice(["Unheard-Of", gpus.T4.name]),
        zone="east",
        capacity=Capacity.SPOT,
        instance_type="unheard-of",
    )
    cheap = make.price("0.001", instance_type="unheard-of")
    pool = replace(cluster.pools[0], prices=(cheap, *cluster.pools[0].prices))
    more = replace(cluster, nodes=(*cluster.nodes, stranger), pools=(pool,))
    after = choose(gang, more, known())
    assert isinstance(after, Placed)
    assert after.predicted_step_seconds is not None
    used = {assignment.node for assignment in after.assignments}
    if stranger.accelerator == "Unheard-Of":
        assert "stranger" not in used
    # Of a known model it may serve alone, where no network is crossed.
    assert "stranger" not in used or len(used) == 1


@law
@given(SEEDS, st.floats(1.0, 10.0))
def test_faster_hardware_never_makes_the_fastest_place_slower(seed: int, factor: float) -> None:
    random, gang, cluster = scene(seed)
    gang = replace(gang, objective=Objective.TIME)
    before = choose(gang, cluster, known())
    if not isinstance(before, Placed):
        return
    assert before.predicted_step_seconds is not None
    gpu = random.choice(MODELS)
    peaks = {name: flops * factor for name, flops in gpu.peak_flops.items()}
    faster = replace(gpu, peak_flops=peaks, memory_bandwidth=gpu.memory_bandwidth * factor)
    types = {
        it.name: replace(it, network_bandwidth=(it.network_bandwidth or 0) * factor)
        for it in INSTANCES.values()
    }
    for hardware in (
        known(catalogue=gpus.CATALOGUE | {gpu.name: faster}),
        known(instances=types),
    ):
        after = choose(gang, cluster, hardware)
        assert isinstance(after, Placed)
        assert after.predicted_step_seconds is not None
        assert after.predicted_step_seconds <= before.predicted_step_seconds * (1 + 1e-9)


@law
@given(SEEDS)
def test_words_stay_within_the_status_limits(seed: int) -> None:
    random, gang, cluster = scene(seed)
    long = {gpu.name: (gpu.name * 9)[:63] for gpu in MODELS}
    nodes = [
        replace(
            node,
            name=(node.name * 40)[:253],
            accelerator=long[node.accelerator],
            labels={make.ZONE: (node.labels[make.ZONE] * 20)[:63]},
            instance_type=random.choice([node.instance_type, (node.instance_type * 9)[:63]]),
        )
        for node in cluster.nodes
    ]
    rows = [
        replace(row, accelerator=long[row.accelerator or ""]) for row in cluster.pools[0].prices
    ]
    pool = replace(cluster.pools[0], prices=tuple(rows))
    catalogue = {long[gpu.name]: replace(gpu, name=long[gpu.name]) for gpu in MODELS}
    types = {name: it for it in INSTANCES.values() for name in (it.name, (it.name * 9)[:63])}
    decision = choose(
        gang, make.snapshot(nodes, pool), known(0.05, catalogue=catalogue, instances=types)
    )
    words = decision.reason if isinstance(decision, Placed) else decision.message
    assert 0 < len(words) <= 1024
    assert len(decision.rejected) <= 5
    assert all(len(other.candidate) <= 256 for other in decision.rejected)
    assert all(0 < len(other.reason) <= 512 for other in decision.rejected)
    told = [other.candidate for other in decision.rejected]
    assert len(told) == len(set(told))
