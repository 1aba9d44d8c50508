"""Many TrainingJobs as a table."""

from collections.abc import Sequence
from datetime import datetime

from rich.console import RenderableType
from rich.text import Text

from kubectl_qm import money
from kubectl_qm.render.look import CARE, DIM, NOTHING, Look, ago, remaining, state_style
from kubectl_qm.render.table import Column, table
from kubectl_qm.views import Job

BAR = 10
"""Length of a bar in the table [columns]."""


def jobs_table(
    jobs: Sequence[Job], *, now: datetime, look: Look, namespaced: bool, wide: bool
) -> RenderableType:
    """A row a job; `namespaced` adds the namespace, `wide` what else there is."""
    columns = [
        Column("NAME", [job.name for job in jobs]),
        Column("STATE", [look.state(job.state) for job in jobs]),
        Column("PROGRESS", [_progress(job, look) for job in jobs], rank=1),
        Column("ETA", [remaining(job, now) for job in jobs], rank=2, right=True),
        Column("WORKERS", [job.workers for job in jobs], rank=3, right=True),
        Column("ACCELERATOR", [_placed(job, "accelerator") for job in jobs], rank=6),
        Column("CAPACITY", [_placed(job, "capacity_type") for job in jobs], rank=7),
        Column(cost_header("COST", jobs), cost_cells(jobs), rank=4, right=True),
        Column("AGE", [ago(job.creation_time, now) for job in jobs], rank=5, right=True),
    ]
    if namespaced:
        columns.insert(0, Column("NAMESPACE", [job.namespace for job in jobs]))
    if wide:
        columns += _wide(jobs)
    return table(columns, look.width)


def cost_header(name: str, jobs: Sequence[Job]) -> str:
    """A header with the currency, when all jobs share it."""
    currencies = {job.cost.currency for job in jobs if job.cost}
    return f"{name} {currencies.pop()}" if len(currencies) == 1 else name


def cost_cells(jobs: Sequence[Job]) -> list[Text]:
    """What each job has cost; a job that never used anything has no cost, which is not zero."""
    shown = money.column(job.cost.total if job.cost else None for job in jobs)
    return [_cost(job, text) for job, text in zip(jobs, shown, strict=True)]


def _cost(job: Job, shown: str) -> Text:
    if money.is_unknown(job):
        return Text("unknown", style=CARE)
    return Text(shown if job.cost else NOTHING)


def _progress(job: Job, look: Look) -> Text:
    if job.progress is None:
        return Text(NOTHING, style=DIM)
    bar = look.bar(job.progress.percentage, BAR, state_style(job.state))
    return bar.append(f" {job.progress.percentage:3d}%", style="not dim default")


def _placed(job: Job, field: str) -> str:
    value: str = getattr(job.placement, field, "") if job.placement else ""
    return value or NOTHING


def _wide(jobs: Sequence[Job]) -> list[Column]:
    return [
        Column("BOUND", [_bound(job) for job in jobs], rank=8),
        Column("POOL", [_placed(job, "pool") for job in jobs], rank=9),
        Column("RESTARTS", [str(job.restarts) for job in jobs], rank=10, right=True),
        Column("QUEUE", [job.queue or NOTHING for job in jobs], rank=11),
        Column("NODES", [_nodes(job) for job in jobs], rank=12),
    ]


def _bound(job: Job) -> str:
    return job.profile.bound.lower() if job.profile and job.profile.bound else NOTHING


def _nodes(job: Job) -> str:
    if job.placement is None or not job.placement.nodes:
        return NOTHING
    shown = list(dict.fromkeys(job.placement.nodes))
    more = job.placement.node_count - len(shown)
    return ",".join(shown) + (f" +{more}" if more > 0 else "")
