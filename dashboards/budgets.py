"""Who comes near a limit, and what each team has had."""

from dashboards.board import Board, Section, any_namespace
from dashboards.look import BAD, DOUBTFUL, USED_SHARE, USEFUL_SHARE
from dashboards.panels import COUNT, SHARE, USD, Column, Line, areas, bars, lines, number, rows
from dashboards.promql import NAMESPACES, integral, ledger, series

_BUDGET = ("namespace", "budget")
_JOBS = 'kind="Job"'


def _of(name: str) -> str:
    return f"max by (namespace, budget) ({series(name, NAMESPACES)})"


def _used(name: str) -> str:
    return f"{_of(name)} / ({_of('budget_amount_usd')} > 0)"


def _count(share: str, least: float) -> str:
    return f"count({share} >= {least}) or count({share}) * 0"


_BY_TEAM = f"sum by (namespace) ({series('cost_usd_per_hour', NAMESPACES, _JOBS)})"
_GPUS = f"sum by (namespace) ({series('job_gpus', NAMESPACES)})"

_NUMBERS = (
    number(
        "Budgets that are spent",
        _count(_used("budget_spent_usd"), 1.0),
        COUNT,
        "At 100 % or beyond: they block new jobs or stop running ones, as each one says.",
        steps=((1.0, BAD),),
        span=6,
    ),
    number(
        "Budgets that will be",
        _count(_used("budget_forecast_usd"), 1.0),
        COUNT,
        "Beyond their amount at the period's end, as things go: raise them or stop something.",
        steps=((1.0, DOUBTFUL),),
        span=6,
    ),
    number(
        "Spent of all Budgets",
        f"sum({_of('budget_spent_usd')})",
        USD,
        "In their periods so far; a job that two Budgets count is in it twice.",
        span=6,
    ),
    number(
        "Committed at the worst",
        f"sum({_of('budget_commitment_usd')})",
        USD,
        "If every running job goes on until its deadline: what you have signed for already.",
        span=6,
    ),
)
_LIMITS = (
    rows(
        "Budgets",
        _BUDGET,
        (
            Column("Used", _used("budget_spent_usd"), SHARE, USED_SHARE, gauge=True),
            Column("Spent", _of("budget_spent_usd"), USD),
            Column("Amount", _of("budget_amount_usd"), USD),
            Column("At the period's end", _of("budget_forecast_usd"), USD),
            Column("At the worst", _of("budget_commitment_usd"), USD),
            Column("Jobs that run", _of("budget_jobs")),
        ),
        "The fullest above; kubectl qm budgets says which threshold acts next and how.",
    ),
    lines(
        "Used share of each Budget",
        [Line(_used("budget_spent_usd"), "{{namespace}}/{{budget}}")],
        SHARE,
        "How fast each goes: a line that will cross 100 % before its period is over needs a "
        "decision.",
    ),
    lines(
        "Forecast over amount",
        [Line(_used("budget_forecast_usd"), "{{namespace}}/{{budget}}")],
        SHARE,
        "Where each will stand at its period's end; above 100 % for a day is no accident any more.",
    ),
)
_TEAMS = (
    rows(
        "Teams in this range",
        ("namespace",),
        (
            Column("Jobs' cost", integral(_BY_TEAM), USD),
            Column("GPU hours", integral(_GPUS)),
            Column("USD per GPU hour", f"({integral(_BY_TEAM)}) / ({integral(_GPUS)} > 0)", USD),
        ),
        "What the jobs of each namespace have had in the range shown: for showback to the cent, "
        "kubectl qm cost asks the ledger.",
        span=12,
    ),
    rows(
        "Teams since the ledger began",
        ("namespace",),
        (
            Column("Jobs' cost", ledger("namespace", "cost_usd_total", NAMESPACES, _JOBS), USD),
            Column("On demand", ledger("namespace", "on_demand_usd_total", NAMESPACES, _JOBS), USD),
            Column(
                "GPU hours",
                f"{ledger('namespace', 'gpu_seconds_total', NAMESPACES, _JOBS)} / 3600",
            ),
            Column(
                "Useful",
                f"sum by (namespace) (max by (namespace, part) "
                f"({series('cost_parts_usd_total', NAMESPACES, part='Useful')})) "
                f"/ (sum by (namespace) (max by (namespace, part) "
                f"({series('cost_parts_usd_total', NAMESPACES)})) > 0)",
                SHARE,
                USEFUL_SHARE,
                gauge=True,
            ),
        ),
        "Exact, with jobs that are gone; what runs is entered when its pods end.",
        span=12,
    ),
    areas(
        "USD per hour of jobs, by team",
        [Line(_BY_TEAM, "{{namespace}}")],
        USD,
        "Who spends now, one namespace on top of the other.",
        span=16,
    ),
    bars(
        "Share of the jobs' spend now",
        Line(
            f"{_BY_TEAM} / on () group_left () (sum({_BY_TEAM}) > 0)",
            "{{namespace}}",
        ),
        SHARE,
        "Whose jobs the money of this hour goes to.",
    ),
)

BUDGETS = Board(
    name="budgets",
    title="Budgets and teams",
    question="Who comes near a limit, and what has each team had?",
    sections=(
        Section("Now", _NUMBERS),
        Section("Limits", _LIMITS),
        Section("Teams", _TEAMS),
    ),
    variables=(any_namespace("budget_amount_usd", "job_cost_usd", "cost_usd_total"),),
    since="now-7d",
)
