"""Budgets as frozen values."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kubectl_qm.access.document import Document
from kubectl_qm.cluster import Json


@dataclass(frozen=True, slots=True)
class Budget:
    """A Budget."""

    namespace: str
    name: str
    amount: Decimal | None
    period: str
    queue: str
    """The queue whose jobs count; empty counts those of every queue."""
    labels: tuple[tuple[str, str], ...]
    """Labels of the jobs that count; none counts every job."""
    suspended: bool
    """Whether it only counts."""
    spent: Decimal | None
    """In this period; None before the operator looked, like the amounts below."""
    percent: int | None
    rate_per_hour: Decimal | None
    forecast: Decimal | None
    """At the period's end; None also where that is unknown."""
    commitment: Decimal | None
    """At the period's end at the worst; None also where that is unknown."""
    actions: tuple[str, ...]
    """What is in force, the mildest first."""
    period_end: datetime | None
    fault: str
    """What is wrong with it, or with what it counts; empty where nothing is."""


def budget(content: Json) -> Budget:
    """A Budget as it is shown."""
    document = Document(content)
    spec, status = document.at("spec"), document.at("status")
    healthy = next(
        (each for each in status.items("conditions") if each.text("type") == "Healthy"), None
    )
    return Budget(
        namespace=document.text("metadata", "namespace"),
        name=document.text("metadata", "name"),
        amount=spec.decimal("amount"),
        period=spec.text("period") or "Month",
        queue=spec.text("selector", "queue"),
        labels=spec.pairs("selector", "matchLabels"),
        suspended=spec.is_true("suspend"),
        spent=status.decimal("spent"),
        percent=status.number("percent") if status.has("percent") else None,
        rate_per_hour=status.decimal("ratePerHour"),
        forecast=status.decimal("forecast"),
        commitment=status.decimal("commitment"),
        actions=status.texts("actions"),
        period_end=status.moment("periodEnd"),
        fault=healthy.text("message")
        if healthy is not None and healthy.text("status") != "True"
        else "",
    )


def fullest_first(budgets: Iterable[Budget]) -> list[Budget]:
    """Those of which the largest part is spent stand first; then by namespace and name."""
    return sorted(budgets, key=lambda each: (-(each.percent or 0), each.namespace, each.name))
