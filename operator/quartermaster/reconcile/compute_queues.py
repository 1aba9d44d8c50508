"""How each ComputeQueue stands, written to its status when it differs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Protocol

from pydantic import ValidationError

from quartermaster.api.compute_queue import ComputeQueueStatus, QueueHistory, QueueUsage
from quartermaster.api.training_job_status import Condition, ConditionStatus
from quartermaster.decide.queue.share import Measure, Past, measure, past_of
from quartermaster.decide.queue.tree import Ledger, ledger_of, tree_of
from quartermaster.domain.queue import Holding
from quartermaster.reconcile.demand import NOWHERE, gang_of, holdings, size_of
from quartermaster.reconcile.ports import Clock, View
from quartermaster.units import usd

HISTORY_AGE = timedelta(seconds=60)
"""A history is written anew after this time even if nothing else has changed."""
MAX_MODELS = 64


class QueueView(View, Protocol):
    """What is known of the queues."""

    def queue_records(self) -> Iterable[tuple[str, int, Mapping[str, Any]]]:
        """Name, generation and status of each queue."""
        ...


class QueueWriter(Protocol):
    """How a queue's status is written."""

    async def set_queue_status(self, name: str, status: Mapping[str, Any]) -> None:
        """Replace a queue's status."""
        ...


@dataclass(frozen=True, slots=True)
class Standing:
    """What all statuses are made of."""

    ledger: Ledger
    measure: Measure
    past: Past
    pending: Mapping[str, int]
    """Jobs that wait, by queue [count]."""
    admitted: Mapping[str, int]
    """Jobs that hold nodes, by queue [count]."""
    now: datetime


async def report(view: QueueView, writer: QueueWriter, clock: Clock, half_life_s: float) -> None:
    """Write the status of each queue whose status differs."""
    records = list(view.queue_records())
    if not records:
        return
    standing = observe(view, clock.now(), half_life_s)
    for name, generation, document in records:
        old = _read(document)
        status = queue_status(name, generation, old, standing, with_history=half_life_s > 0)
        if not _same(status, old):
            body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
            await writer.set_queue_status(name, body)


def observe(view: View, now: datetime, half_life_s: float) -> Standing:
    """How the queues stand by what jobs and pods say."""
    held, tree = holdings(view, NOWHERE, now), tree_of(view.queues())
    ledger, measured = ledger_of(tree, held), measure(view.snapshot())
    pending: dict[str, int] = {}
    for uid in view.gated():
        job = view.job(uid)
        if job is None or job.queue is None:
            continue
        if gang_of(job, view.workers(uid), size=size_of(job, view)):
            pending[job.queue] = pending.get(job.queue, 0) + 1
    for holding in held:
        if holding.stopped_for and holding.queue is not None:
            pending[holding.queue] = pending.get(holding.queue, 0) + 1
    return Standing(
        ledger=ledger,
        measure=measured,
        past=past_of(ledger, measured, half_life_s, now),
        pending=pending,
        admitted=_admitted(held),
        now=now,
    )


def _admitted(held: Iterable[Holding]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for holding in held:
        if holding.queue is not None and not holding.stopped_for:
            counts[holding.queue] = counts.get(holding.queue, 0) + 1
    return counts


def queue_status(
    name: str, generation: int, old: ComputeQueueStatus, it: Standing, *, with_history: bool
) -> ComputeQueueStatus:
    """A queue's status."""
    tree, past = it.ledger.tree, it.past.get(name, Fraction(0))
    models = sorted({*(model for model, _ in it.ledger.holds(name)), *tree.models})
    usage = [
        QueueUsage(
            accelerator=model,
            gpus=it.ledger.held(name, model),
            nominal=tree.nominal(name, model),
            borrowed=it.ledger.borrowed(name, model),
        )
        for model in models[:MAX_MODELS]
        if it.ledger.held(name, model) or tree.nominal(name, model)
    ]
    now = it.now.replace(microsecond=0)
    history = QueueHistory(gpus=usd(past, 9), time=now)
    share = it.measure.share(it.ledger, name, past)
    return ComputeQueueStatus(
        observed_generation=generation,
        conditions=[_active(tree.queues[name].fault, generation, old, now)],
        pending=it.pending.get(name, 0),
        admitted=it.admitted.get(name, 0),
        usage=usage,
        fair_share=usd(share, 3),
        history=history if with_history else None,
    )


def _active(fault: str, generation: int, old: ComputeQueueStatus, now: datetime) -> Condition:
    truth = (
        (ConditionStatus.FALSE, "Unusable", fault)
        if fault
        else (ConditionStatus.TRUE, "Usable", "")
    )
    return Condition.judged("Active", truth, old.conditions, now, generation)


def _read(document: Mapping[str, Any]) -> ComputeQueueStatus:
    try:
        return ComputeQueueStatus.model_validate(document)
    except ValidationError:
        return ComputeQueueStatus()


def _same(status: ComputeQueueStatus, old: ComputeQueueStatus) -> bool:
    """Whether there is nothing to write; that time has passed is no news for a minute."""
    if (status.history is None) != (old.history is None):
        return False
    if status.history is not None and old.history is not None:
        if status.history.time - old.history.time >= HISTORY_AGE:
            return False
        # The share moves with the history: it is written when something else is, or with it.
        changes = {"history": old.history, "fair_share": old.fair_share}
        return status.model_copy(update=changes) == old
    return status == old
