"""What one job cost, and why."""

from dashboards.board import Board, Section, one_job, one_namespace
from dashboards.look import PAYS, USEFUL_SHARE
from dashboards.panels import (
    COUNT,
    SECONDS,
    SHARE,
    USD,
    Column,
    Line,
    areas,
    bars,
    lines,
    number,
    rows,
)
from dashboards.panels import words as label
from dashboards.promql import ONE_JOB, of_jobs, series


def _its(name: str, *matchers: str) -> str:
    return f"max({series(name, ONE_JOB, *matchers)})"


def _by(name: str, label_name: str) -> list[Line]:
    expression = f"max by ({label_name}) ({series(name, ONE_JOB)})"
    return [Line(expression, f"{{{{{label_name}}}}}")]


_NUMBERS = (
    number(
        "Cost so far",
        _its("job_cost_usd"),
        USD,
        "What the job's pods have cost from the moment that each was bound; the status says the "
        "same.",
    ),
    number(
        "Per hour now",
        _its("job_cost_usd_per_hour"),
        USD,
        "What it costs as long as it holds what it holds now; nothing while it waits.",
    ),
    number(
        "At its end",
        f"{_its('job_forecast_usd')} or {_its('job_cost_usd')}",
        USD,
        "What it will have cost when its last step is done, if it goes on like this: set a limit "
        "with spec.budget where that is too much.",
    ),
    number(
        "Useful share of its cost",
        _its("job_goodput_ratio"),
        SHARE,
        "What part bought steps that count; below 60 %, look at what the rest went into.",
        steps=USEFUL_SHARE,
    ),
    number(
        "Saved by spot, net",
        _its("job_net_spot_savings_usd"),
        USD,
        "Against the same work on demand without interruptions: red, spot was the dearer choice.",
        steps=PAYS,
    ),
    number(
        "Steps done",
        _its("job_progress_ratio"),
        SHARE,
        "How far it is; where it stands still while money is spent, look at its logs.",
    ),
)
_NOW = (
    label(
        "State",
        f"max by (state) ({series('job_info', ONE_JOB)}) "
        f'or on () label_replace({_its("job_cost_usd")}, "state", "over", "", "")',
        "state",
        "What it does now; a job that is over has no state here, kubectl qm status tells its end.",
    ),
    number(
        "GPUs it holds",
        f"{_its('job_gpus')} or {_its('job_cost_usd')} * 0",
        COUNT,
        "GPUs, or parts of them, that it is charged for now.",
    ),
    number(
        "Interruptions",
        _its("job_interruptions"),
        COUNT,
        "Workers that a lost node, a reclaim or a preemption ended: they are not counted against "
        "it.",
    ),
    number(
        "Failures",
        f"{_its('job_worker_restarts')} or {_its('job_cost_usd')} * 0",
        COUNT,
        "Workers that ended without success by themselves: each counts, and its log says why.",
        steps=((1.0, "orange"), (3.0, "red")),
    ),
    number(
        "Waits since",
        f"{_its('job_waiting_seconds')} or {_its('job_cost_usd')} * 0",
        SECONDS,
        "How long it has been without a place; the dashboard on capacity says what is missing.",
        steps=((600.0, "orange"), (3600.0, "red")),
    ),
    number(
        "Unpriced time",
        f"{_its('job_unpriced_seconds')} or {_its('job_cost_usd')} * 0",
        SECONDS,
        "Pod time on nodes of unknown price, which is in no sum: give the nodes a price.",
        steps=((1.0, "orange"),),
    ),
)
_MONEY = (
    lines(
        "Cost",
        [
            Line(_its("job_cost_usd"), "cost so far"),
            Line(_its("job_on_demand_usd"), "the same on demand"),
            Line(_its("job_forecast_usd"), "at its end"),
        ],
        USD,
        "Where the line is flat the job held nothing; where the forecast jumps, something got "
        "slower.",
    ),
    areas(
        "What the money went into",
        _by("job_part_usd", "part"),
        USD,
        "The parts add up to the cost: what grows instead of Useful is what to mend.",
    ),
    bars(
        "What it went into so far",
        Line(f"max by (part) ({series('job_part_usd', ONE_JOB)})", "{{part}}"),
        USD,
        "The same as of now, by size: the guide on cost says what each part means.",
        span=12,
    ),
    lines(
        "Cost per hour",
        [Line(_its("job_cost_usd_per_hour"), "USD per hour")],
        USD,
        "A step up is more workers or dearer nodes, a gap is time without a place.",
    ),
)
_RUN = (
    areas(
        "State",
        _by("job_info", "state"),
        COUNT,
        "When it waited, started, ran and moved: long orange at the start is a full cluster.",
        top=1,
    ),
    lines(
        "Workers",
        _by("job_workers", "state"),
        COUNT,
        "Wanted, bound to a node, running: bound and not running for long is a slow image or a "
        "broken node.",
    ),
    lines(
        "Time of a step",
        [Line(_its("job_step_seconds"), "a step")],
        SECONDS,
        "Whether its steps get slower, as after a move to other GPUs or a slower link.",
        span=8,
    ),
    areas(
        "What a step is made of",
        _by("job_step_fraction", "part"),
        SHARE,
        "Much data_wait wants more loader workers or faster storage, much communication closer "
        "nodes.",
        top=1,
        span=8,
    ),
    lines(
        "Busy share of its GPUs",
        [Line(_its("job_gpu_busy_ratio"), "busy")],
        SHARE,
        "By the GPUs' own counters, where DCGM or NVML gives them: low and compute-bound "
        "contradict each other.",
        top=1,
        span=8,
    ),
    rows(
        "Where it is",
        ("queue", "pool", "gpu_model", "capacity_type", "bound"),
        (
            Column(
                "GPUs",
                "max by (queue, pool, gpu_model, capacity_type, bound) "
                f"({series('job_info', ONE_JOB)} * on (namespace, job) group_left () "
                f"({of_jobs(series('job_gpus', ONE_JOB))} "
                f"or {of_jobs(series('job_info', ONE_JOB))} * 0))",
            ),
        ),
        "The place that it has now and what bounds its steps there; empty when it is over.",
        height=4,
    ),
)

JOB = Board(
    name="job",
    title="Job",
    question="What did this job cost, and why?",
    sections=(
        Section("Money", _NUMBERS),
        Section("Now", _NOW),
        Section("What the money went into", _MONEY),
        Section("The run", _RUN),
    ),
    variables=(one_namespace(), one_job()),
    since="now-6h",
)
