"""What elastic jobs give: no more than is needed, never below their fewest, within the rules."""

from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.shrink import surplus
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.queue import Holding, Queue, Reclaim
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import holding, occupied, queue


def held(name: str, *nodes: str, **more: Any) -> Holding:
    return holding(name, more.pop("queue", "default"), Counter(nodes), **more)


def elastic(name: str, *nodes: str, least: int = 1, **more: Any) -> Holding:
    return held(name, *nodes, least=least, **more)


def judged(
    gang: Gang, snapshot: Snapshot, *jobs: Holding, queues: tuple[Queue, ...] = ()
) -> Verdict:
    scene = Scene(
        snapshot=occupied(snapshot, jobs), waiting=(gang,), holdings=jobs, tree=tree_of(queues)
    )
    (verdict,) = admit(scene)
    return verdict


def cluster(*gpus: int) -> Snapshot:
    nodes = [make.node(f"node-{i}", count) for i, count in enumerate(gpus)]
    return make.snapshot(nodes, make.pool("pool", make.price("1")))


def gang(size: int, **more: Any) -> Gang:
    return make.gang(size, per_worker=make.resources(1), **more)


def given_up(verdict: Verdict) -> dict[str, int]:
    return {str(one.rest.key.name): len(one.freed.seats) for one in verdict.shrink}


def test_it_gives_as_many_as_are_needed_and_no_more() -> None:
    verdict = judged(gang(1), cluster(4), elastic("big", *["node-0"] * 4))
    assert given_up(verdict) == {"big": 1}
    assert verdict.shrink[0].places == (("node-0", 3),)
    assert isinstance(verdict.decision, Waiting)
    assert verdict.decision.refusal is Refusal.PREEMPTING
    assert verdict.decision.message == (
        "workers of team/big (1) make room for it: starts when their work is saved"
    )


def test_what_is_free_already_is_not_asked_for() -> None:
    verdict = judged(gang(3), cluster(6), elastic("big", *["node-0"] * 4))
    assert given_up(verdict) == {"big": 1}


def test_it_keeps_its_fewest() -> None:
    verdict = judged(gang(4), cluster(4), elastic("big", *["node-0"] * 4))
    assert verdict.shrink == ()
    assert isinstance(verdict.decision, Waiting)
    assert verdict.decision.refusal is Refusal.NO_CAPACITY


def test_the_node_with_the_fewest_of_its_workers_goes_first() -> None:
    part = surplus(elastic("big", "node-0", "node-1", "node-1", least=2), ())
    assert part is not None
    assert [seat.node for seat in part.seats] == ["node-0"]


def test_it_gives_the_workers_that_are_where_the_other_one_can_run() -> None:
    nodes = [make.node("node-0", 1, gpu=make.H100), make.node("node-1", 1)]
    job = elastic("big", f"node-0:{make.H100}", "node-1")
    asks = gang(1, accelerators=(make.T4,))
    verdict = judged(asks, make.snapshot(nodes, make.pool("pool", make.price("1"))), job)
    (one,) = verdict.shrink
    assert [seat.node for seat in one.freed.seats] == ["node-1"]


@pytest.mark.parametrize(
    "job",
    [
        pytest.param(held("big", "node-0", "node-0"), id="of one size"),
        pytest.param(elastic("big", "node-0", "node-0", least=2), id="of its fewest"),
        pytest.param(elastic("big", "node-0", "node-0", resizing=True), id="on its way"),
        pytest.param(elastic("big", "node-0", "node-0", awaited=1), id="of which one was lost"),
    ],
)
def test_some_have_nothing_to_give(job: Holding) -> None:
    assert surplus(job, ()) is None


@pytest.mark.parametrize(("priority", "want"), [(-1, {}), (0, {"big": 1}), (1, {"big": 1})])
def test_in_its_queue_it_gives_to_who_is_not_below_it(priority: int, want: dict[str, int]) -> None:
    job = elastic("big", "node-0", "node-0")
    assert given_up(judged(gang(1, priority=priority), cluster(2), job)) == want


@pytest.mark.parametrize(
    ("reclaim", "want"), [(Reclaim.NEVER, {}), (Reclaim.ANY, {"big": 1})], ids=str
)
def test_another_queue_gets_it_where_it_may_reclaim(reclaim: Reclaim, want: dict[str, int]) -> None:
    queues = (
        queue("lab"),
        queue("research", "lab", t4=2, reclaim=reclaim),
        queue("product", "lab"),
    )
    job = elastic("big", "node-0", "node-0", queue="product")
    verdict = judged(gang(1, queue="research"), cluster(2), job, queues=queues)
    assert given_up(verdict) == want


def test_an_elastic_gang_takes_fewer_rather_than_have_others_give() -> None:
    verdict = judged(gang(4, least=1), cluster(4), elastic("big", *["node-0"] * 3))
    assert verdict.shrink == ()
    assert isinstance(verdict.decision, Placed)
    assert len(verdict.decision.assignments) == 1


def fewest(size: int, free: list[int], jobs: list[Holding]) -> int | None:
    """By trying all: the least number of workers that have to go, wherever they are.

    One-GPU workers fit wherever a GPU is, so only the number counts.
    """
    spare = sum(len(part.seats) for job in jobs if (part := surplus(job, ())) is not None)
    missing = size - sum(free)
    return missing if 0 < missing <= spare else None


@given(st.integers(0, 10**9))
def test_the_fewest_workers_go_and_the_gang_has_its_places(seed: int) -> None:
    random = Random(seed)
    gpus = [random.randint(1, 4) for _ in range(random.randint(1, 4))]
    seats = [f"node-{i}" for i, count in enumerate(gpus) for _ in range(count)]
    random.shuffle(seats)
    jobs = []
    for number in range(random.randint(1, 3)):
        count = random.randint(0, len(seats))
        mine, seats = seats[:count], seats[count:]
        if mine:
            least = random.randint(1, count)
            jobs.append(elastic(f"job-{number}", *mine, least=least))
    size = random.randint(1, 6)
    free = [seats.count(f"node-{i}") for i in range(len(gpus))]
    verdict = judged(gang(size), cluster(*gpus), *jobs)
    want = fewest(size, free, jobs)
    freed = [seat.node for one in verdict.shrink for seat in one.freed.seats]
    assert (len(freed) or None) == want
    for one in verdict.shrink:
        assert one.rest.least is not None
        assert len(one.rest.seats) >= one.rest.least
