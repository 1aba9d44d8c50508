"""Why a job is where it is, or why it waits."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm.explanation import Explanation
from kubectl_qm.render.facts import (
    conditions_table,
    events_table,
    rejected_table,
    workers_table,
)
from kubectl_qm.render.job import heading, telling, title
from kubectl_qm.render.look import DIM, Look
from kubectl_qm.views import Condition


def explanation_page(answer: Explanation, *, now: datetime, look: Look) -> RenderableType:
    """The answer first, then what it rests on."""
    job = answer.job
    parts: list[RenderableType] = [title(job, now, look)]
    parts += _section("Why", [Text(line) for line in answer.why])
    parts += _section("What would change it", [Text(line) for line in answer.remedies])
    if job.placement and job.placement.rejected and not job.has_ended:
        parts += _section("Weighed and not chosen", [rejected_table(job.placement.rejected, look)])
    if answer.workers:
        parts += _section("Workers", [workers_table(answer.workers, now=now, look=look)])
    if job.conditions:
        conditions = [_unrepeated(each, answer.why) for each in telling(job.conditions)]
        parts += _section("Conditions", [conditions_table(conditions, now=now, look=look)])
    if answer.events:
        parts += _section("Events", [events_table(answer.events, now=now, look=look)])
    else:
        parts += _section("Events", [Text("none", style=DIM)])
    return Group(*parts)


def _unrepeated(condition: Condition, why: Sequence[str]) -> Condition:
    return replace(condition, message="as above") if condition.message in why else condition


def _section(name: str, content: Sequence[RenderableType]) -> list[RenderableType]:
    return [Text(), heading(name), *content] if content else []
