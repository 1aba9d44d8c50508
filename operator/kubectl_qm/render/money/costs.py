"""What jobs have cost, with a sum that says what it does not know."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm import money
from kubectl_qm.render.jobs import cost_cells, cost_header
from kubectl_qm.render.look import CARE, DIM, NOTHING, STRONG, Look, span
from kubectl_qm.render.table import Column, table
from kubectl_qm.views import Job


def costs_page(
    jobs: Sequence[Job], *, now: datetime, look: Look, namespaced: bool
) -> RenderableType:
    """A row a job, the dearest first as given, and a line a currency below."""
    columns = [
        Column("NAME", [job.name for job in jobs]),
        Column("STATE", [look.state(job.state) for job in jobs], rank=2),
        Column(cost_header("TOTAL", jobs), cost_cells(jobs), right=True),
        Column("PER HOUR", _rates(jobs), rank=1, right=True),
        Column("RAN FOR", [_ran(job, now) for job in jobs], rank=5, right=True),
        Column("RESTARTS", [str(job.restarts) for job in jobs], rank=4, right=True),
        Column("PRICES FROM", [_source(job) for job in jobs], rank=6, yields=True),
    ]
    if namespaced:
        columns.insert(0, Column("NAMESPACE", [job.namespace for job in jobs]))
    parts: list[RenderableType] = [table(columns, look.width), Text()]
    return Group(*parts, *(_sum_line(each, look) for each in money.sums(jobs)))


def _rates(jobs: Sequence[Job]) -> list[str]:
    shown = money.column(job.cost.rate_per_hour if job.cost else None for job in jobs)
    return [
        text if job.cost and job.cost.rate_per_hour else _no_rate(job)
        for job, text in zip(jobs, shown, strict=True)
    ]


def _no_rate(job: Job) -> str:
    if job.cost and job.cost.rate_per_hour is not None:
        return NOTHING
    is_using = job.start_time is not None and not job.has_ended and job.state != "Suspended"
    return "unknown" if is_using else NOTHING


def _ran(job: Job, now: datetime) -> str:
    if job.start_time is None:
        return NOTHING
    return span(((job.completion_time or now) - job.start_time).total_seconds())


def _source(job: Job) -> str:
    return job.cost.price_source if job.cost else NOTHING


def _sum_line(each: money.Sum, look: Look) -> Text:
    jobs = f"{each.known} job" + ("" if each.known == 1 else "s")
    line = Text("Sum  ", style=DIM)
    line.append(f"{money.amount(each.total)} {each.currency}", style=STRONG)
    line.append(f" over {jobs}")
    if each.rate_per_hour:
        line.append(f"{look.dot()}{money.amount(each.rate_per_hour)} {each.currency}/h now")
    if each.unknown:
        line.append(f"{look.dot()}{each.unknown} unknown, not in the sum", style=CARE)
    return line
