"""What is paid for nothing."""

from dashboards.board import Board, Section, any_namespace
from dashboards.look import USEFUL_SHARE, WASTED_SHARE
from dashboards.panels import COUNT, SHARE, USD, Column, Line, areas, bars, lines, number, rows
from dashboards.promql import (
    HOURS_PER_MONTH,
    NAMESPACES,
    else_none,
    integral,
    of_jobs,
    parts,
    ratio,
    series,
)

_IDLE_SERIES = series("cost_usd_per_hour", kind="Idle")
_IDLE = f"sum({_IDLE_SERIES}) or vector(0)"
_ALL = f"sum({series('cost_usd_per_hour')})"
_PARTS = series("job_part_usd", NAMESPACES)
_USEFUL = series("job_part_usd", NAMESPACES, part="Useful")
_COST = series("job_cost_usd", NAMESPACES)
_NOT_USEFUL = 'part!="Useful"'
_WASTED = f"{of_jobs(_COST)} - {of_jobs(_USEFUL)}"


def _part(name: str) -> str:
    part = of_jobs(series("job_part_usd", NAMESPACES, f'part="{name}"'))
    return else_none(part, NAMESPACES)


_IDLE_NODES = (
    number(
        "Idle USD per hour now",
        _IDLE,
        USD,
        "Nodes, or parts of nodes, that are paid for and held by nobody: remove them or use them.",
    ),
    number(
        "Idle USD a month",
        f"({_IDLE}) * {HOURS_PER_MONTH}",
        USD,
        "What a month of the idle nodes of now costs: what removing them would save.",
    ),
    number(
        "Idle USD in this range",
        integral(_IDLE),
        USD,
        "What was paid for nothing in the range shown, as far as it was scraped.",
    ),
    number(
        "Idle share of spend",
        ratio(_IDLE, _ALL),
        SHARE,
        "From 20 % on, smaller pools or an autoscaler pay off; from 40 % on, at once.",
        steps=WASTED_SHARE,
    ),
    number(
        "GPUs that nobody holds",
        f"sum({series('pool_gpus')}) - sum({series('pool_gpus_used')})",
        COUNT,
        "Free GPUs of ready nodes: if jobs wait nevertheless, the dashboard on capacity says why.",
    ),
    number(
        "Not useful, of jobs' cost",
        ratio(f"sum({_WASTED})", f"sum({_COST})"),
        SHARE,
        "What of the jobs' money bought no step that counts: the parts are below.",
        steps=WASTED_SHARE,
    ),
)
_TIME = (
    areas(
        "Idle USD per hour by pool",
        [Line(f"sum by (pool, capacity_type) ({_IDLE_SERIES})", "{{pool}} {{capacity_type}}")],
        USD,
        "Which pool is too large; idle nodes on demand are the first to let go.",
    ),
    lines(
        "GPUs that are there and that are held",
        [
            Line(f"sum({series('pool_gpus')})", "there"),
            Line(f"sum({series('pool_gpus_used')})", "held"),
        ],
        COUNT,
        "The gap is paid for and free: a gap that stays is a pool that can shrink.",
    ),
    lines(
        "GPUs that are held and that compute",
        [
            Line(f"sum({series('job_gpus', NAMESPACES)})", "held by jobs"),
            Line(
                f"sum({of_jobs(series('job_gpus', NAMESPACES))}"
                f" * {of_jobs(series('job_gpu_busy_ratio', NAMESPACES))})",
                "busy by their own counters",
            ),
        ],
        COUNT,
        "Held and not busy is waste that no bill shows; the counters need DCGM or NVML.",
    ),
    areas(
        "USD of jobs that bought no step that counts",
        [Line(f"sum by (part) ({series('job_part_usd', NAMESPACES, _NOT_USEFUL)})",
              "{{part}}")],
        USD,
        "Of the jobs that there are now, added up since each began: what grows fast is the cause.",
    ),
)  # fmt: skip
_JOBS = (
    bars(
        "What the jobs' money went into",
        Line(f"sum by (part) ({_PARTS})", "{{part}}"),
        USD,
        "Of the jobs that there are: Rework wants more saves, GangWait faster starts, Other a look "
        "at how long images and data take.",
    ),
    bars(
        "And of what ended in this range",
        Line(parts("part", NAMESPACES), "{{part}}"),
        USD,
        "From the ledger, jobs that are gone among them: whether last week's waste was of the same "
        "kind.",
    ),
    bars(
        "Useful share by namespace",
        Line(
            f"sum by (namespace) ({_USEFUL}) / (sum by (namespace) ({_COST}) > 0)",
            "{{namespace}}",
        ),
        SHARE,
        "Goodput in money: whose jobs turn least of it into steps, and so whom to talk to first.",
        steps=USEFUL_SHARE,
    ),
    rows(
        "Jobs that waste most",
        ("namespace", "job"),
        (
            Column("Not useful", f"topk(20, {_WASTED})", USD),
            Column("Cost", of_jobs(_COST), USD),
            Column(
                "Useful",
                of_jobs(series("job_goodput_ratio", NAMESPACES)),
                SHARE,
                USEFUL_SHARE,
                gauge=True,
            ),
            Column("Rework", _part("Rework"), USD),
            Column("Recovery", _part("Recovery"), USD),
            Column("Saving", _part("Checkpoint"), USD),
            Column("Gang wait", _part("GangWait"), USD),
            Column("Other", _part("Other"), USD),
        ),
        "Where to begin: much rework, save more often; much recovery or gang wait, larger or "
        "fewer nodes; much else, look at its start.",
        height=9,
    ),
)

WASTE = Board(
    name="waste",
    title="Waste and idle",
    question="What do we pay for nothing?",
    sections=(
        Section("Paid and idle", _IDLE_NODES),
        Section("Over time", _TIME),
        Section("Jobs", _JOBS),
    ),
    variables=(any_namespace("job_cost_usd", "cost_usd_per_hour"),),
)
