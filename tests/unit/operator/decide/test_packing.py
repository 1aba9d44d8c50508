"""Small scenes of packing, each with the one place that is right."""

import numpy as np
import pytest

from quartermaster.decide.packing.fleet import (
    ABSENT,
    ANY_MODEL,
    WHOLE,
    Fleet,
    Placement,
    TaskClasses,
)
from quartermaster.decide.packing.fragmentation import Fragmentation
from quartermaster.decide.packing.packer import Packer, ScoreBook
from quartermaster.decide.packing.scorers import (
    BestFit,
    FragmentationGradient,
    GpuPacking,
    Indifferent,
    Scorer,
)
from quartermaster.decide.packing.stranding import LeastStranding, quantiles, scarcity
from quartermaster.decide.packing.workload import Workload, observed, typical

T4, G2 = 1, 2
CPU = 1000
GIB = 1024


def fleet(*rows: tuple[int, list[int], int]) -> Fleet:
    """Nodes of (CPU, what each device has left, model) with memory in plenty."""
    widest = max(len(devices) for _, devices, _ in rows)
    return Fleet(
        cpu=np.array([cpu * CPU for cpu, _, _ in rows]),
        memory=np.full(len(rows), 512 * GIB),
        gpu=np.array([free + [ABSENT] * (widest - len(free)) for _, free, _ in rows]),
        model=np.array([model for _, _, model in rows]),
    )


def classes(*rows: tuple[int, int, int, int]) -> TaskClasses:
    """Classes of (CPU, GPUs, milli, models) that ask for 1 GiB."""
    return TaskClasses(
        np.array([cpu * CPU for cpu, _, _, _ in rows]),
        np.full(len(rows), GIB),
        *np.array([row[1:] for row in rows]).T,
    )


def workload(asked: TaskClasses, *popularity: float) -> Workload:
    return Workload(asked, np.array(popularity))


def place(nodes: Fleet, asked: TaskClasses, scorer: Scorer, row: int = 0) -> Placement | None:
    return Packer(nodes, ScoreBook(asked, scorer)).place(row)


HALF = classes((4, 1, 500, ANY_MODEL))
MIXED = classes((4, 1, 500, ANY_MODEL), (4, 1, WHOLE, ANY_MODEL), (4, 2, WHOLE, ANY_MODEL))


def test_best_fit_takes_the_node_with_the_least_left() -> None:
    nodes = fleet((64, [1000, 1000], T4), (16, [1000], T4), (64, [1000], T4))
    assert place(nodes, HALF, BestFit(64 * CPU, 2 * WHOLE)) == Placement(1, 0, (0,))


@pytest.mark.parametrize(
    ("rows", "want"),
    [
        ([[1000, 1000], [1000, 0], [1000, 600]], Placement(2, 0, (1,))),
        ([[1000, 1000], [1000, 0], [1000, 300]], Placement(1, 0, (0,))),
        ([[1000, 1000], [300, 200], [1000, 1000]], Placement(0, 0, (0,))),
    ],
    ids=["a shared device first", "then a free one of a node in use", "then an untouched node"],
)
def test_gpu_packing_goes_by_tiers(rows: list[list[int]], want: Placement) -> None:
    nodes = fleet(*[(64, devices, T4) for devices in rows])
    assert place(nodes, HALF, GpuPacking()) == want


def test_fgd_fills_the_gap_and_spares_the_whole_gpu() -> None:
    nodes = fleet((64, [1000, 500], T4), (64, [1000, 1000], T4))
    scorer = FragmentationGradient(Fragmentation.of(workload(MIXED, 0.4, 0.5, 0.1)))
    assert place(nodes, MIXED, scorer) == Placement(0, 0, (1,))


CPU_MIX = classes((16, 1, WHOLE, ANY_MODEL), (12, 1, WHOLE, ANY_MODEL), (3, 1, WHOLE, ANY_MODEL))
POOR, RICH = (48, [WHOLE] * 8, T4), (128, [WHOLE] * 8, T4)


@pytest.mark.parametrize(
    ("row", "nodes"),
    [(0, (POOR, RICH)), (2, (RICH, POOR))],
    ids=["much CPU: to the rich node", "little CPU: to the poor one"],
)
def test_our_scorer_matches_cpu_where_fgd_sees_no_difference(
    row: int, nodes: tuple[tuple[int, list[int], int], ...]
) -> None:
    common = workload(CPU_MIX, 0.3, 0.4, 0.3)
    fgd = FragmentationGradient(Fragmentation.of(common))
    ours = LeastStranding.of(common, fleet(*nodes))
    assert place(fleet(*nodes), CPU_MIX, fgd, row) == Placement(0, row, (0,))
    assert place(fleet(*nodes), CPU_MIX, ours, row) == Placement(1, row, (0,))


def test_our_scorer_leaves_the_scarce_model_to_those_who_need_it() -> None:
    asked = classes((4, 1, WHOLE, ANY_MODEL), (4, 1, WHOLE, T4))
    nodes = fleet((32, [1000, 1000], T4), (32, [1000, 1000], G2))
    scorer = LeastStranding.of(workload(asked, 0.6, 0.4), nodes)
    assert place(nodes, asked, scorer) == Placement(1, 0, (0,))
    assert place(nodes, asked, scorer, 1) == Placement(0, 1, (0,))


def test_a_model_is_as_scarce_as_the_part_that_bound_pods_would_take() -> None:
    asked = classes((4, 1, WHOLE, ANY_MODEL), (4, 1, WHOLE, T4), (4, 1, WHOLE, T4 | G2))
    nodes = fleet((32, [1000], T4), (32, [1000] * 3, G2))
    found = scarcity(workload(asked, 0.7, 0.1, 0.2), nodes)
    # Of four GPUs, 0.4 are wanted on the T4 alone, and 0.8 spread as 0.2 and 0.6.
    assert found == {T4: pytest.approx(0.6), G2: pytest.approx(0.2)}


def test_without_bound_pods_no_model_is_scarce() -> None:
    nodes = fleet((32, [1000], T4), (32, [1000], G2))
    assert scarcity(workload(HALF, 1.0), nodes) == {T4: 0.0, G2: 0.0}


def test_a_workload_without_gpus_can_be_packed() -> None:
    asked = classes((4, 0, 0, ANY_MODEL))
    nodes = fleet((32, [1000], T4), (8, [], 0))
    for scorer in (GpuPacking(), LeastStranding.of(workload(asked, 1.0), nodes)):
        assert place(nodes, asked, scorer) is not None


def test_nothing_is_placed_where_there_are_no_nodes() -> None:
    none = fleet((32, [1000], T4)).reordered(np.array([], dtype=np.int64))
    assert place(none, HALF, Indifferent()) is None


def test_typical_classes_are_the_most_frequent_that_reach_the_share() -> None:
    asked = classes((1, 1, 500, 1), (2, 1, 500, 1), (3, 1, 500, 1), (4, 1, 500, 1))
    kept = typical(workload(asked, 0.5, 0.03, 0.45, 0.02))
    assert kept.classes.cpu.tolist() == [1000, 3000]
    assert kept.popularity.tolist() == pytest.approx([0.5 / 0.95, 0.45 / 0.95])


def test_classes_that_differ_in_memory_only_are_one_typical_class() -> None:
    asked = TaskClasses(*np.array([[4000, GIB, 1, 500, 1], [4000, 8 * GIB, 1, 500, 1]]).T)
    kept = typical(observed(asked, np.array([0, 1, 1])))
    assert (len(kept.classes), kept.classes.memory[0]) == (1, 8 * GIB)
    assert kept.popularity.tolist() == [1.0]


def test_quantiles_are_the_middles_of_equal_parts_of_the_weight() -> None:
    found = quantiles(np.array([9.0, 1.0]), np.array([0.25, 0.75]))
    assert found.tolist() == [1.0] * 6 + [9.0] * 2


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ((4, 1, 1001, 1), "milli"),
        ((4, 1, 0, 1), "both"),
        ((4, 0, 500, 1), "both"),
        ((-4, 1, 500, 1), "negative"),
    ],
)
def test_a_request_that_is_none_is_refused(row: tuple[int, int, int, int], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        classes(row)


def test_a_workload_of_no_pods_is_refused() -> None:
    with pytest.raises(ValueError, match="one pod"):
        observed(HALF, np.array([], dtype=np.int64))


@pytest.mark.parametrize(
    ("node", "devices"),
    [(0, (0,)), (0, (1, 2)), (0, ()), (1, (1,)), (2, (0,))],
    ids=["a used device", "too many", "none", "not there", "no cpu"],
)
def test_the_fleet_refuses_what_does_not_fit_and_stays_as_it_was(
    node: int, devices: tuple[int, ...]
) -> None:
    nodes = fleet((32, [400, 1000, 1000], T4), (32, [1000], T4), (1, [1000], T4))
    kept = nodes.copy()
    with pytest.raises(ValueError, match=f"node {node}"):
        nodes.take(Placement(node, 0, devices), HALF)
    assert (nodes.gpu == kept.gpu).all()
    assert (nodes.cpu == kept.cpu).all()
