"""One TrainingJob on one page."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from kubectl_qm import money
from kubectl_qm.render.facts import conditions_table, workers_table
from kubectl_qm.render.look import CARE, DIM, STRONG, Look, ago, remaining, span, state_style
from kubectl_qm.render.money.predicted import prediction_lines
from kubectl_qm.spent import Spent
from kubectl_qm.views import Condition, Cost, Job, Placement, Profile, Progress
from kubectl_qm.workers import Worker
from quartermaster.decide import bound

BAR = 30
"""Length of the bar on the page [columns]."""

LONGEST_STEP_S = 10**9
"""What a status says beyond that is no time of a step [s]."""

_ALWAYS = {"Placed", "Running", "Funded", "OnTime"}
"""Conditions that say something even when they are false."""


def job_page(job: Job, workers: Sequence[Worker], *, now: datetime, look: Look) -> RenderableType:
    """State, progress, placement, cost, what is kept, workers and conditions of a job."""
    parts: list[RenderableType] = [title(job, now, look), Text(), _facts(job, now, look)]
    if workers:
        parts += [Text(), heading("Workers"), workers_table(workers, now=now, look=look)]
    conditions = telling(job.conditions)
    if conditions:
        parts += [Text(), heading("Conditions"), conditions_table(conditions, now=now, look=look)]
    return Group(*parts)


def title(job: Job, now: datetime, look: Look) -> RenderableType:
    """Name, namespace, state, and what is run."""
    first = Text(job.name, style=STRONG).append("  ")
    first.append_text(look.state(job.state)).append(
        f"  {_since(job, now)}", style=f"not bold {DIM}"
    )
    second = look.dot().join(
        part
        for part in (
            f"namespace {job.namespace}",
            _gang(job),
            _work(job),
            f"queue {job.queue}" if job.queue else "",
        )
        if part
    )
    return Group(first, Text(second, style=DIM))


def telling(conditions: Iterable[Condition]) -> list[Condition]:
    """The conditions that say something: that a job has not failed is no news."""
    return [each for each in conditions if each.status != "False" or each.type in _ALWAYS]


def heading(text: str) -> Text:
    """A section's name."""
    return Text(text, style=STRONG)


def _since(job: Job, now: datetime) -> str:
    if job.has_ended and job.completion_time:
        return f"{ago(job.completion_time, now)} ago"
    if job.start_time:
        return f"for {ago(job.start_time, now)}"
    return f"created {ago(job.creation_time, now)} ago"


def _gang(job: Job) -> str:
    workers = f"{job.wanted_workers} worker" + ("s" if job.wanted_workers > 1 else "")
    what = "GPU part" if job.gpu_partition else "GPU"
    gpus = f"{job.gpus_per_worker} {what}" + ("s" if job.gpus_per_worker > 1 else "")
    gpus += f" ({job.gpu_partition})" if job.gpu_partition else ""
    return f"{workers} x {gpus}" if job.gpus_per_worker else f"{workers} on CPU"


def _work(job: Job) -> str:
    return f"{job.runs} on {job.dataset}" if job.dataset else job.runs


def _facts(job: Job, now: datetime, look: Look) -> RenderableType:
    grid = Table.grid(padding=(0, 3, 0, 0))
    grid.add_column(style=DIM, no_wrap=True)
    grid.add_column(overflow="fold")
    for label, lines in _sections(job, now, look):
        for number, line in enumerate(lines):
            grid.add_row("" if number else label, line)
    return grid


def _sections(job: Job, now: datetime, look: Look) -> Iterable[tuple[str, list[Text]]]:
    if job.progress:
        yield "Progress", _progress(job, job.progress, now, look)
    if job.profile and (step := step_sentence(job.profile)):
        yield "Step", _lines([step, _step_details(job.profile, look)])
    if job.placement:
        yield "Placement", _placement(job.placement, look)
    yield "Cost", [_cost(job, look), *_spent(job, look)]
    if job.prediction:
        currency = job.cost.currency if job.cost else "USD"
        yield "Prediction", _lines(prediction_lines(job.prediction, job.outcome, currency))
    if job.restarts:
        yield "Restarts", [_restarts(job)]
    if job.checkpoint:
        kept = f"step {job.checkpoint.step}, {ago(job.checkpoint.time, now)} ago"
        yield "Checkpoint", _lines([kept, job.checkpoint.uri])
    if job.result:
        took = f"in {span(job.result.duration_seconds)}"
        yield "Result", _lines([job.result.model_uri, took])


def _progress(job: Job, progress: Progress, now: datetime, look: Look) -> list[Text]:
    bar = look.bar(progress.percentage, min(BAR, look.width // 3), state_style(job.state))
    bar.append(f"  {progress.percentage}%", style="not dim default")
    of = f" of {progress.total_steps}" if progress.total_steps else ""
    eta = remaining(job, now)
    steps = _joined(
        look,
        f"step {progress.step}{of}",
        _epoch(job, progress),
        "" if eta == "-" else f"{eta} left",
    )
    measured = _joined(
        look,
        f"loss {progress.loss}" if progress.loss else "",
        *(f"{name} {value}" for name, value in progress.metrics),
        f"{_rounded(progress.samples_per_second)} samples/s" if progress.samples_per_second else "",
        f"reported {ago(progress.last_report_time, now)} ago" if progress.last_report_time else "",
    )
    return [bar, *_lines([steps, measured])]


def step_sentence(profile: Profile) -> str:
    """`38 ms: compute 71 %, communication 21 %, data wait 8 %: compute-bound`; empty if unknown."""
    parts = (
        profile.compute_fraction,
        profile.communication_fraction,
        profile.data_wait_fraction,
    )
    known = [float(part) for part in parts if part is not None and 0 <= part <= 1]
    step = profile.step_seconds
    if step is None or not 0 < step < LONGEST_STEP_S or len(known) < len(parts):
        return ""
    return bound.sentence(float(step), bound.Shares(*known), profile.bound)


def _step_details(profile: Profile, look: Look) -> str:
    return _joined(
        look,
        f"{100 * profile.mfu:.0f} % of the GPU's peak" if profile.mfu is not None else "",
        f"{profile.memory_per_worker} a worker at most" if profile.memory_per_worker else "",
        f"measured in job {profile.from_job}" if profile.from_job else "",
    )


def _rounded(number: str) -> str:
    """Three digits are enough for a speed."""
    try:
        value = Decimal(number)
    except InvalidOperation:
        return number
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}" if value.is_finite() else number


def _epoch(job: Job, progress: Progress) -> str:
    if not progress.epoch:
        return ""
    return f"epoch {progress.epoch}" + (f" of {job.epochs}" if job.epochs else "")


def _placement(placement: Placement, look: Look) -> list[Text]:
    where = _joined(
        look,
        placement.accelerator,
        placement.capacity_type,
        f"pool {placement.pool}" if placement.pool else "",
        f"within one {placement.topology_level}" if placement.topology_level else "",
    )
    return _lines([where, placement.reason])


def _cost(job: Job, look: Look) -> Text:
    if job.cost is None:
        return Text("unknown", style=CARE) if job.start_time else Text("none yet")
    text = Text(money.amount(job.cost.total), style=CARE if job.cost.total is None else "")
    text.append(f" {job.cost.currency}" if job.cost.total is not None else "")
    for part in _cost_details(job.cost):
        text.append(f"{look.dot()}{part}")
    return text


def _spent(job: Job, look: Look) -> list[Text]:
    """What it went into, and what spot has saved."""
    if job.cost is None:
        return []
    spent, currency = job.cost.spent, job.cost.currency
    parts = look.dot().join(
        f"{name} {money.amount(amount)}" for name, amount in spent.parts.items()
    )
    return _lines([parts, "" if spent.saved is None else spot_sentence(spent, currency)])


def spot_sentence(spent: Spent, currency: str) -> str:
    """`spot saved 0.0019 USD net, of 0.0066 USD on demand`, or what it has cost more."""
    saved = spent.saved or Decimal(0)
    verb = "saved" if saved >= 0 else "has cost more:"
    sentence = f"spot {verb} {money.amount(abs(saved))} {currency} net"
    if spent.on_demand is not None:
        sentence += f", of {money.amount(spent.on_demand)} {currency} on demand"
    return sentence


def _cost_details(cost: Cost) -> Iterable[str]:
    if cost.rate_per_hour:
        yield f"{money.amount(cost.rate_per_hour)} {cost.currency}/h now"
        if cost.spent.forecast is not None:
            yield f"{money.amount(cost.spent.forecast)} {cost.currency} at its end"
    if cost.unpriced_seconds:
        yield f"{span(cost.unpriced_seconds)} on nodes without a price"
    if cost.price_source != "Unknown":
        yield f"prices: {cost.price_source}"


def _restarts(job: Job) -> Text:
    plural = "" if job.interruptions == 1 else "s"
    own = f" ({job.interruptions} interruption{plural})" if job.interruptions else ""
    return Text(f"{job.restarts}{own}")


def _joined(look: Look, *parts: str) -> str:
    return look.dot().join(part for part in parts if part)


def _lines(texts: Iterable[str]) -> list[Text]:
    return [Text(text) for text in texts if text]
