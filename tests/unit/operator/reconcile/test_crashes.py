"""Whatever write fails, and however: a later operator ends the job with the same bill."""

from collections.abc import Awaitable, Callable

import pytest

from quartermaster.api.training_job_status import State
from quartermaster.errors import ClusterError
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation

Scenario = Callable[[Operation], Awaitable[None]]


def operation() -> Operation:
    it = Operation()
    it.cluster.add_node(make.node("node-a", 2), make.node("node-b", 2))
    it.cluster.all_pools = (make.pool("pool", make.price("0.526")),)
    it.cluster.submit(make.record(spec=make.spec(trainer={"workers": 3})))
    return it


async def started(it: Operation) -> None:
    await it.drive()
    it.cluster.clock.advance(4)
    it.cluster.run_pods()
    await it.drive()
    it.cluster.clock.advance(100)


async def all_succeed(it: Operation) -> None:
    await started(it)
    for index in range(3):
        it.cluster.end(it.cluster.living(index))
        it.cluster.clock.advance(7)
        await it.drive()
    await it.drive()


async def a_worker_crashes_and_comes_again(it: Operation) -> None:
    await started(it)
    it.cluster.end(it.cluster.living(1), 71)
    await it.drive()
    it.cluster.clock.advance(3)
    for index in (0, 2):
        it.cluster.end(it.cluster.living(index), 75)
    await all_succeed(it)


async def a_node_is_evicted(it: Operation) -> None:
    await started(it)
    it.cluster.evict(it.cluster.living(2))
    await it.drive()
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index), 75)
    await all_succeed(it)


async def suspended_and_resumed(it: Operation) -> None:
    await started(it)
    it.cluster.edit("uid-job", suspend=True)
    await it.drive()
    it.cluster.clock.advance(5)
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker, 76)
    await it.drive()
    assert it.state() is State.SUSPENDED
    it.cluster.clock.advance(1000)
    it.cluster.edit("uid-job", suspend=False)
    await all_succeed(it)


async def suspended_before_it_began(it: Operation) -> None:
    await it.drive()
    it.cluster.edit("uid-job", suspend=True)
    await it.drive()
    it.cluster.edit("uid-job", suspend=False)
    await all_succeed(it)


SCENARIOS = (
    all_succeed,
    a_worker_crashes_and_comes_again,
    a_node_is_evicted,
    suspended_and_resumed,
    suspended_before_it_began,
)
TRIPS = {
    "the server refuses": (False, ClusterError),
    "the answer is lost": (True, ClusterError),
    "the operator dies before": (False, CrashError),
    "the operator dies after": (True, CrashError),
}


def settled(it: Operation) -> None:
    """Everything is paid once, and nothing is left behind."""
    status, pods = it.status(), it.cluster.ever()
    assert it.state() is State.COMPLETE
    assert it.accrued() == it.owed() > 0
    assert status.cost is not None
    assert status.cost.segments == sum(1 for pod in pods if pod.bound is not None)
    assert not [pod.uid for pod in pods if pod.accounted]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.__name__)
async def test_the_bill_is_what_the_pods_own_times_come_to(scenario: Scenario) -> None:
    it = operation()
    await scenario(it)
    settled(it)


@pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS.keys())
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda it: it.__name__)
async def test_no_failing_write_changes_the_bill(
    scenario: Scenario, trip: tuple[bool, type[Exception]]
) -> None:
    whole = operation()
    await scenario(whole)
    effective, error = trip
    writes = len(whole.cluster.writes)
    assert writes > 10
    for n in range(1, writes + 1):
        it = operation()
        it.cluster.trip = Trip(n, effective, error)
        await scenario(it)
        settled(it)
        assert it.accrued() == whole.accrued(), f"write {n}: {whole.cluster.writes[n - 1]}"
        assert it.status().goodput == whole.status().goodput, f"write {n}"


async def deleted_while_it_runs(it: Operation) -> None:
    await started(it)
    it.cluster.delete("uid-job")
    await it.drive()
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker, 76)
    await it.drive()


async def gone_after_its_time(it: Operation) -> None:
    await all_succeed(it)
    it.cluster.edit("uid-job", ttl_seconds_after_finished=60)
    it.cluster.clock.advance(61)
    await it.drive()


@pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS.keys())
@pytest.mark.parametrize(
    "scenario", [deleted_while_it_runs, gone_after_its_time], ids=lambda it: it.__name__
)
async def test_no_failing_write_leaves_anything_of_a_job_that_goes(
    scenario: Scenario, trip: tuple[bool, type[Exception]]
) -> None:
    whole = operation()
    await scenario(whole)
    for n in range(1, len(whole.cluster.writes) + 1):
        it = operation()
        it.cluster.trip = Trip(n, *trip)
        await scenario(it)
        assert it.cluster.records == {}, f"write {n}: {whole.cluster.writes[n - 1]}"
        assert it.cluster.pods == {}, f"write {n}: {whole.cluster.writes[n - 1]}"
        assert it.cluster.children == {}


async def test_a_pass_over_what_is_done_writes_nothing() -> None:
    it = operation()
    it.cluster.controllers()
    for _ in range(12):
        it.cluster.controllers()
        await it.cycle.once()
        await it.once()
        before = list(it.cluster.writes)
        await it.cycle.once()
        await it.once()
        again = it.cluster.writes[len(before) :]
        # A pass may go on where the last one stopped; a third changes nothing.
        if again:
            before = list(it.cluster.writes)
            await it.once()
            assert it.cluster.writes == before
        it.cluster.run_pods()
