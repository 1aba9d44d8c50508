"""One job's own limit: it stops before the limit is crossed, and goes on when it is raised."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from quartermaster.api.budgets.limit import JobBudget
from quartermaster.api.budgets.record import read_unfunded, unfunded_text
from quartermaster.api.record import parse
from quartermaster.api.training_job_status import Profile, State
from quartermaster.domain.money.budget import Action, Unfunded
from quartermaster.errors import ClusterError
from tests.support import make
from tests.support.memory import CrashError, Trip
from tests.support.operation import Operation
from tests.support.spending import (
    PER_SECOND,
    budget,
    change,
    end,
    operation,
    pass_time,
    settle,
    spent,
    status,
    submit,
)

JOB = "uid-job"
RATE = 2 * PER_SECOND
"""Of two workers [USD/s]."""


def measured(it: Operation, save_s: str) -> None:
    """The run has told how long a save takes."""
    record = it.cluster.records[JOB]
    profile = Profile.model_validate(
        {
            "bound": "Compute",
            "stepSeconds": "1",
            "computeFraction": "1",
            "communicationFraction": "0",
            "dataWaitFraction": "0",
            "checkpointStallSeconds": save_s,
        }
    )
    told = record.status.model_copy(update={"profile": profile})
    it.cluster.records[JOB] = replace(record, status=told)


async def running(it: Operation, limit: str = "5.00", **more: str) -> None:
    submit(it, budget={"limit": limit, **more})
    await settle(it, JOB)


async def test_a_five_dollar_job_stops_at_five_dollars_and_goes_on_when_the_limit_is_raised() -> (
    None
):
    it = operation()
    await running(it)
    measured(it, "1.0")
    await pass_time(it, 260, JOB)
    assert it.state(JOB) is State.SUSPENDED
    total = it.owed(JOB)
    # It leaves in three seconds, and five were reckoned with: the bill is up to three old.
    assert 5 - 6 * RATE <= total <= 5
    cost = it.status(JOB).cost
    assert cost is not None
    assert Fraction(cost.total or 0) == total
    funded = it.condition("Funded", JOB)
    assert (funded.status.value, funded.reason) == ("False", "LimitReached")
    assert funded.message == (
        "stopped at 4.84 USD, since stopping may cost 0.16 USD more and the limit is 5.00 USD; "
        "raise spec.budget.limit, and it goes on from its last checkpoint"
    )
    assert ("LimitReached", True) in [(one.reason, one.warning) for one in it.recorder.told]
    await pass_time(it, 60, JOB, step=10)
    assert it.owed(JOB) == total
    it.cluster.edit(JOB, budget=JobBudget(limit="10.00"))
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING
    assert it.condition("Funded", JOB).status.value == "True"
    end(it, JOB)
    await settle(it, JOB)
    assert it.state(JOB) is State.COMPLETE


async def test_a_job_whose_save_nobody_has_measured_leaves_in_time_for_its_whole_grace() -> None:
    it = operation()
    await running(it)
    await pass_time(it, 300, JOB, save_s=29)
    assert it.state(JOB) is State.SUSPENDED
    assert 5 - 4 * RATE <= it.owed(JOB) <= 5


async def test_a_limit_that_is_raised_by_too_little_lets_nobody_go_on_and_says_why() -> None:
    it = operation()
    await running(it)
    measured(it, "1.0")
    await pass_time(it, 260, JOB)
    it.cluster.edit(JOB, budget=JobBudget(limit="5.01"))
    await settle(it, JOB)
    assert it.state(JOB) is State.SUSPENDED
    message = it.condition("Funded", JOB).message
    assert message.endswith("a limit of 5.01 USD is too little to go on")
    assert "may need 0.16 USD to stop again" in message


@pytest.mark.parametrize("spec", [None, JobBudget(limit="5.00", on_exceeded="Notify")])
async def test_a_job_goes_on_when_its_limit_no_longer_stops_it(spec: JobBudget | None) -> None:
    it = operation()
    await running(it)
    await pass_time(it, 260, JOB)
    assert it.state(JOB) is State.SUSPENDED
    it.cluster.edit(JOB, budget=spec)
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING


async def test_a_limit_that_only_notifies_tells_once_and_stops_nobody() -> None:
    it = operation()
    await running(it, "1.00", onExceeded="Notify")
    await pass_time(it, 90, JOB)
    assert it.state(JOB) is State.RUNNING
    funded = it.condition("Funded", JOB)
    assert (funded.status.value, funded.reason) == ("False", "LimitExceeded")
    assert [one.reason for one in it.recorder.told].count("LimitExceeded") == 1


async def test_a_job_that_waits_gets_no_place_when_its_limit_is_spent_already() -> None:
    it = operation()
    await running(it)
    await pass_time(it, 60, JOB, step=5)
    it.cluster.edit(JOB, suspend=True)
    await pass_time(it, 10, JOB)
    it.cluster.edit(JOB, suspend=False, budget=JobBudget(limit="1.00"))
    await settle(it, JOB)
    assert it.state(JOB) is State.WAITING
    placed = it.condition("Placed", JOB)
    assert placed.reason == "BudgetSpent"
    assert placed.message.endswith("its limit is 1.00 USD: raise spec.budget.limit")


async def test_a_lowered_limit_stops_a_running_job_at_once() -> None:
    it = operation()
    await running(it, "100")
    await pass_time(it, 60, JOB, step=5)
    it.cluster.edit(JOB, budget=JobBudget(limit="0.50"))
    await pass_time(it, 6, JOB)
    assert it.state(JOB) is State.SUSPENDED


async def test_the_look_before_the_limit_comes_just_in_time() -> None:
    it = operation()
    await running(it)
    measured(it, "1.0")
    await pass_time(it, 230, JOB, step=5)
    # 250 s come to five dollars; it is told five seconds before.
    left = await it.keeper.once()
    assert left == pytest.approx(4.0)
    it.cluster.clock.advance(12)
    await settle(it, JOB)
    assert await it.keeper.once() == pytest.approx(3.0, abs=0.01)
    it.cluster.clock.advance(3.01)
    await it.keeper.once()
    assert it.cluster.records[JOB].unfunded is not None


async def test_users_who_suspend_and_resume_a_job_without_money_change_nothing() -> None:
    it = operation()
    await running(it)
    await pass_time(it, 260, JOB)
    it.cluster.edit(JOB, suspend=True)
    await settle(it, JOB)
    assert it.condition("Suspended", JOB).reason == "SuspendedByUser"
    it.cluster.edit(JOB, suspend=False)
    await settle(it, JOB)
    assert it.state(JOB) is State.SUSPENDED
    assert it.condition("Suspended", JOB).reason == "MoneySpent"


# ---- whatever write fails -----------------------------------------------------------------------


TRIPS = {
    "the server refuses": (False, ClusterError),
    "the answer is lost": (True, ClusterError),
    "the operator dies before": (False, CrashError),
    "the operator dies after": (True, CrashError),
}
Scenario = Callable[[Operation], Awaitable[None]]


async def limited_raised_complete_and_deleted(it: Operation) -> None:
    budget(it, amount="100")
    await running(it, "2.00")
    await pass_time(it, 120, JOB, step=5)
    assert it.state(JOB) is State.SUSPENDED
    it.cluster.edit(JOB, budget=JobBudget(limit="50.00"))
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING
    await pass_time(it, 20, JOB, step=5)
    end(it, JOB)
    await settle(it, JOB)
    assert it.state(JOB) is State.COMPLETE
    it.cluster.delete(JOB)
    await settle(it, JOB)


async def stopped_by_a_budget_raised_and_deleted_while_it_runs(it: Operation) -> None:
    suspend = [{"percent": 100, "action": Action.SUSPEND.value}]
    uid = budget(it, amount="1", thresholds=suspend)
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 80, JOB, step=5)
    assert it.state(JOB) is State.SUSPENDED
    change(it, uid, amount="50", thresholds=suspend)
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING
    await pass_time(it, 20, JOB, step=5)
    it.cluster.delete(JOB)
    await pass_time(it, 15, JOB, step=5)


@pytest.mark.parametrize("trip", TRIPS.values(), ids=TRIPS.keys())
@pytest.mark.parametrize(
    "scenario",
    [limited_raised_complete_and_deleted, stopped_by_a_budget_raised_and_deleted_while_it_runs],
    ids=lambda it: it.__name__,
)
async def test_whatever_write_fails_the_budget_has_counted_each_dollar_once(
    scenario: Scenario, trip: tuple[bool, type[Exception]]
) -> None:
    whole = operation()
    await scenario(whole)
    assert spent(whole) == whole.owed(JOB) > 0
    writes = len(whole.cluster.writes)
    assert any(write.startswith("unfund") for write in whole.cluster.writes)
    for n in range(1, writes + 1):
        it = operation()
        it.cluster.trip = Trip(n, *trip)
        await scenario(it)
        what = f"write {n}: {whole.cluster.writes[n - 1]}"
        assert it.cluster.records == {}, what
        assert it.cluster.pods == {}, what
        assert spent(it) == it.owed(JOB) > 0, what
        assert status(it).books.jobs == [], what


def test_a_note_is_read_as_it_was_written_and_one_that_is_not_ours_stops_nobody() -> None:
    note = Unfunded("spec.budget", "why", make.T0, Fraction("5.00"), Fraction(1, 3))
    text = unfunded_text(note)
    assert read_unfunded(text) == note
    metadata = {
        "name": "j",
        "namespace": "t",
        "uid": "u",
        "creationTimestamp": "2026-11-23T10:00:00Z",
        "annotations": {"quartermaster.dev/unfunded": text},
    }
    assert parse({"metadata": metadata, "spec": {}}).unfunded == note
    for bad in ("", "{}", "[]", "7", text.replace("1/3", "1/0"), text.replace("2026", "x")):
        assert read_unfunded(bad) is None
