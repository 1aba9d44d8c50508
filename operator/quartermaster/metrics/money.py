"""Metrics of money: what nodes cost and who pays it, prices, budgets, the ledger."""

from quartermaster.metrics.metric import Kind, Metric

PLACE = ("kind", "namespace", "pool", "gpu_model", "capacity_type")
"""Who pays and for what. Kinds are Job, Service, System and Idle; the last has no namespace."""
_BUDGET = ("namespace", "budget")

COST_RATE = Metric(
    "cost_usd_per_hour",
    Kind.GAUGE,
    "Who pays how much an hour of the nodes that there are; it adds up to their price.",
    PLACE,
)
OVERCHARGED = Metric(
    "overcharged_usd_per_hour",
    Kind.GAUGE,
    "What pods have agreed to pay beyond the price of their nodes; 0 when the books agree.",
)
COST_TOTAL = Metric("cost_usd_total", Kind.COUNTER, "What the ledger has, in USD.", PLACE)
ON_DEMAND_TOTAL = Metric(
    "on_demand_usd_total",
    Kind.COUNTER,
    "What the same time would have cost on demand, in USD; where unknown, what it cost.",
    PLACE,
)
GPU_SECONDS = Metric("gpu_seconds_total", Kind.COUNTER, "GPU time that the ledger has.", PLACE)
PARTS_TOTAL = Metric(
    "cost_parts_usd_total",
    Kind.COUNTER,
    "What the jobs' money in the ledger went into, in USD.",
    ("namespace", "part"),
)
LEDGER_UP = Metric(
    "ledger_up",
    Kind.GAUGE,
    "1 while the last attempt at the ledger succeeded; absent where there is none.",
)
PRICE_AGE = Metric(
    "price_age_seconds",
    Kind.GAUGE,
    "Since the newest day of a list's prices of a provider: catalogue, or the price-list of yours.",
    ("source", "provider"),
)
PRICED_NODES = Metric(
    "priced_nodes", Kind.GAUGE, "Nodes by who says their price; unknown: nobody.", ("source",)
)
NODE_PRICE = Metric(
    "node_price_usd_per_hour",
    Kind.GAUGE,
    "Price of the dearest node of a machine type, region and capacity type, in USD.",
    ("instance_type", "region", "capacity_type"),
)
NODE_ON_DEMAND_PRICE = Metric(
    "node_on_demand_price_usd_per_hour",
    Kind.GAUGE,
    "What the machine types that there are cost on demand, where that is known, in USD.",
    ("instance_type", "region"),
)
PRICE_READS = Metric(
    "price_list_reads_total", Kind.COUNTER, "Attempts at your price list: read or failed.",
    ("result",),
)  # fmt: skip
BUDGET_AMOUNT = Metric("budget_amount_usd", Kind.GAUGE, "Amount of a Budget, in USD.", _BUDGET)
BUDGET_SPENT = Metric(
    "budget_spent_usd", Kind.GAUGE, "Spent in a Budget's period so far, in USD.", _BUDGET
)
BUDGET_FORECAST = Metric(
    "budget_forecast_usd",
    Kind.GAUGE,
    "Spent at the period's end if what runs now goes on as it does, in USD.",
    _BUDGET,
)
BUDGET_COMMITMENT = Metric(
    "budget_commitment_usd",
    Kind.GAUGE,
    "Spent at the period's end at the worst: each running job until its deadline, in USD.",
    _BUDGET,
)
BUDGET_JOBS = Metric("budget_jobs", Kind.GAUGE, "Jobs of a Budget that hold nodes.", _BUDGET)

TABLE = (
    COST_RATE, OVERCHARGED, COST_TOTAL, ON_DEMAND_TOTAL, GPU_SECONDS, PARTS_TOTAL, LEDGER_UP,
    PRICE_AGE, PRICED_NODES, NODE_PRICE, NODE_ON_DEMAND_PRICE, PRICE_READS,
    BUDGET_AMOUNT, BUDGET_SPENT, BUDGET_FORECAST, BUDGET_COMMITMENT, BUDGET_JOBS,
)  # fmt: skip
