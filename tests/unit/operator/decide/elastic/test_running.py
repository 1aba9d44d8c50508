"""Who grows while nobody waits: within what is free, within quota, and only where it pays."""

from collections import Counter
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.elastic.running import Change, Cluster, Running, changes
from quartermaster.decide.elastic.values import Policy
from quartermaster.decide.profile.hardware import NOTHING_KNOWN
from quartermaster.decide.queue.tree import ledger_of, tree_of
from quartermaster.domain.queue import Holding, Queue
from tests.support import make
from tests.support.queueing import holding, occupied, queue

LATER = make.after(3600)


def running(
    name: str, most: int, *nodes: str, least: int = 1, gpus: int = 1, **more: Any
) -> Running:
    """A job on these nodes, one entry for each worker."""
    restart = more.pop("restart_s", 30.0)
    gang = make.gang(most, gpus, name=name, least=least, queue=more.get("queue", "default"))
    held = holding(name, more.pop("queue", "default"), Counter(nodes), gpus=gpus, **more)
    return Running(gang, replace(held, least=least), make.T0, restart)


def decided(gpus: list[int], *jobs: Running, queues: tuple[Queue, ...] = ()) -> list[Change]:
    nodes = [make.node(f"node-{i}", count) for i, count in enumerate(gpus)]
    snapshot = make.snapshot(nodes, make.pool("pool", make.price("1")))
    held = [job.holding for job in jobs]
    ledger = ledger_of(tree_of(queues), held)
    cluster = Cluster(occupied(snapshot, held), NOTHING_KNOWN, ledger)
    return changes(jobs, cluster, LATER, Policy())


def test_a_job_takes_what_is_free() -> None:
    (change,) = decided([4], running("job", 4, "node-0"))
    assert change == Change("uid-job", 4, (("node-0", 4),))


def test_it_takes_no_more_than_it_may_have() -> None:
    (change,) = decided([8], running("job", 2, "node-0"))
    assert change.workers == 2


def test_workers_of_several_gpus_are_counted_whole() -> None:
    (change,) = decided([8], running("job", 4, "node-0", gpus=2))
    assert change == Change("uid-job", 4, (("node-0", 4),))


def test_a_job_that_is_nearly_done_is_left_alone() -> None:
    job = running("job", 4, "node-0", remaining_s=20.0)
    assert decided([4], job) == []


def test_a_job_whose_restart_is_dear_is_left_alone() -> None:
    assert decided([4], running("job", 4, "node-0", restart_s=7200.0)) == []


def test_one_on_its_way_is_left_alone() -> None:
    assert decided([4], running("job", 4, "node-0", resizing=True)) == []


def test_where_no_pool_has_more_it_grows_onto_nodes_of_another_kind() -> None:
    job = running("job", 3, "node-0")
    nodes = [make.node("node-0", 1), make.node("node-1", 1, gpu=make.H100)]
    held = [job.holding]
    snapshot = occupied(make.snapshot(nodes), held)
    cluster = Cluster(snapshot, NOTHING_KNOWN, ledger_of(tree_of(()), held))
    (change,) = changes([job], cluster, LATER, Policy())
    assert change == Change("uid-job", 2, (("node-0", 1), ("node-1", 1)))


@pytest.mark.parametrize(("quota", "want"), [(1, []), (3, [3]), (4, [4])])
def test_quota_bounds_growth(quota: int, want: list[int]) -> None:
    job = running("job", 4, "node-0", queue="research")
    found = decided([4], job, queues=(queue("research", t4=quota),))
    assert [change.workers for change in found] == want


def test_two_jobs_share_what_is_free() -> None:
    found = decided([4], running("one", 4, "node-0"), running("two", 4, "node-0"))
    assert sorted(change.workers for change in found) == [2, 2]


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_what_is_decided_fits_and_keeps_to_every_jobs_bounds(seed: int) -> None:
    random = Random(seed)
    gpus = [random.choice([1, 2, 4, 8]) for _ in range(random.randint(1, 4))]
    free = {f"node-{i}": count for i, count in enumerate(gpus)}
    jobs: list[Running] = []
    for number in range(random.randint(1, 4)):
        node = random.choice(sorted(free))
        each = random.choice([1, 1, 2])
        count = random.randint(0, free[node] // each)
        if count:
            free[node] -= count * each
            most = random.randint(count, 12)
            least = random.randint(1, count)
            jobs.append(running(f"job-{number}", most, *[node] * count, least=least, gpus=each))
    found = decided(gpus, *jobs)
    by_uid = {change.uid: change for change in found}
    used: Counter[str] = Counter()
    for job in jobs:
        change = by_uid.get(job.gang.uid)
        places = dict(change.places) if change else _places(job.holding)
        if change:
            assert job.gang.least is not None
            assert job.gang.least <= change.workers <= job.gang.size
            assert sum(places.values()) == change.workers
        for node, count in places.items():
            used[node] += count * job.gpus
    assert all(used[f"node-{i}"] <= count for i, count in enumerate(gpus))


def _places(held: Holding) -> dict[str, int]:
    return dict(Counter(seat.node for seat in held.seats))
