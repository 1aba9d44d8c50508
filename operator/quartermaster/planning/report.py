"""Plans in words and as a document."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from itertools import groupby
from typing import Any

from quartermaster.domain.decision import Assignment, Placed, Waiting
from quartermaster.planning.answer import Answer
from quartermaster.simulate.plan import Loss, Outcome, Planned
from quartermaster.units import duration, usd

NODES_SHOWN = 8
"""In words; the document has all [count]."""


def lines(answer: Answer) -> Iterator[str]:
    """A line a job and what it rests on below it, for people without a terminal's colours."""
    for one in answer.jobs:
        yield headline(one)
        yield from (f"    {fact}" for fact in facts(one, answer))
        for loss in one.losses:
            yield f"    stops {loss.holding.key}, which {lost(loss)}: {loss.why}"
        for part in one.shrinks:
            yield f"    shrinks {part.rest.key} from {part.before} to {part.after} workers"
        for other in one.decision.rejected:
            yield f"    not {other.candidate}: {other.reason}"
    for job, why in answer.idle:
        yield f"{job.key}: would not start: {why}"
    yield from (f"note: {remark}" for remark in answer.remarks)


def headline(one: Planned) -> str:
    """What would become of a job, and why."""
    decision = one.decision
    if isinstance(decision, Waiting):
        word = "would wait" if one.outcome is Outcome.WAITS else "would start when room is made"
        return f"{one.gang.key}: {word} ({decision.refusal}): {decision.message}"
    start = "would start now"
    if one.outcome is Outcome.MAKES_ROOM:
        start = "would start as soon as those who make room for it have saved their work"
    return f"{one.gang.key}: {start}, on {where(decision)}: {decision.reason}"


def where(placed: Placed) -> str:
    """The nodes, and how many workers each takes."""
    found = _nodes(placed)
    shown = [f"{name} ({count})" for name, count in found[:NODES_SHOWN]]
    more = len(found) - NODES_SHOWN
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def facts(one: Planned, answer: Answer) -> Iterator[str]:
    """Time and money, as far as they are known; the rest is in the reason."""
    decision, rate = one.decision, one.usd_per_hour
    if isinstance(decision, Waiting):
        return
    yield "costs an unknown price" if rate is None else f"costs {usd(rate)} USD/h"
    length = answer.lengths.get(one.gang.uid)
    seconds = one.seconds(None if length is None else length.steps)
    if length is not None and seconds is not None:
        total = one.usd(seconds)
        money = "" if total is None else f" and {usd(total)} USD"
        by = f" (as many as {length.told_by} had)" if length.told_by else ""
        yield f"to its end {duration(seconds)}{money}, for {length.steps} steps{by}"
    limit = one.usd(one.gang.runtime_s)
    if one.gang.runtime_s is not None and limit is not None:
        yield f"at most {duration(one.gang.runtime_s)} and {usd(limit)} USD, by its deadline"


def lost(loss: Loss) -> str:
    """What stopping a job costs: `loses 12m00s of work, 0.5300 USD`."""
    return f"loses {duration(loss.holding.lost_s)} of work, {usd(loss.usd)} USD"


def document(answer: Answer) -> Mapping[str, Any]:
    """Everything for a program: camelCase, money as decimal strings, null for unknown."""
    return {
        "allStart": answer.all_start,
        "jobs": [_job(one, answer) for one in answer.jobs],
        "idle": [
            {"namespace": job.key.namespace, "name": job.key.name, "message": why}
            for job, why in answer.idle
        ],
        "remarks": list(answer.remarks),
    }


def _job(one: Planned, answer: Answer) -> dict[str, Any]:
    gang, decision = one.gang, one.decision
    return {
        "namespace": gang.key.namespace,
        "name": gang.key.name,
        "queue": gang.queue,
        "priority": gang.priority,
        "workers": gang.size,
        "gpusPerWorker": gang.per_worker.gpus,
        "outcome": one.outcome.value,
        "placement": _placement(decision) if isinstance(decision, Placed) else None,
        "waiting": {
            "reason": decision.refusal.value,
            "message": decision.message,
            "reservationSeconds": one.start_s,
        }
        if isinstance(decision, Waiting)
        else None,
        "cost": _cost(one, answer),
        "rejected": [
            {"candidate": other.candidate, "reason": other.reason} for other in decision.rejected
        ],
        "stops": [
            {
                "namespace": loss.holding.key.namespace,
                "name": loss.holding.key.name,
                "queue": loss.holding.queue,
                "priority": loss.holding.priority,
                "lostSeconds": loss.holding.lost_s,
                "lostUsd": usd(loss.usd),
                "why": loss.why,
            }
            for loss in one.losses
        ],
        "shrinks": [
            {
                "namespace": part.rest.key.namespace,
                "name": part.rest.key.name,
                "workers": part.before,
                "workersLeft": part.after,
            }
            for part in one.shrinks
        ],
    }


def _placement(placed: Placed) -> dict[str, Any]:
    def all_of(names: list[str]) -> str:
        return ", ".join(sorted(set(names) - {""}))

    kinds = sorted({one.capacity.value for one in placed.assignments})
    return {
        "nodes": [{"name": name, "workers": count} for name, count in _nodes(placed)],
        "accelerator": all_of([one.accelerator for one in placed.assignments]),
        "capacityType": kinds[0] if len(kinds) == 1 else "Mixed",
        "pool": all_of([one.pool for one in placed.assignments]),
        "topologyLevel": placed.topology_level,
        "reason": placed.reason,
        "predictedStepSeconds": placed.predicted_step_seconds,
        "bound": None if placed.bound is None else placed.bound.value,
    }


def _cost(one: Planned, answer: Answer) -> dict[str, Any] | None:
    if not isinstance(one.decision, Placed):
        return None
    length = answer.lengths.get(one.gang.uid)
    seconds = one.seconds(None if length is None else length.steps)
    return {
        "usdPerHour": _money(one.usd_per_hour),
        "steps": None if length is None else length.steps,
        "stepsFromJob": length.told_by or None if length is not None else None,
        "seconds": seconds,
        "usd": _money(one.usd(seconds)),
        "deadlineSeconds": one.gang.runtime_s,
        "usdAtMost": _money(one.usd(one.gang.runtime_s)),
    }


def _nodes(placed: Placed) -> list[tuple[str, int]]:
    def node(one: Assignment) -> str:
        return one.node

    ordered = sorted(placed.assignments, key=node)
    return [(name, len(list(group))) for name, group in groupby(ordered, key=node)]


def _money(amount: Fraction | None) -> str | None:
    return None if amount is None else usd(amount)
