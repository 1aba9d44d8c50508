"""Whole GPUs, parts of them and work without any keep out of each other's way."""

from dataclasses import replace
from fractions import Fraction

import pytest

from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import Holding, Queue, Seat
from quartermaster.domain.workload import Gang
from tests.support import make

A100 = "NVIDIA-A100-SXM4-80GB"
MIG = make.resources(mig_1g_10gb=1)
SLOT = make.resources(shared=1)
SLOT_AS_GPU = make.resources(shared_gpu=1)
ONE_GPU = make.resources(1)


def node(name: str, **has: int) -> Node:
    whole = has.pop("gpus", 0)
    room = make.resources(whole, cpu=32, memory_gib=128, pods=110, **has)
    return make.node(name, 1, gpu=A100, allocatable=room)


def cluster(*nodes: Node) -> Snapshot:
    return make.snapshot(nodes)


WHOLE = node("whole", gpus=8)
MIXED = node("mixed", gpus=4, mig_1g_10gb=28)
SLOTS = node("slots", shared=16)
SLOTS_AS_GPUS = node("slots-as-gpus", shared_gpu=16)
SINGLE = make.node("single", 7, gpu=f"{A100}-MIG-1g.10gb")
PLAIN = make.node("plain", 0)
ALL = (WHOLE, MIXED, SLOTS, SLOTS_AS_GPUS, SINGLE, PLAIN)


@pytest.mark.parametrize(
    ("each", "may_use"),
    [
        (ONE_GPU, {"whole", "mixed"}),
        (MIG, {"mixed"}),
        (SLOT, {"slots"}),
        (SLOT_AS_GPU, {"slots-as-gpus"}),
        (make.resources(mig_3g_40gb=1), set()),
    ],
    ids=["whole", "mig", "slot", "slot as gpu", "other profile"],
)
def test_each_kind_has_its_own_nodes(each: make.Resources, may_use: set[str]) -> None:
    found = set()
    for one in ALL:
        alone = choose(make.gang(1, per_worker=each), cluster(one, PLAIN))
        if isinstance(alone, Placed):
            found |= {assignment.node for assignment in alone.assignments}
    assert found == may_use


def test_mig_devices_in_place_of_gpus_are_for_who_names_them() -> None:
    named = make.gang(1, per_worker=ONE_GPU, accelerators=(SINGLE.accelerator,))
    assert isinstance(choose(named, cluster(SINGLE)), Placed)
    told = choose(make.gang(1), cluster(SINGLE))
    assert isinstance(told, Waiting)
    assert told.refusal is Refusal.UNSATISFIABLE
    assert "which have to be named in placement.accelerators" in told.message


@pytest.mark.parametrize(
    ("each", "there", "words"),
    [
        (ONE_GPU, SLOTS, "1 node whose GPUs are in parts (resourcesPerWorker.gpuPartition)"),
        (MIG, WHOLE, "1 worker of 1 x 1g.10gb of a GPU, 1 CPU, 1 GiB wanted"),
        (MIG, SLOTS, "1 node without GPUs in such parts"),
        (SLOT, SLOTS_AS_GPUS, "by the other name (gpuPartition: shared or shared-gpu)"),
    ],
)
def test_who_waits_is_told_what_would_be_right(
    each: make.Resources, there: Node, words: str
) -> None:
    told = choose(make.gang(1, per_worker=each), cluster(there))
    assert isinstance(told, Waiting)
    assert words in told.message


def test_parts_are_taken_one_by_one_and_no_more_than_there_are() -> None:
    few = node("few", mig_1g_10gb=3)
    assert isinstance(choose(make.gang(3, per_worker=MIG), cluster(few)), Placed)
    assert isinstance(choose(make.gang(4, per_worker=MIG), cluster(few)), Waiting)
    used = replace(few, used=make.resources(0, pods=2, mig_1g_10gb=2))
    assert isinstance(choose(make.gang(1, per_worker=MIG), cluster(used)), Placed)
    assert isinstance(choose(make.gang(2, per_worker=MIG), cluster(used)), Waiting)


def test_a_part_is_told_by_its_name_and_price() -> None:
    priced = make.snapshot(
        [
            replace(
                SLOTS,
                accelerator="Tesla-T4",
                fractions={"nvidia.com/gpu.shared": Fraction(1, 4)},
                parted_gpus=Fraction(4),
            )
        ],
        make.pool("pool", make.price("0.4", accelerator="Tesla-T4")),
    )
    found = choose(make.gang(1, per_worker=SLOT), priced)
    assert isinstance(found, Placed)
    assert found.assignments[0].usd_per_hour == Fraction("0.1")
    assert found.reason.startswith("1 x slot of Tesla-T4 on-demand on 1 node, 0.100 USD/h")


def in_queue(name: str, size: int, each: make.Resources) -> Gang:
    return make.gang(size, per_worker=each, name=name, queue="team")


def test_a_part_counts_as_one_gpu_of_the_queues_quota() -> None:
    queue = Queue("team", nominal={A100: 2})
    held = Holding(
        key=NamespacedName("team", "held"),
        uid="uid-held",
        queue="team",
        per_worker=MIG,
        seats=(Seat("mixed", A100),),
    )
    room = replace(MIXED, used=make.resources(0, mig_1g_10gb=1))
    for size, placed in ((1, True), (2, False)):
        scene = Scene(cluster(room), [in_queue("next", size, MIG)], [held], tree_of([queue]))
        (verdict,) = admit(scene)
        assert isinstance(verdict.decision, Placed) == placed
        if isinstance(verdict.decision, Waiting):
            assert verdict.decision.refusal is Refusal.QUOTA_USED


def test_quota_of_mig_devices_in_place_of_gpus_names_them_for_nobody() -> None:
    queue = Queue("team", nominal={SINGLE.accelerator: 7})
    scene = Scene(cluster(SINGLE, WHOLE), [in_queue("next", 1, ONE_GPU)], [], tree_of([queue]))
    (verdict,) = admit(scene)
    assert isinstance(verdict.decision, Waiting)
