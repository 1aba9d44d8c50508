"""What would become of jobs: a section a job, the answer first, then what it rests on."""

from collections.abc import Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm.render.facts import rejected_table
from kubectl_qm.render.job import heading
from kubectl_qm.render.look import BAD, CARE, DIM, GOOD, STRONG, Look
from kubectl_qm.render.table import Column, table
from kubectl_qm.views import Rejected
from quartermaster.domain.decision import Placed
from quartermaster.planning import report
from quartermaster.planning.answer import Answer
from quartermaster.simulate.plan import Loss, Outcome, Planned
from quartermaster.units import duration, usd

_WORDS = {
    Outcome.STARTS: ("●", "*", "would start now", GOOD),
    Outcome.MAKES_ROOM: ("◐", "~", "would start once others have made room", CARE),
    Outcome.WAITS: ("○", "o", "would wait", CARE),
}


def plan_page(answer: Answer, *, look: Look) -> RenderableType:
    """Every job of a plan."""
    parts: list[RenderableType] = []
    for one in answer.jobs:
        parts += [Text()] if parts else []
        parts += _job(one, answer, look)
    for job, why in answer.idle:
        parts += [Text()] if parts else []
        parts += [_title(job.key.name, ("‖", "=", "would not start", DIM), look), Text(why)]
    return Group(*parts)


def _job(one: Planned, answer: Answer, look: Look) -> Iterator[RenderableType]:
    gang, decision = one.gang, one.decision
    yield _title(gang.key.name, _WORDS[one.outcome], look)
    gpus = f" x {gang.per_worker.gpus} GPU{'s' if gang.per_worker.gpus != 1 else ''}"
    told = (
        f"namespace {gang.key.namespace}",
        f"{gang.size} worker{'s' if gang.size != 1 else ''}"
        + (gpus if gang.per_worker.gpus else " on CPU"),
        f"queue {gang.queue}" if gang.queue else "queued elsewhere",
        f"priority {gang.priority}" if gang.priority else "",
    )
    yield Text(look.dot().join(part for part in told if part), style=DIM)
    if isinstance(decision, Placed):
        yield from _section("Where", [decision.reason, f"on {report.where(decision)}"])
        yield from _section("Time and money", report.facts(one, answer))
    else:
        yield from _section("Why", [f"{decision.refusal}: {decision.message}"])
    if one.losses:
        yield from (Text(), heading("Would be stopped for it"), _losses(one.losses, look))
    if decision.rejected:
        rejected = [Rejected(each.candidate, each.reason) for each in decision.rejected]
        yield from (Text(), heading("Weighed and not chosen"), rejected_table(rejected, look))


def _title(name: str, state: tuple[str, str, str, str], look: Look) -> Text:
    glyph, plain, words, style = state
    return Text(name, style=STRONG).append(
        f"  {plain if look.plain else glyph} {words}", style=f"not bold {style}"
    )


def _section(name: str, lines: Iterable[str]) -> Iterator[RenderableType]:
    told = [Text(line) for line in lines]
    if told:
        yield from (Text(), heading(name), *told)


def _losses(losses: Sequence[Loss], look: Look) -> RenderableType:
    columns = [
        Column("JOB", [str(each.holding.key) for each in losses]),
        Column("QUEUE", [each.holding.queue or "-" for each in losses], rank=2),
        Column("PRIORITY", [str(each.holding.priority) for each in losses], rank=3, right=True),
        Column(
            "WORK LOST",
            [Text(duration(each.holding.lost_s), style=BAD) for each in losses],
            right=True,
        ),
        Column("USD LOST", [usd(each.usd) for each in losses], rank=1, right=True),
        Column("WHY", [each.why for each in losses], rank=4, wraps=True),
    ]
    return table(columns, look.width)
