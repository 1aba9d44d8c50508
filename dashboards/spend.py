"""What is spent, where, and whether it goes up."""

from dashboards.board import Board, Section, any_namespace
from dashboards.look import BAD, DOUBTFUL, MUST_BE_ZERO, WASTED_SHARE
from dashboards.panels import (
    COUNT,
    SECONDS,
    SHARE,
    USD,
    Column,
    Line,
    areas,
    bars,
    number,
    rows,
    yes_or_no,
)
from dashboards.promql import (
    HOURS_PER_MONTH,
    NAMESPACES,
    integral,
    ledger,
    of_jobs,
    ratio,
    series,
    without_blank,
)

_RATE = series("cost_usd_per_hour", NAMESPACES)
_NOW = f"sum({_RATE})"
_IDLE = f"sum({series('cost_usd_per_hour', NAMESPACES, kind='Idle')}) or vector(0)"
_NAMED = 'namespace!=""'
"""Idle nodes have no namespace."""
_DAY = 86_400.0


def _by(label: str) -> list[Line]:
    found = without_blank(f"sum by ({label}) ({_RATE})", label)
    return [Line(found, f"{{{{{label}}}}}")]


_NUMBERS = (
    number(
        "Spend per hour now",
        _NOW,
        USD,
        "What all nodes with a known price cost an hour; where it surprises, look below for who.",
    ),
    number(
        "A month at this rate",
        f"{_NOW} * {HOURS_PER_MONTH}",
        USD,
        "730 hours of what is spent now: hold it against what you meant to spend in a month.",
    ),
    number(
        "Spent in this range",
        integral(_NOW),
        USD,
        "The rate added up over the range shown, as far as it was scraped; the ledger is exact.",
    ),
    number(
        "Last hour beside this range",
        f"avg_over_time(({_NOW})[1h:1m]) / avg_over_time(({_NOW})[$__range:$__interval]) - 1",
        SHARE,
        "Above zero, spending goes up: the tables below say which pool or job is new.",
        steps=((0.3, DOUBTFUL), (1.0, BAD)),
    ),
    number(
        "Idle share of spend",
        ratio(_IDLE, _NOW),
        SHARE,
        "What part of the money buys nothing: from 20 % on, open the dashboard on waste.",
        steps=WASTED_SHARE,
    ),
    number(
        "Nodes of unknown price",
        f"sum({series('priced_nodes', source='unknown')}) or vector(0)",
        COUNT,
        "These nodes are in no sum here: give them a price in a ComputePool or a price list.",
        steps=MUST_BE_ZERO,
    ),
)
_OVER_TIME = (
    areas(
        "USD per hour by who pays",
        _by("kind"),
        USD,
        "Jobs, services, the system and idle nodes together are the price of all nodes.",
    ),
    areas(
        "USD per hour by capacity type",
        _by("capacity_type"),
        USD,
        "How much of the money goes to spot: what runs on demand for long is worth a look.",
    ),
    areas(
        "USD per hour by GPU model",
        _by("gpu_model"),
        USD,
        "Which GPUs the money rents; none is nodes without GPUs.",
        span=8,
    ),
    areas(
        "USD per hour by pool",
        _by("pool"),
        USD,
        "Which pool grows; a pool that nobody ordered was made by an autoscaler.",
        span=8,
    ),
    areas(
        "USD per hour by namespace",
        [Line(f"sum by (namespace) ({series('cost_usd_per_hour', NAMESPACES, _NAMED)})",
              "{{namespace}}")],
        USD,
        "Which team spends; whom idle nodes belong to is not known, so they are not here.",
        span=8,
    ),
)  # fmt: skip
_WHO = (
    rows(
        "The ten dearest jobs",
        ("namespace", "job"),
        (
            Column("Cost", f"topk(10, {of_jobs(series('job_cost_usd', NAMESPACES))})", USD),
            Column("Per hour", of_jobs(series("job_cost_usd_per_hour", NAMESPACES)), USD),
            Column("At its end", of_jobs(series("job_forecast_usd", NAMESPACES)), USD),
            Column(
                "Useful",
                of_jobs(series("job_goodput_ratio", NAMESPACES)),
                SHARE,
                gauge=True,
            ),
        ),
        "Jobs that there are, by what they cost so far: follow the name to what each spent it on.",
        span=16,
    ),
    bars(
        "In the ledger, by who paid",
        Line(ledger("kind", "cost_usd_total", NAMESPACES), "{{kind}}"),
        USD,
        "All that the ledger has, to the cent, with jobs that are gone: it is what you can export.",
    ),
)
_BOOKS = (
    number(
        "Paid beyond the nodes' price",
        f"max({series('overcharged_usd_per_hour')})",
        USD,
        "Must be zero: else pods have agreed to pay more than their nodes cost, and sums are off.",
        steps=MUST_BE_ZERO,
        span=8,
    ),
    yes_or_no(
        "Ledger reachable",
        f"max({series('ledger_up')})",
        "Whether costs are kept: if not, look at the operator's log and the database.",
        span=8,
    ),
    number(
        "Age of the oldest price list",
        f"max({series('price_age_seconds')})",
        SECONDS,
        "Prices change: from half a year on, run a newer version or give a list of yours.",
        steps=((90 * _DAY, DOUBTFUL), (180 * _DAY, BAD)),
        span=8,
    ),
)

SPEND = Board(
    name="spend",
    title="Spend",
    question="What do we spend, where, and does it go up?",
    sections=(
        Section("Now", _NUMBERS),
        Section("Over time", _OVER_TIME),
        Section("Who", _WHO),
        Section("Can the numbers be trusted?", _BOOKS),
    ),
    variables=(any_namespace("cost_usd_per_hour"),),
)
