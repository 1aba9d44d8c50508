"""Work without GPUs keeps off GPU nodes, and leaves free GPUs what they need."""

from dataclasses import replace

import pytest

from quartermaster.decide.placement.choose import choose
from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.domain.decision import Placed, Refusal, Waiting
from tests.support import make

WHOLE = make.node("whole", 8)
PLAIN = make.node("plain", 0)
SLOTS = make.node(
    "slots", 1, allocatable=make.resources(0, cpu=32, memory_gib=128, pods=110, shared=16)
)


def cluster(*nodes: Node) -> Snapshot:
    return make.snapshot(nodes)


def test_work_without_gpus_takes_the_dearest_other_node_before_a_gpu_node() -> None:
    pools = make.pool("pool", make.price("0.01", accelerator=make.T4))
    found = choose(make.gang(4, 0), make.snapshot([WHOLE, PLAIN], pools))
    assert isinstance(found, Placed)
    assert {one.node for one in found.assignments} == {"plain"}
    assert found.reason.endswith("nodes with GPUs are left to work that needs them")


def test_work_without_gpus_goes_beside_gpus_where_it_fits_nowhere_else() -> None:
    full = replace(PLAIN, used=PLAIN.allocatable)
    found = choose(make.gang(1, 0), cluster(full, WHOLE))
    assert isinstance(found, Placed)
    assert found.assignments[0].node == "whole"


CPU_WORKER = make.resources(0, cpu=5, memory_gib=1)


@pytest.mark.parametrize(
    ("busy", "needs", "fits"),
    [
        # 32 CPUs, 8 GPUs: each free GPU keeps its even share of four, or what is asked for if less.
        (0, make.resources(0, cpu=1, memory_gib=4, pods=0), 4),
        (0, make.resources(0, cpu=3, memory_gib=4, pods=0), 1),
        (0, make.resources(0, cpu=9, memory_gib=4, pods=0), 0),
        (6, make.resources(0, cpu=9, memory_gib=4, pods=0), 4),
        (8, make.resources(0, cpu=9, memory_gib=4, pods=0), 6),
        (0, make.resources(0, cpu=1, memory_gib=99, pods=0), 0),
    ],
)
def test_a_free_gpu_keeps_what_it_needs(busy: int, needs: make.Resources, fits: int) -> None:
    one = replace(WHOLE, used=make.resources(busy, cpu=0, memory_gib=0, pods=0))
    room = replace(cluster(one), gpu_needs=needs)
    for size in range(1, 8):
        found = choose(make.gang(size, per_worker=CPU_WORKER), room)
        assert isinstance(found, Placed) == (size <= fits), size


def test_what_daemons_take_is_nobodys_share() -> None:
    """16 of 32 CPUs are theirs: each of eight GPUs keeps two, and one is left when seven work."""
    daemons = make.resources(0, cpu=16, memory_gib=1, pods=2)
    busy = daemons + make.resources(7, cpu=13, memory_gib=1, pods=7)
    one = replace(WHOLE, used=busy, daemons=daemons)
    room = replace(cluster(one), gpu_needs=make.resources(0, cpu=9, memory_gib=1, pods=0))
    assert isinstance(choose(make.gang(1, 0), room), Placed)
    assert isinstance(choose(make.gang(2, 0), room), Waiting)
    assert isinstance(choose(make.gang(1, per_worker=make.resources(1, cpu=3)), room), Placed)


def test_who_waits_beside_free_gpus_is_told_so() -> None:
    room = replace(cluster(WHOLE), gpu_needs=make.resources(0, cpu=9, memory_gib=1, pods=0))
    told = choose(make.gang(1, 0), room)
    assert isinstance(told, Waiting)
    assert told.refusal is Refusal.NO_CAPACITY
    assert "1 node with no more CPU and memory than their free GPUs need" in told.message


def test_a_free_slot_keeps_what_it_needs_too() -> None:
    room = replace(cluster(SLOTS), gpu_needs=make.resources(0, cpu=2, memory_gib=1, pods=0))
    assert isinstance(choose(make.gang(1, 0), room), Waiting)
    taken = replace(SLOTS, used=make.resources(0, cpu=0, memory_gib=0, pods=0, shared=16))
    assert isinstance(choose(make.gang(1, 0), replace(room, nodes=(taken,))), Placed)
