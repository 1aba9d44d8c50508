"""Placing by predicted speed, case by case."""

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from quartermaster.decide.placement.choose import choose
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.domain.cluster import Capacity, Node, Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.profile import Bound, Measured
from quartermaster.domain.workload import Gang, Objective
from tests.support import gpus, make

KNOWN = Hardware(gpus.CATALOGUE.get, gpus.INSTANCES.get)
COMPUTE = gpus.profile(flops_per_sample=200e9, parameters=5_000_000, batch=64)
NETWORK = gpus.profile(flops_per_sample=10e9, parameters=500_000_000, batch=4, tensors=20)


def t4(name: str, **more: Any) -> Node:
    return make.node(name, 4, gpu=gpus.T4.name, instance_type="g4dn.12xlarge", **more)


def a100(name: str, **more: Any) -> Node:
    return make.node(name, 8, gpu=gpus.A100.name, instance_type="p4d.24xlarge", **more)


def placed(gang: Gang, nodes: Sequence[Node], *prices: Any, hardware: Hardware = KNOWN) -> Placed:
    decision = choose(gang, make.snapshot(nodes, make.pool("pool", *prices)), hardware)
    assert isinstance(decision, Placed)
    return decision


def price_of(t4_usd: str, a100_usd: str) -> list[Any]:
    return [
        make.price(t4_usd, accelerator=gpus.T4.name),
        make.price(a100_usd, accelerator=gpus.A100.name),
    ]


def nodes_of(decision: Placed) -> list[str]:
    return [assignment.node for assignment in decision.assignments]


def test_the_dearer_hour_is_taken_where_it_is_the_cheaper_run() -> None:
    gang = make.gang(4, profile=COMPUTE, objective=Objective.COST)
    cluster = [t4("slow"), a100("fast")]
    by_hour = placed(replace(gang, profile=None), cluster, *price_of("1", "2"))
    by_run = placed(gang, cluster, *price_of("1", "2"))
    assert (set(nodes_of(by_hour)), set(nodes_of(by_run))) == ({"slow"}, {"fast"})
    assert by_hour.predicted_step_seconds is by_hour.bound is None
    assert by_run.bound is Bound.COMPUTE
    assert "the cheapest to finish of 3 combinations that fit" in by_run.reason


def test_where_money_is_alike_the_faster_goes_first() -> None:
    """A measured step each, so that both cost the same to finish to the last digit."""
    measured = (Measured(gpus.T4.name, 1, 1, 4.0), Measured(gpus.A100.name, 1, 1, 1.0))
    gang = make.gang(1, profile=replace(COMPUTE, measured=measured), objective=Objective.COST)
    decision = placed(gang, [t4("slow"), a100("fast")], *price_of("1", "4"))
    assert nodes_of(decision) == ["fast"]
    assert decision.predicted_step_seconds == pytest.approx(1.0)


def test_where_time_is_alike_the_cheaper_goes_first() -> None:
    measured = (Measured(gpus.T4.name, 1, 1, 1.01), Measured(gpus.A100.name, 1, 1, 1.0))
    gang = make.gang(1, profile=replace(COMPUTE, measured=measured), objective=Objective.TIME)
    decision = placed(gang, [t4("slow"), a100("fast")], *price_of("1", "4"))
    assert nodes_of(decision) == ["slow"]
    assert "1.0 % behind the fastest, 1 x NVIDIA-A100-SXM4-40GB" in decision.reason
    assert "cheaper to finish" in decision.reason
    exact = replace(KNOWN, indifference=0.0)
    strict = placed(gang, [t4("slow"), a100("fast")], *price_of("1", "4"), hardware=exact)
    assert nodes_of(strict) == ["fast"]


def test_compute_takes_what_is_broken_and_communication_what_is_whole() -> None:
    half = make.resources(4)
    cluster = [a100("whole"), a100("half-0", used=half), a100("half-1", used=half)]
    compute = placed(make.gang(8, profile=COMPUTE), cluster, make.price("3"))
    network = placed(make.gang(8, profile=NETWORK), cluster, make.price("3"))
    assert set(nodes_of(compute)) == {"half-0", "half-1"}
    assert "so it leaves whole nodes to others" not in compute.reason  # nothing else was weighed
    assert set(nodes_of(network)) == {"whole"}
    assert network.bound is Bound.COMMUNICATION


def test_a_better_connected_machine_of_the_same_gpu_is_worth_its_price() -> None:
    types = gpus.INSTANCES | {"small": gpus.instance("small", gpus.T4, 1, 5, linked=False)}
    small = [make.node(f"small-{n}", 1, gpu=gpus.T4.name, instance_type="small") for n in range(4)]
    prices = [make.price("1", instance_type="small"), make.price("1.5")]
    hardware = Hardware(gpus.CATALOGUE.get, types.get)
    network = placed(
        make.gang(4, profile=NETWORK), [*small, t4("large")], *prices, hardware=hardware
    )
    compute = placed(
        make.gang(4, profile=COMPUTE), [*small, t4("large")], *prices, hardware=hardware
    )
    assert set(nodes_of(network)) == {"large"}
    assert "(g4dn.12xlarge)" in network.reason
    assert all(name.startswith("small") for name in nodes_of(compute))


def test_a_model_that_does_not_fit_into_the_memory_is_the_last_choice() -> None:
    """1.5 billion parameters want 24 GB of state; a T4 has 16."""
    large = gpus.profile(parameters=1_500_000_000, batch=1)
    gang = make.gang(1, profile=large, objective=Objective.COST)
    decision = placed(gang, [t4("small"), a100("roomy")], *price_of("0.01", "9"))
    assert nodes_of(decision) == ["roomy"]
    assert decision.rejected[0].reason == "the model does not fit into its memory (0.010 USD/h)"
    alone = placed(gang, [t4("small")], *price_of("0.01", "9"))
    assert nodes_of(alone) == ["small"]


def test_time_needs_no_price() -> None:
    gang = make.gang(2, profile=COMPUTE, objective=Objective.TIME)
    decision = placed(gang, [t4("slow"), a100("fast")])
    assert set(nodes_of(decision)) == {"fast"}
    assert "price unknown; the fastest of" in decision.reason
    assert "x the speed (price unknown" in decision.rejected[0].reason


def test_without_a_price_cost_falls_back_to_what_it_was() -> None:
    gang = make.gang(2, profile=COMPUTE, objective=Objective.COST)
    decision = placed(gang, [t4("b-slow"), a100("a-fast")])
    plain = placed(replace(gang, profile=None), [t4("b-slow"), a100("a-fast")])
    assert nodes_of(decision) == nodes_of(plain)
    assert "its price is unknown" in decision.reason


def test_a_worker_without_gpus_has_no_speed_to_weigh() -> None:
    gang = make.gang(2, 0, profile=COMPUTE)
    assert placed(gang, [t4("a")]) == placed(replace(gang, profile=None), [t4("a")])


def test_a_replaced_worker_is_weighed_with_the_nodes_of_the_others() -> None:
    """One worker on a node of its own crosses no link, but with its gang it crosses the network."""
    gang = make.gang(1, profile=NETWORK, held=("a",))
    cluster = [a100("a", used=make.resources(8)), a100("b")]
    decision = placed(gang, cluster, make.price("3"))
    assert decision.bound is Bound.COMMUNICATION
    alone = placed(replace(gang, held=()), cluster, make.price("3"))
    assert alone.bound is Bound.COMPUTE


def test_capacity_types_are_weighed_by_what_they_cost() -> None:
    gang = make.gang(2, profile=COMPUTE, objective=Objective.BALANCED)
    spot = [t4("spot", capacity=Capacity.SPOT), t4("demand")]
    prices = [make.price("0.3", capacity=Capacity.SPOT), make.price("1")]
    decision = placed(gang, spot, *prices)
    assert set(nodes_of(decision)) == {"spot"}
    rates = [assignment.usd_per_hour for assignment in decision.assignments]
    assert rates == [Fraction(3, 10)] * 2
    against = {other.candidate: other.reason for other in decision.rejected}
    assert against["2 x Tesla-T4 on-demand"].startswith("3.33 x the cost for 1.00 x the speed")


def test_nothing_known_is_the_default() -> None:
    gang = make.gang(2, profile=COMPUTE)
    cluster = Snapshot((t4("a"), a100("b")))
    assert choose(gang, cluster) == choose(gang, cluster, NOTHING_KNOWN)
    assert choose(gang, cluster) == choose(replace(gang, profile=None), cluster)
