"""Whether spot pays, after what its interruptions cost."""

from dashboards.board import Board, Section, any_namespace
from dashboards.look import PAYS
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
from dashboards.promql import (
    NAMESPACES,
    events,
    of_jobs,
    or_none,
    parts,
    quantile,
    ratio,
    series,
    with_info,
)

_SAVED = of_jobs(series("job_net_spot_savings_usd", NAMESPACES))
_ON_DEMAND = of_jobs(series("job_on_demand_usd", NAMESPACES))
_GPUS = of_jobs(series("job_gpus", NAMESPACES))
_PLACE = ("instance_type", "region")
_SPOT_PRICE = (
    f"max by (instance_type, region) ({series('node_price_usd_per_hour', capacity_type='Spot')})"
)
_LIST_PRICE = f"max by (instance_type, region) ({series('node_on_demand_price_usd_per_hour')})"
_SPOT = ('kind="Job"', 'capacity_type="Spot"', NAMESPACES)
_ON_SPOT = 'capacity_type="Spot"'


def _of_spot(name: str, **equal: str) -> str:
    jobs = of_jobs(series(name, NAMESPACES, **equal))
    return f"sum({with_info(jobs, 'capacity_type', info=_ON_SPOT)})"


_NUMBERS = (
    number(
        "Saved by spot, net",
        f"sum({_SAVED})",
        USD,
        "Price on demand of the work that counts, less what was paid: red, spot has cost money.",
        steps=PAYS,
    ),
    number(
        "Saved, of list price",
        ratio(f"sum({_SAVED})", f"sum({_ON_DEMAND})"),
        SHARE,
        "Hold it against the discount beside it: the gap is what interruptions have eaten.",
        steps=PAYS,
    ),
    number(
        "Discount on the price list",
        f"1 - avg({_SPOT_PRICE} / {_LIST_PRICE})",
        SHARE,
        "Mean discount of the spot machines that there are: what you would save if none was taken.",
    ),
    number(
        "Nodes taken away",
        f"({events('', 'reclaims_total')}) or vector(0)",
        COUNT,
        "In the range shown, while jobs were on them: where it is many, spread over more pools.",
    ),
    number(
        "Paid per useful dollar",
        ratio(_of_spot("job_cost_usd"), _of_spot("job_part_usd", part="Useful")),
        COUNT,
        "Of the jobs that are on spot now: spot pays while it is below the number beside it.",
    ),
    number(
        "Where spot stops to pay",
        f"avg({_LIST_PRICE} / {_SPOT_PRICE})",
        COUNT,
        "Price on demand over price on spot: paid per useful dollar must stay below it.",
    ),
)
_PRICES = (
    rows(
        "Spot beside on demand",
        _PLACE,
        (
            Column("Discount", f"1 - {_SPOT_PRICE} / {_LIST_PRICE}", SHARE, PAYS),
            Column("Spot", f"{_SPOT_PRICE} and {_LIST_PRICE}", USD),
            Column("On demand", f"{_LIST_PRICE} and {_SPOT_PRICE}", USD),
        ),
        "Per node and hour, for each machine type in use: where the discount is red, spot is "
        "dearer and jobs belong elsewhere.",
        span=12,
    ),
    lines(
        "Price of a node per hour",
        [
            Line(_SPOT_PRICE, "{{instance_type}} {{region}} spot"),
            Line(f"{_LIST_PRICE} and {_SPOT_PRICE}", "{{instance_type}} {{region}} on demand"),
        ],
        USD,
        "Whether spot comes near the price on demand: then it is time to move.",
    ),
)
_EVENTS = (
    bars(
        "Nodes taken away, by who said so",
        Line(
            or_none(events("reason, gpu_model", "reclaims_total"), "reason"),
            "{{reason}} {{gpu_model}}",
        ),
        COUNT,
        "In the range shown: a spot interruption is the cloud's, a consolidation your autoscaler's "
        "and can be forbidden.",
    ),
    bars(
        "What interruptions cost",
        Line(parts("part", NAMESPACES, 'part=~"Rework|Recovery"'), "{{part}}"),
        USD,
        "Lost steps and starting again, of what ended in this range: rework falls with more saves.",
    ),
    lines(
        "From a break to the next step",
        [
            Line(quantile(0.5, "recovery_seconds"), "half of them"),
            Line(quantile(0.95, "recovery_seconds"), "95 % of them"),
        ],
        SECONDS,
        "How long a gang stands still after it broke: images on the nodes and free spot make it "
        "short.",
        span=8,
    ),
    areas(
        "GPUs of jobs by capacity type",
        [
            Line(
                "sum by (capacity_type) ("
                + with_info(_GPUS, "capacity_type", info='capacity_type!=""')
                + ")",
                "{{capacity_type}}",
            )
        ],
        COUNT,
        "When spot goes away jobs move to on demand: a step from one to the other is such a move.",
    ),
    lines(
        "Price of the ledger's spot time",
        [
            Line(f"sum(max by (namespace, pool, gpu_model) "
                 f"({series('cost_usd_total', *_SPOT)}))", "paid"),
            Line(f"sum(max by (namespace, pool, gpu_model) "
                 f"({series('on_demand_usd_total', *_SPOT)}))", "on demand"),
        ],
        USD,
        "All spot time of jobs in the ledger, lost work included: the gap is what the discount is "
        "worth, before rework.",
    ),
    rows(
        "Jobs by what spot saved them",
        ("namespace", "job"),
        (
            Column("Saved", f"bottomk(20, {_SAVED})", USD, PAYS),
            Column("Cost", of_jobs(series("job_cost_usd", NAMESPACES)), USD),
            Column("On demand", _ON_DEMAND, USD),
            Column("Interruptions", of_jobs(series("job_interruptions", NAMESPACES))),
        ),
        "Whose spot did not pay: a job below zero is better off on demand, or with more saves.",
    ),
)  # fmt: skip

SPOT = Board(
    name="spot",
    title="Spot",
    question="Does spot pay, after what interruptions cost?",
    sections=(
        Section("Does it pay?", _NUMBERS),
        Section("Prices", _PRICES),
        Section("Interruptions", _EVENTS),
    ),
    variables=(any_namespace("job_cost_usd"),),
)
