"""What came of a simulated trace: for people, for programs, for spreadsheets."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from fractions import Fraction
from typing import Any

from quartermaster.domain.decision import Placed
from quartermaster.simulate.trace.outcome import Record, Spread, Summary, Whole
from quartermaster.units import duration, usd

NODES_SHOWN = 3
"""In a table; the other formats have all [count]."""
UNKNOWN = "-"


def table(records: Sequence[Record], total: Whole) -> Iterator[str]:
    """Lines: a row a job, a row a queue, and the whole."""
    yield from _aligned(
        ["JOB", "QUEUE", "SUBMIT", "WAIT", "START", "END", "USD", "STOPPED", "WHERE"],
        [_row(record) for record in records],
    )
    yield ""
    named = [*total.queues, ("all", total.all_jobs)]
    yield from _aligned(
        ["QUEUE", "JOBS", "DONE", "WAIT mean", "p50", "p99", "JCT mean", "p50", "p99", "GPU h",
         "USD", "STOPPED"],
        [_queue_row(name, one) for name, one in named],
    )  # fmt: skip
    yield ""
    share = "" if total.utilisation is None else f", {total.utilisation:.1%} of them held"
    yield f"makespan {duration(total.makespan_s)} on {total.gpus} GPUs{share}".replace("%", " %")
    for record in records:
        if not record.stays:
            yield f"never placed: {record.job.gang.key}: {record.why}"


def document(records: Sequence[Record], total: Whole) -> dict[str, Any]:
    """Everything: camelCase, money as decimal strings, times in seconds, null for unknown."""
    return {
        "makespanSeconds": _seconds(total.makespan_s),
        "gpus": total.gpus,
        "utilisation": None if total.utilisation is None else round(total.utilisation, 6),
        "summary": _summary(total.all_jobs),
        "queues": {name: _summary(one) for name, one in total.queues},
        "jobs": [_job(record) for record in records],
    }


def spreadsheet(records: Sequence[Record]) -> str:
    """CSV, a row a job: what the trace said, and what came of it."""
    rows = [_flat(record) for record in records]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _row(record: Record) -> list[str]:
    gang = record.job.gang
    return [
        str(gang.key),
        gang.queue or UNKNOWN,
        duration(record.job.submit_s),
        _span(record.wait_s),
        _span(record.stays[0].start_s if record.stays else None),
        _span(record.end_s),
        UNKNOWN if record.usd is None else usd(record.usd),
        str(record.preemptions),
        _where(record.stays[-1].placed) if record.stays else record.ending.value,
    ]


def _where(placed: Placed) -> str:
    models = sorted({one.accelerator or "CPU" for one in placed.assignments})
    nodes = list(dict.fromkeys(one.node for one in placed.assignments))
    more = f" and {len(nodes) - NODES_SHOWN} more" if len(nodes) > NODES_SHOWN else ""
    return f"{' + '.join(models)} on {', '.join(nodes[:NODES_SHOWN])}{more}"


def _queue_row(name: str, one: Summary) -> list[str]:
    return [
        name,
        str(one.jobs),
        str(one.complete),
        *_spread(one.wait),
        *_spread(one.completion),
        f"{one.gpu_hours:.1f}",
        UNKNOWN if one.usd is None else usd(one.usd, 2),
        str(one.preemptions),
    ]


def _spread(told: Spread | None) -> list[str]:
    if told is None:
        return [UNKNOWN] * 3
    return [duration(value) for value in (told.mean, told.p50, told.p99)]


def _span(seconds: float | None) -> str:
    return UNKNOWN if seconds is None else duration(seconds)


def _aligned(header: list[str], rows: list[list[str]]) -> Iterator[str]:
    widths = [max(map(len, cells)) for cells in zip(header, *rows, strict=True)]
    for row in (header, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "   ".join(cells).rstrip()


def _job(record: Record) -> dict[str, Any]:
    gang = record.job.gang
    return {
        "namespace": gang.key.namespace,
        "name": gang.key.name,
        "queue": gang.queue,
        "priority": gang.priority,
        "ending": record.ending.value,
        "submitSeconds": _seconds(record.job.submit_s),
        "waitSeconds": _seconds(record.wait_s),
        "endSeconds": _seconds(record.end_s),
        "completionSeconds": _seconds(record.completion_s),
        "preemptions": record.preemptions,
        "gpuSeconds": _seconds(record.gpu_s),
        "usd": _money(record.usd),
        "stays": [
            {
                "startSeconds": _seconds(stay.start_s),
                "endSeconds": _seconds(stay.end_s),
                "workedSeconds": _seconds(stay.worked_s),
                "nodes": [one.node for one in stay.placed.assignments],
                "reason": stay.placed.reason,
                "usd": _money(stay.usd),
            }
            for stay in record.stays
        ],
        "why": record.why if not record.stays else "",
    }


def _flat(record: Record) -> dict[str, Any]:
    gang = record.job.gang
    last = record.stays[-1].placed.assignments if record.stays else ()
    return {
        "namespace": gang.key.namespace,
        "name": gang.key.name,
        "queue": gang.queue or "",
        "priority": gang.priority,
        "workers": gang.size,
        "gpus_per_worker": gang.per_worker.gpus,
        "ending": record.ending.value,
        "submit_seconds": _seconds(record.job.submit_s),
        "wait_seconds": _seconds(record.wait_s),
        "start_seconds": _seconds(record.stays[0].start_s if record.stays else None),
        "end_seconds": _seconds(record.end_s),
        "completion_seconds": _seconds(record.completion_s),
        "gpu_seconds": _seconds(record.gpu_s),
        "usd": _money(record.usd),
        "preemptions": record.preemptions,
        "accelerator": "|".join(sorted({one.accelerator for one in last})),
        "nodes": "|".join(one.node for one in last),
    }


def _summary(one: Summary) -> dict[str, Any]:
    return {
        "jobs": one.jobs,
        "complete": one.complete,
        "deadlineExceeded": one.failed,
        "neverPlaced": one.never_placed,
        "waitSeconds": None if one.wait is None else _rounded(one.wait),
        "completionSeconds": None if one.completion is None else _rounded(one.completion),
        "gpuHours": round(one.gpu_hours, 4),
        "usd": _money(one.usd),
        "preemptions": one.preemptions,
    }


def _rounded(told: Spread) -> dict[str, float | None]:
    return {name: _seconds(value) for name, value in asdict(told).items()}


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _money(amount: Fraction | None) -> str | None:
    return None if amount is None else usd(amount)
