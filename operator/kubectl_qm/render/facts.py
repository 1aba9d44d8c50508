"""Tables of what was observed: workers, conditions, candidates, events."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm.render.look import BAD, CARE, DIM, GOOD, NOTHING, Look, ago
from kubectl_qm.render.table import Column, table
from kubectl_qm.views import Condition, Event, Rejected
from kubectl_qm.workers import Worker

_GOOD_PHASES = {"Running", "Succeeded", "Completed"}
_BAD_PHASES = {"Failed", "Error", "OOMKilled", "ImagePullBackOff", "ErrImagePull", "Evicted"}
_BAD_WHEN_TRUE = {"Failed", "Stalled"}

MOST_WORKERS = 16
"""Rows [count]: a page stays a page with a gang of a thousand."""


def workers_table(workers: Sequence[Worker], *, now: datetime, look: Look) -> RenderableType:
    """A row a worker, by index; of a large gang those in trouble, the others counted by phase."""
    shown = sorted(sorted(workers, key=_is_fine)[:MOST_WORKERS], key=lambda each: each.index)
    rest = Counter(each.phase for each in workers if each not in shown)
    rows = _worker_rows(shown, now=now, look=look)
    if not rest:
        return rows
    counts = look.dot().join(f"{count} {phase}" for phase, count in sorted(rest.items()))
    return Group(rows, Text(f"and {rest.total()} more: {counts}", style=DIM))


def _worker_rows(workers: Sequence[Worker], *, now: datetime, look: Look) -> RenderableType:
    columns = [
        Column("INDEX", [str(each.index) for each in workers], right=True),
        Column("PHASE", [_phase(each) for each in workers]),
        Column("NODE", [each.node or NOTHING for each in workers], rank=1),
        Column("RESTARTS", [str(each.restarts) for each in workers], rank=3, right=True),
        Column("SINCE", [_since(each, now) for each in workers], rank=2, right=True),
        Column("POD", [each.pod for each in workers], rank=4),
    ]
    endings = [_ending(each) for each in workers]
    if any(endings):
        columns.append(Column("LAST END", endings, rank=5, wraps=True))
    return table(columns, look.width)


def conditions_table(
    conditions: Sequence[Condition], *, now: datetime, look: Look
) -> RenderableType:
    """A row a condition, in the operator's order."""
    columns = [
        Column("TYPE", [each.type for each in conditions]),
        Column("STATUS", [_status(each.type, each.status) for each in conditions]),
        Column("REASON", [each.reason or NOTHING for each in conditions], rank=2),
        Column(
            "SINCE", [ago(each.last_transition_time, now) for each in conditions], 3, right=True
        ),
        Column("MESSAGE", [each.message or NOTHING for each in conditions], rank=1, wraps=True),
    ]
    return table(columns, look.width)


def rejected_table(rejected: Sequence[Rejected], look: Look) -> RenderableType:
    """A row a candidate that was weighed and not chosen."""
    columns = [
        Column("CANDIDATE", [each.candidate or NOTHING for each in rejected]),
        Column("WHY NOT", [each.reason or NOTHING for each in rejected], wraps=True),
    ]
    return table(columns, look.width)


def events_table(events: Sequence[Event], *, now: datetime, look: Look) -> RenderableType:
    """A row an event, in the given order."""
    columns = [
        Column("AGE", [_age(each, now) for each in events], rank=2, right=True),
        Column("TYPE", [_kind(each) for each in events], rank=1),
        Column("REASON", [each.reason or NOTHING for each in events]),
        Column("MESSAGE", [each.message or NOTHING for each in events], wraps=True),
    ]
    return table(columns, look.width)


def _is_fine(worker: Worker) -> bool:
    return worker.phase in _GOOD_PHASES and not worker.restarts


def _phase(worker: Worker) -> Text:
    if worker.phase in _GOOD_PHASES:
        return Text(worker.phase, style=GOOD)
    return Text(worker.phase, style=BAD if worker.phase in _BAD_PHASES else CARE)


def _since(worker: Worker, now: datetime) -> str:
    return ago(worker.start_time or worker.creation_time, now)


def _ending(worker: Worker) -> str:
    end = worker.termination
    if end is None or (end.exit_code == 0 and not worker.restarts):
        return ""
    what = f"{end.reason} (exit code {end.exit_code})" if end.reason else f"exit {end.exit_code}"
    return f"{what}: {end.message}" if end.message else what


def _status(kind: str, status: str) -> Text:
    if status != "True":
        return Text(status or NOTHING, style=DIM)
    return Text(status, style=BAD if kind in _BAD_WHEN_TRUE else GOOD)


def _age(event: Event, now: datetime) -> str:
    times = f" x{event.count}" if event.count > 1 else ""
    return ago(event.time, now) + times


def _kind(event: Event) -> Text:
    return Text(event.type or NOTHING, style=CARE if event.type == "Warning" else DIM)
