"""Every metric that the operator exports: one table for the code and the reference page."""

from dataclasses import dataclass
from enum import StrEnum

PREFIX = "quartermaster_"


class Kind(StrEnum):
    """How a metric moves."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_JOB = ("namespace", "job")

DECISION_SECONDS = Metric(
    "placement_decision_seconds",
    Kind.HISTOGRAM,
    "Time to decide on one gang.",
    ("answer",),
    _SECONDS,
)
GANG_PLACED_SECONDS = Metric(
    "gang_placed_seconds",
    Kind.HISTOGRAM,
    "From a job's creation until the gates of its gang were removed.",
    (),
    (*_SECONDS, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)
PREEMPTIONS = Metric(
    "preemptions_total",
    Kind.COUNTER,
    "Jobs that were stopped for others, by reason: Priority or Reclaim.",
    ("reason",),
)
RESIZES = Metric(
    "resizes_total",
    Kind.COUNTER,
    "Jobs that were given other workers: grows, shrinks, or moves to other nodes.",
    ("direction",),
)
RECONCILE_SECONDS = Metric(
    "reconcile_seconds", Kind.HISTOGRAM, "Time of one pass over one job.", ("outcome",), _SECONDS
)
API_WRITES = Metric(
    "api_writes_total", Kind.COUNTER, "Writes sent to the API server.", ("verb", "resource")
)
PROGRESS_REPORTS = Metric(
    "progress_reports_total", Kind.COUNTER, "Progress reports by HTTP status.", ("status",)
)
LEADER = Metric("leader", Kind.GAUGE, "1 while this operator holds the lease.")
JOBS = Metric("jobs", Kind.GAUGE, "TrainingJobs by state.", ("state",))
JOB_COST = Metric("job_cost_usd", Kind.GAUGE, "Cost of a job so far, in USD.", _JOB)
JOB_RATE = Metric("job_cost_usd_per_hour", Kind.GAUGE, "What a job costs an hour now.", _JOB)
JOB_PROGRESS = Metric("job_progress_ratio", Kind.GAUGE, "Share of a job's steps done.", _JOB)
JOB_RESTARTS = Metric(
    "job_worker_restarts", Kind.GAUGE, "Workers of a job that ended without success.", _JOB
)
JOB_STEP_SECONDS = Metric(
    "job_step_seconds", Kind.GAUGE, "Time of one step of a job that is not over.", _JOB
)
JOB_STEP_FRACTION = Metric(
    "job_step_fraction",
    Kind.GAUGE,
    "Shares of a step of a job that is not over: compute, communication, data_wait.",
    (*_JOB, "part"),
)
JOB_UNPRICED = Metric(
    "job_unpriced_seconds", Kind.GAUGE, "Pod time of a job on nodes of unknown price.", _JOB
)
NODE_GPUS = Metric(
    "pool_gpus", Kind.GAUGE, "GPUs of ready nodes by pool and model.", ("pool", "accelerator")
)
NODE_GPUS_USED = Metric(
    "pool_gpus_used", Kind.GAUGE, "GPUs that pods hold, by pool and model.", ("pool", "accelerator")
)
_QUEUE = ("queue",)
QUEUE_PENDING = Metric("queue_pending_jobs", Kind.GAUGE, "Jobs that wait in a queue.", _QUEUE)
QUEUE_ADMITTED = Metric("queue_admitted_jobs", Kind.GAUGE, "Jobs that hold nodes.", _QUEUE)
QUEUE_SHARE = Metric(
    "queue_fair_share_ratio",
    Kind.GAUGE,
    "Used part of the cluster's GPUs by value, over the queue's weight.",
    _QUEUE,
)
QUEUE_GPUS = Metric(
    "queue_gpus_used",
    Kind.GAUGE,
    "GPUs that a queue and those below it hold.",
    ("queue", "accelerator"),
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
PRICE_READS = Metric(
    "price_list_reads_total", Kind.COUNTER, "Attempts at your price list: read or failed.",
    ("result",),
)  # fmt: skip
LEDGER_REBUILT = Metric(
    "ledger_rebuilt_jobs_total",
    Kind.COUNTER,
    "Jobs whose books a ledger got back from their statuses: it is new, or another one was lost.",
)

TABLE = (
    DECISION_SECONDS, GANG_PLACED_SECONDS, PREEMPTIONS, RESIZES, RECONCILE_SECONDS, API_WRITES,
    PROGRESS_REPORTS, LEADER, JOBS, JOB_COST, JOB_RATE, JOB_PROGRESS, JOB_RESTARTS, JOB_UNPRICED,
    JOB_STEP_SECONDS, JOB_STEP_FRACTION, NODE_GPUS, NODE_GPUS_USED,
    QUEUE_PENDING, QUEUE_ADMITTED, QUEUE_SHARE, QUEUE_GPUS,
    PRICE_AGE, PRICED_NODES, NODE_PRICE, PRICE_READS, LEDGER_REBUILT,
)  # fmt: skip
"""All of them, in the order of the reference page."""
