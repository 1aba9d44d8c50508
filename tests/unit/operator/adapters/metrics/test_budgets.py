"""Budgets and queues as metrics, as their statuses say."""

from quartermaster.adapters.metrics.queues import BudgetCollector, QueueCollector
from quartermaster.api.budgets.budget import BudgetStatus
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.domain.money.budget import Budget
from quartermaster.domain.name import NamespacedName
from tests.support import make
from tests.support.scraped import Samples, collected


def scraped(status: BudgetStatus) -> Samples:
    budget = Budget(NamespacedName("team", "month"), "uid", make.T0)
    return collected(BudgetCollector(lambda: [BudgetRecord(budget, 1, status)]))


def test_a_budget_tells_what_was_counted() -> None:
    status = BudgetStatus(amount="100", spent="40", forecast="120.5", commitment="300", jobs=3)
    assert scraped(status) == {
        ("budget_amount_usd", "team", "month"): 100,
        ("budget_spent_usd", "team", "month"): 40,
        ("budget_forecast_usd", "team", "month"): 120.5,
        ("budget_commitment_usd", "team", "month"): 300,
        ("budget_jobs", "team", "month"): 3,
    }


def test_what_is_not_known_of_a_budget_is_not_told() -> None:
    known = scraped(BudgetStatus(amount="100", spent="40"))
    assert ("budget_forecast_usd", "team", "month") not in known
    assert scraped(BudgetStatus()) == {}


def test_a_queue_tells_what_its_status_says_once_there_is_one() -> None:
    status = {
        "pending": 2,
        "admitted": 3,
        "fairShare": "0.25",
        "usage": [{"accelerator": make.T4, "gpus": 8}],
    }
    queues = [("research", 1, status), ("new", 1, {})]
    assert collected(QueueCollector(lambda: queues)) == {
        ("queue_pending_jobs", "research"): 2,
        ("queue_admitted_jobs", "research"): 3,
        ("queue_fair_share_ratio", "research"): 0.25,
        ("queue_gpus_used", "research", make.T4): 8,
    }
