"""Money on the real cluster: a job stops at its limit and goes on, a namespace's Budget acts."""

import json
import time
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction

import pytest

from tests.e2e.test_faults import first_steps
from tests.e2e.test_queues import condition, gpu_job, waits
from tests.support.stage import Json, Stage, digits_job

pytestmark = pytest.mark.e2e

BUDGET = "budgets.quartermaster.dev"
POOL = "a-dear"
"""Before all others: a node belongs to the first pool by name that holds it."""
USD_PER_SECOND = 0.1
"""Of one GPU: a five-dollar job runs for fifty seconds."""
STOP_S = 60.0
"""Until a job has saved and its pods are gone, on two shared processors [s]."""
ACT_S = 5.0
"""From the moment at which an amount is spent until a Budget acts [s]."""


@pytest.fixture
def dear(stage: Stage) -> Iterator[Stage]:
    """Nodes of a price at which seconds count."""
    pool = {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "nodeSelector": {"topology.kubernetes.io/region": "us-east-1"},
            "prices": [{"usdPerGpuHour": str(round(3600 * USD_PER_SECOND))}],
            "priceSource": "made up for a test",
            "tolerations": [{"key": "nvidia.com/gpu"}],
        },
    }
    stage.kubectl.out("apply", "-f", "-", stdin=json.dumps(pool))
    time.sleep(1)  # the operator has it before a job asks for its price
    yield stage
    stage.kubectl.run("delete", "computepools.quartermaster.dev", POOL)


def budget(stage: Stage, amount: str, *thresholds: Json) -> None:
    stage.apply(
        {
            "apiVersion": "quartermaster.dev/v1alpha1",
            "kind": "Budget",
            "metadata": {"name": "team"},
            "spec": {"amount": amount, "period": "Total"}
            | ({"thresholds": list(thresholds)} if thresholds else {}),
        }
    )


def raised(stage: Stage, amount: str) -> None:
    body = json.dumps({"spec": {"amount": amount}})
    stage.kubectl.out("-n", stage.namespace, "patch", BUDGET, "team", "--type=merge", "-p", body)


def budget_status(stage: Stage) -> Json:
    found = stage.kubectl.out("-n", stage.namespace, "get", BUDGET, "team", "-o", "json")
    status: Json = json.loads(found).get("status") or {}
    return status


def acts(stage: Stage, action: str, within_s: float) -> Json:
    """Wait until a Budget's action is in force."""
    end = time.monotonic() + within_s
    while action not in (status := budget_status(stage)).get("actions", []):
        assert time.monotonic() < end, status
        time.sleep(0.5)
    return status


def has_left(stage: Stage, name: str) -> Json:
    """Wait until a suspended job's pods are gone; returns its status after that."""
    end = time.monotonic() + STOP_S
    while stage.pods(name):
        assert time.monotonic() < end, "pods of a job without money are still there"
        time.sleep(0.5)
    return stage.wait(name, lambda s: not s["cost"].get("closing"), 20, "charged")


def bound_at(pod: Json) -> datetime:
    told = next(c for c in pod["status"]["conditions"] if c["type"] == "PodScheduled")
    return datetime.fromisoformat(told["lastTransitionTime"])


def counted(status: Json) -> Fraction:
    """What a Budget's books come to, exact."""
    books = status["books"]
    return sum((Fraction(one["counted"]) for one in books["jobs"]), Fraction(books["carried"]))


def test_a_five_dollar_job_stops_at_five_dollars_and_goes_on_at_its_step_when_raised(
    dear: Stage,
) -> None:
    job = digits_job("thrifty", epochs=160, budget={"limit": "5.00"})
    job["spec"]["trainer"]["workers"] = 1
    dear.apply(job)
    dear.wait_for("thrifty", "Suspended", 240)
    status = has_left(dear, "thrifty")
    funded = condition(status, "Funded")
    assert (funded["status"], funded["reason"]) == ("False", "LimitReached")
    assert 4.0 <= float(status["cost"]["total"]) <= 5.05
    saved, total = status["checkpoint"]["step"], status["cost"]["total"]
    assert saved > 0
    time.sleep(10)
    status = dear.status("thrifty")
    assert (status["state"], status["cost"]["total"]) == ("Suspended", total)
    assert dear.patch("thrifty", {"budget": {"limit": "50.00"}}).returncode == 0
    dear.wait("thrifty", lambda s: s.get("state") == "Running", STOP_S, "Running again")
    dear.wait("thrifty", lambda s: s["progress"]["step"] > saved, 120, f"beyond step {saved}")
    assert saved in first_steps(dear, "thrifty")
    status = dear.wait_for("thrifty", "Complete", 400)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.9
    assert status["goodput"]["restarts"] == 0
    assert condition(status, "Funded")["status"] == "True"
    dear.agrees_with_witness("thrifty")


def test_a_budget_blocks_new_jobs_within_seconds_and_lets_the_running_one_go_on(
    dear: Stage,
) -> None:
    budget(dear, "1.00")
    dear.apply(gpu_job("spender", 45))
    dear.wait_for("spender", "Running", 60)
    status = acts(dear, "BlockNew", 60)
    fired = {one["percent"]: datetime.fromisoformat(one["time"]) for one in status["fired"]}
    crossed_after_s = 1.00 / USD_PER_SECOND
    took = (fired[100] - bound_at(dear.living("spender", 0))).total_seconds() - crossed_after_s
    # Both times are told in whole seconds, and the processors are shared.
    assert took <= 2 * ACT_S
    dear.apply(gpu_job("next", 2))
    message = waits(dear, "next", "BudgetSpent")
    assert message == (
        "Budget team has spent 100 % of 1.00 USD in all: "
        "no new job is placed until its amount is raised"
    )
    assert dear.status("spender")["state"] == "Running"
    told = dear.kubectl.out(
        "-n", dear.namespace, "get", "events", "-o",
        'jsonpath={range .items[?(@.involvedObject.kind=="Budget")]}{.reason} {end}',
    )  # fmt: skip
    assert told.split().count("BudgetNotify") == 3
    assert told.split().count("BudgetBlockNew") == 1
    raised(dear, "100")
    # The other one still holds the only T4.
    dear.wait("next", lambda s: condition(s, "Placed")["reason"] != "BudgetSpent", 10, "let go on")
    dear.wait_for("next", "Complete", 150)


def test_a_budget_stops_a_job_though_the_operator_is_killed_and_counts_it_once(
    dear: Stage,
) -> None:
    budget(dear, "1.00", {"percent": 100, "action": "Suspend"})
    dear.apply(gpu_job("spender", 20))
    dear.wait_for("spender", "Running", 60)
    dear.wait("spender", lambda s: bool(condition(s, "Funded")), 60, "without money")
    dear.kill_operator()
    status = has_left(dear, "spender")
    assert status["state"] == "Suspended"
    assert condition(status, "Funded")["reason"] == "BudgetSpent"
    raised(dear, "100")
    status = dear.wait_for("spender", "Complete", 150)
    dear.agrees_with_witness("spender")
    accrued = Fraction(dear.status("spender")["cost"]["accrued"])
    end = time.monotonic() + 20
    while counted(budget_status(dear)) != accrued:
        assert time.monotonic() < end, (budget_status(dear), accrued)
        time.sleep(0.5)
    dear.kubectl.out("-n", dear.namespace, "delete", "trainingjobs.quartermaster.dev", "spender")
    end = time.monotonic() + 20
    while budget_status(dear)["books"].get("jobs"):
        assert time.monotonic() < end, budget_status(dear)
        time.sleep(0.5)
    assert counted(budget_status(dear)) == accrued
