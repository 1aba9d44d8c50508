"""Nodes as metrics."""

from dataclasses import replace

from quartermaster.adapters.metrics.capacity import CapacityCollector, is_overcommitted
from quartermaster.domain.cluster import Capacity, Node, Reclaim
from tests.support import make
from tests.support.scraped import Samples, collected, named


def scraped(*nodes: Node) -> Samples:
    cluster = make.snapshot(nodes, make.pool("pool"))
    return collected(CapacityCollector(lambda: cluster))


def free(*nodes: Node) -> Samples:
    return named(scraped(*nodes), ["pool_largest_free_gpus"])


def test_nodes_are_counted_by_whether_they_are_ready() -> None:
    spot = make.node("b", capacity=Capacity.SPOT)
    found = scraped(make.node("a"), spot, replace(spot, name="c", ready=False))
    assert named(found, ["pool_nodes"]) == {
        ("pool_nodes", "pool", "OnDemand", "ready"): 1,
        ("pool_nodes", "pool", "OnDemand", "unready"): 0,
        ("pool_nodes", "pool", "Spot", "ready"): 1,
        ("pool_nodes", "pool", "Spot", "unready"): 1,
    }


def test_gpus_are_those_of_ready_nodes() -> None:
    found = scraped(make.node("a", 4, used=make.resources(3)), make.node("b", 8, ready=False))
    assert found["pool_gpus", "pool", make.T4] == 4
    assert found["pool_gpus_used", "pool", make.T4] == 3


def test_the_most_that_is_free_is_free_on_one_node_that_takes_pods() -> None:
    half, empty = make.node("a", 4, used=make.resources(3)), make.node("b", 8)
    key = ("pool_largest_free_gpus", "pool", make.T4)
    assert free(half, empty) == {key: 8}
    for change in (
        {"cordoned": True},
        {"reclaim": Reclaim("AWS", "spot interruption")},
        {"ready": False},
    ):
        assert free(half, replace(empty, **change)) == {key: 1}
    assert free(replace(empty, cordoned=True)) == {key: 0}
    assert free(make.node("cpu", 0)) == {}


def test_a_node_of_which_more_is_held_than_there_is_is_overcommitted() -> None:
    full = make.node("a", 4, used=make.resources(4))
    assert scraped(full)["overcommitted_nodes",] == 0
    assert scraped(full, make.node("b", 4, used=make.resources(5)))["overcommitted_nodes",] == 1
    parted = make.node("c", allocatable=make.resources(0, shared=4), used=make.resources(shared=4))
    assert not is_overcommitted(parted)
    assert is_overcommitted(replace(parted, used=make.resources(shared=5)))
