"""A Budget as the operator works with it, and the note that a job's money is spent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from quartermaster.api.budgets.budget import BudgetSpec, BudgetStatus
from quartermaster.domain.money.budget import Budget, Threshold, Unfunded
from quartermaster.domain.name import NamespacedName


@dataclass(frozen=True, slots=True)
class BudgetRecord:
    """One Budget."""

    budget: Budget
    generation: int
    status: BudgetStatus


def budget_record(document: Mapping[str, Any]) -> BudgetRecord:
    """A Budget from its document. One that cannot be read counts nothing, and says so."""
    metadata = document["metadata"]
    about = Budget(
        key=NamespacedName(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        created=datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC),
    )
    try:
        spec = BudgetSpec.model_validate(document.get("spec") or {}, extra="ignore")
        budget = budget_of(spec, about)
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        path = ".".join(["spec", *(str(part) for part in what["loc"])])
        fault = f"{path}: {what['msg'].removeprefix('Value error, ')}"
        budget = Budget(about.key, about.uid, about.created, fault=fault)
    return BudgetRecord(budget, int(metadata.get("generation", 0)), _status(document))


def budget_of(spec: BudgetSpec, about: Budget) -> Budget:
    """The Budget of that name and age with what the spec says."""
    return Budget(
        key=about.key,
        uid=about.uid,
        created=about.created,
        amount=Fraction(spec.amount),
        period=spec.period,
        queue=spec.selector.queue,
        labels=spec.selector.match_labels,
        thresholds=tuple(sorted(Threshold(one.percent, one.action) for one in spec.thresholds)),
        suspended=spec.suspend,
    )


def _status(document: Mapping[str, Any]) -> BudgetStatus:
    try:
        return BudgetStatus.model_validate(document.get("status") or {}, extra="ignore")
    except ValidationError:
        # Somebody else wrote there: it is counted anew from the jobs that are there.
        return BudgetStatus()


def unfunded_text(unfunded: Unfunded) -> str:
    """The annotation's value."""
    told = {
        "by": unfunded.by,
        "why": unfunded.why,
        "at": unfunded.at.isoformat(),
        "amount": str(unfunded.amount),
        "reserve": str(unfunded.reserve),
    }
    return json.dumps(told)


def read_unfunded(text: str | None) -> Unfunded | None:
    """What `unfunded_text` wrote; one that cannot be read stops nobody."""
    if text is None:
        return None
    try:
        told = json.loads(text)
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
        amount, reserve = Fraction(told["amount"]), Fraction(told["reserve"])
        return Unfunded(str(told["by"]), str(told["why"]), at, amount, reserve)
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError):
        return None
