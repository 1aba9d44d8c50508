"""Budgets of a namespace: counted to the cent, told once, acted on, and undone when raised."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest

from quartermaster.api.training_job_status import State
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.budget import Action
from tests.support import make
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

JOB, NEXT = "uid-job", "uid-next"
TEAM = "uid-of-team"


def acts(percent: int, action: Action) -> dict[str, object]:
    return {"percent": percent, "action": action.value}


def told(it: Operation) -> list[tuple[str, bool]]:
    return [(one.reason, one.warning) for one in it.recorder.told_of_budgets]


async def test_each_threshold_is_told_once_on_the_budget_and_on_the_jobs_that_spend() -> None:
    it = operation()
    budget(it, amount="1")
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 60, JOB)
    assert told(it) == [("BudgetNotify", False)] * 3 + [("BudgetBlockNew", True)]
    first = it.recorder.told_of_budgets[0].message
    assert first.startswith("0.5")
    assert first.endswith(" USD are spent, 50 % of 1.00 USD are reached")
    on_job = [one for one in it.recorder.told if one.reason.startswith("Budget")]
    assert [one.message for one in on_job] == [
        f"Budget team: {one.message}" for one in it.recorder.told_of_budgets
    ]
    assert it.state(JOB) is State.RUNNING
    it.begin()
    await pass_time(it, 5, JOB)
    assert len(told(it)) == 4


async def test_a_status_says_what_is_spent_and_what_is_to_come() -> None:
    it = operation()
    budget(it, amount="10", period="Month")
    submit(it, activeDeadlineSeconds=500)
    await settle(it, JOB)
    await pass_time(it, 103, JOB)
    found = status(it)
    # Billed up to three seconds ago; written four seconds ago at most.
    assert 1.9 <= float(found.spent or 0) <= 2.0
    assert found.rate_per_hour == "72.0000"
    assert found.commitment == found.forecast
    assert 9.8 <= float(found.forecast or 0) <= 10.0
    assert (found.period_start, found.period_end) == (
        make.T0.replace(day=1, hour=0),
        make.T0.replace(month=12, day=1, hour=0),
    )
    assert [(c.type, c.status.value, c.reason) for c in found.conditions] == [
        ("Healthy", "True", "Counted"),
        ("Exceeded", "False", "WithinAmount"),
    ]
    end(it, JOB)
    await settle(it, JOB)
    found = status(it)
    assert found.spent == "2.0600"
    assert (found.jobs, found.forecast, found.commitment) == (0, "2.0600", "2.0600")


async def test_a_spent_amount_blocks_new_jobs_and_lets_started_ones_go_on() -> None:
    it = operation()
    budget(it, amount="1")
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 60, JOB)
    submit(it, "next")
    await settle(it, JOB, NEXT)
    assert (it.state(JOB), it.state(NEXT)) == (State.RUNNING, State.WAITING)
    placed = it.condition("Placed", NEXT)
    assert placed.reason == "BudgetSpent"
    assert placed.message == (
        "Budget team has spent 100 % of 1.00 USD in all: "
        "no new job is placed until its amount is raised"
    )
    funded = it.condition("Funded", NEXT)
    assert (funded.status.value, funded.reason) == ("False", "StartBlocked")
    # A worker that crashes is replaced: what the others hold is spent in vain without it.
    it.cluster.end(it.cluster.living(1, JOB), 71)
    await settle(it, JOB, NEXT)
    assert it.state(JOB) is State.RUNNING
    # So does the whole gang.
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index, JOB), 71)
    await settle(it, JOB, NEXT)
    assert it.state(JOB) is State.RUNNING
    change(it, TEAM, amount="100")
    await settle(it, JOB, NEXT)
    assert it.state(NEXT) is State.RUNNING
    assert it.condition("Funded", NEXT).reason == "Funded"


async def test_block_new_works_at_the_first_look_after_the_crossing() -> None:
    it = operation()
    budget(it, amount="1")
    submit(it, "late")
    await settle(it, "uid-late")
    # 50 s of two workers come to a dollar; it is known to be spent three seconds later.
    await pass_time(it, 52, "uid-late")
    assert Action.BLOCK_NEW not in status(it).actions
    await pass_time(it, 1, "uid-late")
    assert Action.BLOCK_NEW in status(it).actions
    submit(it)
    await settle(it, "uid-late", JOB)
    assert it.state(JOB) is State.WAITING


async def test_spot_only_narrows_who_takes_any_and_blocks_who_asks_for_on_demand() -> None:
    it = operation()
    it.cluster.add_node(make.node("node-b", 4, capacity=Capacity.SPOT))
    budget(it, amount="1", thresholds=[acts(50, Action.SPOT_ONLY)])
    submit(it, placement={"capacityType": "OnDemand"})
    await settle(it, JOB)
    await pass_time(it, 60, JOB)
    assert it.state(JOB) is State.RUNNING  # it runs on demand, and goes on
    submit(it, "next")
    submit(it, "picky", placement={"capacityType": "OnDemand"})
    await settle(it, JOB, NEXT, "uid-picky")
    assert {w.node for w in it.cluster.workers(NEXT)} == {"node-b"}
    assert it.state("uid-picky") is State.WAITING
    assert (
        "on spot only, and this one asks for OnDemand"
        in it.condition("Placed", "uid-picky").message
    )
    change(it, TEAM, amount="100", thresholds=[acts(50, Action.SPOT_ONLY)])
    await settle(it, JOB, NEXT, "uid-picky")
    assert it.state("uid-picky") is State.RUNNING


async def stopped(it: Operation) -> None:
    """A job runs until its Budget stops it."""
    budget(it, amount="1", thresholds=[acts(100, Action.SUSPEND)])
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 80, JOB)


async def test_suspend_stops_a_job_after_a_save_and_a_higher_amount_lets_it_go_on() -> None:
    it = operation()
    await stopped(it)
    assert it.state(JOB) is State.SUSPENDED
    funded, suspended = it.condition("Funded", JOB), it.condition("Suspended", JOB)
    assert (funded.status.value, funded.reason) == ("False", "BudgetSpent")
    assert "Budget team has spent 100 % of 1.00 USD in all: jobs are stopped" in funded.message
    assert (suspended.status.value, suspended.reason) == ("True", "MoneySpent")
    assert it.condition("Placed", JOB).reason == "BudgetSpent"
    # One bill is three seconds old, and leaving takes three.
    assert it.owed(JOB) <= 1 + 2 * PER_SECOND * (3 + 3 + 1)
    assert spent(it) == it.owed(JOB)
    goodput = it.status(JOB).goodput
    assert goodput is not None
    assert (goodput.restarts, goodput.interruptions) == (0, 0)
    submit(it, "next")
    await settle(it, JOB, NEXT)
    assert it.condition("Placed", NEXT).reason == "BudgetSpent"
    change(it, TEAM, amount="50", thresholds=[acts(100, Action.SUSPEND)])
    await settle(it, JOB, NEXT)
    assert (it.state(JOB), it.state(NEXT)) == (State.RUNNING, State.RUNNING)
    assert it.condition("Funded", JOB).status.value == "True"
    assert it.cluster.records[JOB].unfunded is None


@pytest.mark.parametrize("how", ["deleted", "suspended", "without the threshold", "elsewhere"])
async def test_what_a_budget_has_stopped_goes_on_when_it_no_longer_stops(how: str) -> None:
    it = operation()
    await stopped(it)
    suspend = [acts(100, Action.SUSPEND)]
    if how == "deleted":
        del it.cluster.all_budgets[TEAM]
    elif how == "suspended":
        change(it, TEAM, amount="1", thresholds=suspend, suspend=True)
    elif how == "without the threshold":
        change(it, TEAM, amount="1", thresholds=[])
    else:
        change(it, TEAM, amount="1", thresholds=suspend, selector={"queue": "other"})
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING


async def test_a_job_that_two_budgets_stop_goes_on_when_both_have_money() -> None:
    it = operation()
    suspend = [acts(100, Action.SUSPEND)]
    other = budget(it, "all", amount="1.02", thresholds=suspend)
    await stopped(it)
    for uid in (TEAM, other):
        assert Action.SUSPEND in status(it, uid).actions
    first = it.cluster.records[JOB].unfunded
    assert first is not None
    change(it, f"uid-of-{first.by.removeprefix('team/')}", amount="50", thresholds=suspend)
    await settle(it, JOB)
    second = it.cluster.records[JOB].unfunded
    assert second is not None
    assert {first.by, second.by} == {"team/team", "team/all"}
    assert it.state(JOB) is State.SUSPENDED
    change(it, f"uid-of-{second.by.removeprefix('team/')}", amount="50", thresholds=suspend)
    await settle(it, JOB)
    assert it.state(JOB) is State.RUNNING


async def test_a_new_period_lets_everybody_go_on_and_each_dollar_counts_in_its_own() -> None:
    it = operation()
    it.cluster.clock.time = make.T0.replace(hour=23, minute=58)
    budget(it, amount="1", period="Day", thresholds=[acts(100, Action.SUSPEND)])
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 90, JOB)
    assert it.state(JOB) is State.SUSPENDED
    yesterday = it.owed(JOB)
    assert spent(it) == yesterday
    await pass_time(it, 60, JOB)
    assert it.state(JOB) is State.RUNNING
    found = status(it)
    assert found.last_period is not None
    assert Fraction(found.last_period.spent) == yesterday
    assert found.last_period.end == found.period_start == make.T0.replace(day=24, hour=0)
    end(it, JOB)
    await settle(it, JOB)
    assert spent(it) == it.owed(JOB) - yesterday > 0


async def test_a_job_that_runs_over_midnight_is_split_there() -> None:
    it = operation()
    it.cluster.clock.time = make.T0.replace(hour=23, minute=59)
    budget(it, amount="100", period="Day")
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 100, JOB, step=5)
    end(it, JOB)
    await settle(it, JOB)
    found = status(it)
    assert found.last_period is not None
    assert Fraction(found.last_period.spent) == 60 * 2 * PER_SECOND
    assert spent(it) == 40 * 2 * PER_SECOND
    assert it.owed(JOB) == 100 * 2 * PER_SECOND


async def test_what_a_job_has_spent_stays_when_it_is_deleted_while_it_runs() -> None:
    it = operation()
    budget(it, amount="100")
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 50, JOB)
    it.cluster.delete(JOB)
    await pass_time(it, 10, JOB)
    assert JOB not in it.cluster.records
    assert spent(it) == it.owed(JOB) == (50 + 5) * 2 * PER_SECOND
    assert status(it).books.jobs == []
    await pass_time(it, 10, JOB)
    assert spent(it) == it.owed(JOB)


async def test_a_job_that_is_deleted_stays_until_its_budgets_have_counted_it() -> None:
    it = operation()
    budget(it, amount="100")
    budget(it, "elsewhere", amount="100", selector={"queue": "other"})
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 50, JOB)
    it.cluster.delete(JOB)
    await it.once(JOB)
    it.cluster.clock.advance(5)
    for worker in it.cluster.workers(JOB):
        it.cluster.end(worker, 76)
    for _ in range(5):
        assert await it.once(JOB) is not None
    assert JOB in it.cluster.records
    assert it.cluster.workers(JOB) == []
    await it.keeper.once()
    assert await it.once(JOB) is None
    assert JOB not in it.cluster.records
    await it.keeper.once()
    assert spent(it) == it.owed(JOB) == 55 * 2 * PER_SECOND


async def test_the_total_of_a_job_that_is_deleted_never_falls_while_its_pods_end_one_by_one() -> (
    None
):
    it = operation()
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 50, JOB)
    totals = [Fraction(it.status(JOB).cost.total or 0)]  # type: ignore[union-attr]
    it.cluster.delete(JOB)
    await settle(it, JOB)
    for worker in it.cluster.workers(JOB):
        it.cluster.clock.advance(5)
        it.cluster.end(worker, 76)
        told = len(it.cluster.statuses)
        await settle(it, JOB)
        totals += [Fraction(s.cost.total or 0) for s in it.cluster.statuses[told:] if s.cost]
    assert totals == sorted(totals)
    assert totals[-1] == it.owed(JOB) > totals[0]


async def test_only_the_jobs_that_a_budget_selects_count() -> None:
    it = operation(gpus=8)
    budget(it, "queue", amount="100", selector={"queue": "research"})
    budget(it, "labels", amount="100", selector={"matchLabels": {"team": "a"}})
    budget(it, "all", amount="100")
    it.cluster.all_queues = ()
    labels = {"quartermaster.dev/queue": "default", "team": "a", "more": "b"}
    uids = [submit(it, "a", labels=labels), submit(it, "b"), submit(it, "c", queue=None)]
    await settle(it, *uids)
    await pass_time(it, 20, *uids)
    for uid in uids:
        end(it, uid)
    await settle(it, *uids)
    one = 20 * 2 * PER_SECOND
    found = [spent(it, f"uid-of-{name}") for name in ("queue", "labels", "all")]
    assert found == [0, one, 3 * one]


async def test_a_job_of_unknown_price_is_never_stopped_on_a_guess() -> None:
    it = operation(price=None)
    budget(it, amount="0.01", thresholds=[acts(1, Action.SUSPEND)])
    submit(it, budget={"limit": "0.01"})
    await settle(it, JOB)
    await pass_time(it, 60, JOB)
    assert it.state(JOB) is State.RUNNING
    funded = it.condition("Funded", JOB)
    assert (funded.status.value, funded.reason) == ("Unknown", "PriceUnknown")
    healthy = status(it).conditions[0]
    assert (healthy.status.value, healthy.reason) == ("Unknown", "PriceUnknown")
    assert "what 1 job cost has no known price" in healthy.message
    assert (status(it).spent, status(it).unpriced_jobs) == ("0.0000", 1)


async def test_a_budget_that_cannot_be_read_says_so_and_stops_nobody() -> None:
    it = operation()
    await stopped(it)
    record = it.cluster.all_budgets[TEAM]
    broken = replace(record.budget, fault="spec.amount: must be above zero")
    it.cluster.all_budgets[TEAM] = replace(record, budget=broken)
    await settle(it, JOB)
    found = status(it)
    assert [(c.type, c.reason, c.message) for c in found.conditions] == [
        ("Healthy", "Unreadable", "spec.amount: must be above zero")
    ]
    assert found.books == record.status.books
    assert it.state(JOB) is State.RUNNING


async def test_a_job_that_is_not_seen_yet_is_not_counted_as_gone() -> None:
    """An operator that has just begun may see a Budget before it sees the jobs."""
    it = operation()
    budget(it, amount="100")
    submit(it)
    await settle(it, JOB)
    await pass_time(it, 30, JOB)
    end(it, JOB)
    await settle(it, JOB)
    before = status(it).books
    hidden = it.cluster.records.pop(JOB)
    it.begin()

    async def there(job: object, uid: str) -> bool:
        return False

    it.cluster.is_gone = there  # type: ignore[method-assign]
    await it.keeper.once()
    assert status(it).books == before
    it.cluster.records[JOB] = hidden
    await it.keeper.once()
    assert status(it).books == before


async def test_when_nobody_spends_nothing_is_written_and_the_next_look_is_the_periods_end() -> None:
    it = operation()
    it.cluster.clock.time = make.T0.replace(hour=23, minute=59, second=30)
    budget(it, amount="100", period="Day")
    await settle(it)
    writes = len(it.cluster.writes)
    assert await it.keeper.once() == pytest.approx(33)
    it.cluster.clock.time += timedelta(seconds=10)
    await it.keeper.once()
    assert len(it.cluster.writes) == writes
