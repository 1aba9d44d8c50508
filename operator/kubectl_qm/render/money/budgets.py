"""Budgets: how much is spent, how much is still to come, and what is in force."""

from collections.abc import Sequence
from datetime import UTC

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm import money
from kubectl_qm.render.look import BAD, CARE, DIM, GOOD, NOTHING, Look
from kubectl_qm.render.table import Column, table
from kubectl_qm.spending.budgets import Budget

BAR = 10
"""Length of a bar [columns]."""


def budgets_page(budgets: Sequence[Budget], *, look: Look, everywhere: bool) -> RenderableType:
    """A row a budget; then what is wrong with any.

    Args:
        budgets: The budgets, in their order.
        look: What the terminal can show.
        everywhere: Whether they are of several namespaces.
    """
    columns = [
        *([Column("NAMESPACE", [each.namespace for each in budgets])] if everywhere else []),
        Column("BUDGET", [each.name for each in budgets]),
        Column("PERIOD", [each.period for each in budgets], rank=4),
        Column("AMOUNT USD", _amounts(budgets, "amount"), rank=1, right=True),
        Column("SPENT USD", _amounts(budgets, "spent"), right=True),
        Column("", [_bar(each, look) for each in budgets], rank=2),
        Column("PER HOUR", _amounts(budgets, "rate_per_hour"), rank=6, right=True),
        Column("FORECAST", _amounts(budgets, "forecast"), rank=3, right=True),
        Column("AT WORST", _amounts(budgets, "commitment"), rank=5, right=True),
        Column("ACTION", [_action(each) for each in budgets]),
        Column("UNTIL", [_until(each) for each in budgets], rank=7),
        Column("JOBS", [_jobs(each) for each in budgets], rank=8, wraps=True),
    ]
    parts: list[RenderableType] = [table(columns, look.width)]
    for each in budgets:
        if each.fault:
            parts += [Text(), Text(f"{each.name}: {each.fault}", style=CARE)]
    return Group(*parts)


def _amounts(budgets: Sequence[Budget], what: str) -> list[str]:
    return [
        NOTHING if text == "unknown" else text
        for text in money.column(getattr(each, what) for each in budgets)
    ]


def _bar(budget: Budget, look: Look) -> Text:
    if budget.percent is None:
        return Text(NOTHING, style=DIM)
    style = GOOD if budget.percent < 75 else CARE if budget.percent < 100 else BAD
    return look.bar(min(100, budget.percent), BAR, style).append(f" {budget.percent}%")


def _action(budget: Budget) -> Text:
    if budget.suspended:
        return Text("only counts", style=DIM)
    if not budget.actions:
        return Text(NOTHING)
    mild = budget.actions[-1] == "Notify"
    return Text(budget.actions[-1], style=CARE if mild else BAD)


def _until(budget: Budget) -> str:
    if budget.period_end is None:
        return NOTHING
    return f"{budget.period_end.astimezone(UTC):%Y-%m-%d}"


def _jobs(budget: Budget) -> str:
    queue = [f"queue {budget.queue}"] if budget.queue else []
    labels = [f"{key}={value}" for key, value in budget.labels]
    return ", ".join(queue + labels) or "all"
