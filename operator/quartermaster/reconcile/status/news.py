"""Of which conditions users get an event, beside what the status says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from quartermaster.api.meta import ConditionType
from quartermaster.api.training_job_status import Condition, ConditionStatus
from quartermaster.domain.decision import Refusal
from quartermaster.reconcile.budgets.funded import is_news

_TOLD = frozenset(
    {"Placed", "Running", "Suspended", "Stalled", "Preempted", "Resizing", "Complete", "Failed"}
)
"""Conditions of which users get an event when they hold."""
_BAD = frozenset({"Stalled", "Preempted", "Failed"})


@dataclass(frozen=True, slots=True)
class News:
    """One event."""

    condition: Condition
    warning: bool


def news(before: Sequence[Condition], after: Sequence[Condition]) -> Iterator[News]:
    """An event for each condition that came true or changed its reason; of some, that they fail.

    Args:
        before: As they were written last.
        after: As they are written now.
    """
    old = {it.type: (it.status, it.reason) for it in before}
    for it in after:
        if old.get(it.type) == (it.status, it.reason):
            continue
        waits = it.type == ConditionType.PLACED and it.reason in set(Refusal)
        lacking = is_news(it) or _is_late(it)
        holds = it.status is ConditionStatus.TRUE and it.type in _TOLD
        if holds or waits or lacking:
            yield News(it, warning=waits or lacking or it.type in _BAD)


def _is_late(it: Condition) -> bool:
    return it.type == ConditionType.ON_TIME and it.status is ConditionStatus.FALSE
