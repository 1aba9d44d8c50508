"""A Budget's document as the operator reads it."""

from fractions import Fraction
from typing import Any

from quartermaster.api.budgets.budget import BudgetStatus
from quartermaster.api.budgets.record import budget_record
from quartermaster.domain.money.budget import Action, Period, Threshold
from quartermaster.domain.name import NamespacedName

Json = dict[str, Any]


def document(spec: Json, status: Json | None = None) -> Json:
    metadata = {
        "namespace": "team-a",
        "name": "research",
        "uid": "u",
        "generation": 3,
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    return {"metadata": metadata, "spec": spec, "status": status or {}}


def test_what_the_spec_leaves_out_is_a_month_of_all_jobs_with_the_usual_thresholds() -> None:
    record = budget_record(document({"amount": "250.00"}))
    budget = record.budget
    assert budget.key == NamespacedName("team-a", "research")
    assert (budget.amount, budget.period, record.generation) == (250, Period.MONTH, 3)
    assert budget.thresholds == (
        Threshold(50, Action.NOTIFY),
        Threshold(75, Action.NOTIFY),
        Threshold(90, Action.NOTIFY),
        Threshold(100, Action.BLOCK_NEW),
    )
    assert budget.selects("team-a", "any", {})
    assert budget.selects("team-a", None, {"a": "b"})
    assert not budget.selects("team-b", "any", {})


def test_a_selector_asks_for_the_queue_and_for_every_label() -> None:
    selector = {"queue": "gpu", "matchLabels": {"team": "a", "cost": "1"}}
    budget = budget_record(document({"amount": "1", "selector": selector})).budget
    labels = {"team": "a", "cost": "1", "more": "x"}
    assert budget.selects("team-a", "gpu", labels)
    assert not budget.selects("team-a", "cpu", labels)
    assert not budget.selects("team-a", None, labels)
    assert not budget.selects("team-a", "gpu", {"team": "a"})


def test_a_budget_that_cannot_be_read_selects_nobody_and_names_the_field() -> None:
    budget = budget_record(document({"amount": "five"})).budget
    assert budget.fault == "spec.amount: must be a decimal number, such as '0.25'"
    assert not budget.selects("team-a", "any", {})


def test_a_budget_is_read_past_what_only_a_later_version_knows() -> None:
    record = budget_record(
        document(
            {"amount": "1", "later": True},
            {"spent": "0.5000", "later": 1, "books": {"carried": "1/2", "later": 2}},
        )
    )
    assert record.budget.amount == 1
    assert Fraction(record.status.books.carried) == Fraction(1, 2)


def test_a_status_that_is_not_ours_is_counted_anew() -> None:
    assert budget_record(document({"amount": "1"}, {"spent": 7})).status == BudgetStatus()
