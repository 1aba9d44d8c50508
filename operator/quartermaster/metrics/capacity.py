"""Metrics of nodes and of placing gangs on them."""

from quartermaster.metrics.metric import SECONDS, Kind, Metric

POOL_NODES = Metric(
    "pool_nodes",
    Kind.GAUGE,
    "Nodes by pool, capacity type, and whether they are ready.",
    ("pool", "capacity_type", "state"),
)
POOL_GPUS = Metric(
    "pool_gpus", Kind.GAUGE, "GPUs of ready nodes by pool and model.", ("pool", "accelerator")
)
POOL_GPUS_USED = Metric(
    "pool_gpus_used", Kind.GAUGE, "GPUs that pods hold, by pool and model.", ("pool", "accelerator")
)
LARGEST_FREE = Metric(
    "pool_largest_free_gpus",
    Kind.GAUGE,
    "The most GPUs that are free on one ready node.",
    ("pool", "accelerator"),
)
OVERCOMMITTED = Metric(
    "overcommitted_nodes",
    Kind.GAUGE,
    "Nodes of which pods hold more GPUs than there are; must be 0.",
)
DECISION_SECONDS = Metric(
    "placement_decision_seconds",
    Kind.HISTOGRAM,
    "Time to decide on one gang.",
    ("answer",),
    SECONDS,
)
GANG_PLACED_SECONDS = Metric(
    "gang_placed_seconds",
    Kind.HISTOGRAM,
    "From a job's creation until the gates of its gang were removed.",
    (),
    (*SECONDS, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
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
RECLAIMS = Metric(
    "reclaims_total",
    Kind.COUNTER,
    "Nodes that were announced to be taken away while jobs were on them, by who said so.",
    ("pool", "gpu_model", "reason"),
)
RECOVERY_SECONDS = Metric(
    "recovery_seconds",
    Kind.HISTOGRAM,
    "From the break of a gang to the first step of its next life.",
    (),
    (1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0),
)

TABLE = (
    POOL_NODES, POOL_GPUS, POOL_GPUS_USED, LARGEST_FREE, OVERCOMMITTED,
    DECISION_SECONDS, GANG_PLACED_SECONDS, PREEMPTIONS, RESIZES, RECLAIMS, RECOVERY_SECONDS,
)  # fmt: skip
