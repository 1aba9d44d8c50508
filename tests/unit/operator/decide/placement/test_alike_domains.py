"""Of racks that differ by names alone a few are weighed, and nobody gets a worse place for it."""

from collections.abc import Sequence

import pytest

from quartermaster.decide.placement.choose import choose
from quartermaster.domain.cluster import Node
from quartermaster.domain.decision import Placed
from quartermaster.domain.workload import TopologyMode
from tests.support import make

RACK = "topology.quartermaster.dev/rack"
RACKS = 20


def rack(number: int, *gpus: int) -> list[Node]:
    name = f"r{number:02d}"
    return [make.node(f"{name}-n{i}", count, labels={RACK: name}) for i, count in enumerate(gpus)]


def racks_of(nodes: Sequence[Node], workers: int) -> set[str]:
    pool = make.pool("all", make.price("1"), topology_levels=(RACK,))
    gang = make.gang(workers, topology=TopologyMode.REQUIRED)
    decision = choose(gang, make.snapshot(nodes, pool))
    assert isinstance(decision, Placed)
    at = {node.name: node.labels[RACK] for node in nodes}
    return {at[one.node] for one in decision.assignments}


def test_of_equal_racks_the_first_by_name_is_taken() -> None:
    nodes = [node for number in range(RACKS) for node in rack(number, 4, 4)]
    assert racks_of(nodes, 8) == {"r00"}
    assert racks_of(nodes[::-1], 8) == {"r00"}


@pytest.mark.parametrize("better", [0, 3, RACKS - 1])
def test_the_one_rack_that_needs_fewer_nodes_is_found_among_many(better: int) -> None:
    nodes = [
        node
        for number in range(RACKS)
        for node in (rack(number, 8) if number == better else rack(number, 4, 4))
    ]
    assert racks_of(nodes, 8) == {f"r{better:02d}"}


@pytest.mark.parametrize("roomy", [0, 7, RACKS - 1])
def test_the_one_rack_with_room_is_found_among_many(roomy: int) -> None:
    nodes = [
        node
        for number in range(RACKS)
        for node in rack(number, *((4, 4) if number == roomy else (4, 2)))
    ]
    assert racks_of(nodes, 8) == {f"r{roomy:02d}"}
