"""Who is moved so that a gang has room in one place: the cheapest, and only by the rules."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.decision import Refusal, Waiting
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import holding, occupied


def job(name: str, *nodes: str, gpus: int = 1, **more: Any) -> Holding:
    """A running job that may be moved."""
    held = holding(name, more.pop("queue", "default"), Counter(nodes), gpus=gpus, **more)
    return replace(held, anew=make.gang(len(nodes), gpus, name=name))


def wide(gpus: int, **more: Any) -> Gang:
    """One worker that needs so many GPUs of one node."""
    return make.gang(1, gpus, name="wide", **{"queue": "default", "defragment": True, **more})


def judged(gang: Gang, gpus: list[int], *jobs: Holding) -> Verdict:
    nodes = [make.node(f"node-{i}", count) for i, count in enumerate(gpus)]
    snapshot = make.snapshot(nodes, make.pool("pool", make.price("1")))
    scene = Scene(occupied(snapshot, jobs), (gang,), list(jobs), tree_of(()))
    (verdict,) = admit(scene)
    return verdict


def moved(verdict: Verdict) -> dict[str, dict[str, int]]:
    return {one.holding.key.name: dict(one.places) for one in verdict.move}


def test_the_one_that_loses_least_is_moved_and_told_where() -> None:
    verdict = judged(
        wide(4),
        [4, 4],
        job("old", "node-0", lost_s=900.0),
        job("new", "node-1", lost_s=60.0),
    )
    assert moved(verdict) == {"new": {"node-0": 1}}
    assert isinstance(verdict.decision, Waiting)
    assert verdict.decision.refusal is Refusal.PREEMPTING
    assert verdict.decision.message == (
        "team/new is being moved to other nodes: starts when that work is saved"
    )


def test_several_are_moved_where_one_is_not_enough() -> None:
    verdict = judged(wide(4), [4, 2], job("a", "node-0"), job("b", "node-0"))
    assert moved(verdict) == {"a": {"node-1": 1}, "b": {"node-1": 1}}


@pytest.mark.parametrize(
    ("gang", "held"),
    [
        pytest.param(wide(4, defragment=False), {}, id="it does not ask"),
        pytest.param(wide(4, priority=-1), {}, id="it is below them"),
        pytest.param(wide(4, queue="other"), {}, id="it is in another queue"),
        pytest.param(wide(4), {"resizing": True}, id="they are on their way"),
        pytest.param(wide(4), {"awaited": 1}, id="they have lost a worker"),
        pytest.param(wide(5), {}, id="no node is large enough"),
    ],
)
def test_nobody_is_moved(gang: Gang, held: dict[str, Any]) -> None:
    jobs = [replace(job(name, node), **held) for name, node in (("a", "node-0"), ("b", "node-1"))]
    assert judged(gang, [4, 4], *jobs).move == ()


def test_nobody_is_moved_who_has_no_place_elsewhere() -> None:
    verdict = judged(wide(4), [4, 4], job("a", *["node-0"] * 3), job("b", *["node-1"] * 3))
    assert verdict.move == ()


def test_after_the_trials_nobody_is_moved_in_vain_and_the_dearest_stay() -> None:
    """Twelve jobs all over the cluster: among so many sets the first that help come too late."""
    names = "abcdefgh"
    row = [job(name, "node-0", lost_s=60.0 * (8 - i)) for i, name in enumerate(names)]
    others = [job(f"small-{i}", f"node-{i}", lost_s=1.0) for i in (1, 2, 3, 4)]
    verdict = judged(wide(6), [8, 4, 4, 4, 4], *row, *others)
    assert set(moved(verdict)) == {"c", "d", "e", "f", "g", "h"}


def movable_by_hand(size: int, gpus: list[int], held: list[list[int]]) -> bool:
    """Whether some node can be emptied enough by moving whole one-GPU jobs to other nodes."""
    free = [have - sum(jobs) for have, jobs in zip(gpus, held, strict=True)]
    return any(have >= size for have in gpus) and any(
        gpus[i] >= size and size - free[i] <= sum(free) - free[i] for i in range(len(gpus))
    )


@given(st.integers(0, 10**9))
@example(11).via("more sets of jobs all over the cluster than are tried")
@example(593).via("the same")
def test_all_have_a_place_and_somebody_is_moved_wherever_that_helps(seed: int) -> None:
    """Jobs of one GPU each: they fit wherever a GPU is free, so counting is enough."""
    random = Random(seed)
    gpus = [random.randint(2, 4) for _ in range(random.randint(2, 3))]
    held = [[1] * random.randint(0, have) for have in gpus]
    jobs = [job(f"job-{i}-{k}", f"node-{i}") for i, row in enumerate(held) for k in range(len(row))]
    size = random.randint(1, 4)
    verdict = judged(wide(size), gpus, *jobs)
    fits_now = any(have - len(row) >= size for have, row in zip(gpus, held, strict=True))
    assert bool(verdict.move) == (not fits_now and movable_by_hand(size, gpus, held))
    gone = Counter(seat.node for one in verdict.move for seat in one.holding.seats)
    come = Counter(a.node for one in verdict.move for a in one.placed.assignments)
    after = {
        f"node-{i}": have - len(row) + gone[f"node-{i}"] - come[f"node-{i}"]
        for i, (have, row) in enumerate(zip(gpus, held, strict=True))
    }
    assert all(free >= 0 for free in after.values())
    if verdict.move:
        assert max(after.values()) >= size
