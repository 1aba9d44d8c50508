"""Metrics of TrainingJobs and of the queues they wait in.

Those of single jobs are of jobs that there are: a job that is deleted leaves no series behind.
"""

from quartermaster.metrics.metric import Kind, Metric

_JOB = ("namespace", "job")
_QUEUE = ("queue",)

COUNT = Metric("jobs", Kind.GAUGE, "TrainingJobs by state.", ("state",))
INFO = Metric(
    "job_info",
    Kind.GAUGE,
    "1 for each job that is not over: its queue and state, where it is and what bounds its steps.",
    (*_JOB, "queue", "state", "gpu_model", "capacity_type", "pool", "bound"),
)
COST = Metric("job_cost_usd", Kind.GAUGE, "Cost of a job so far, in USD.", _JOB)
RATE = Metric("job_cost_usd_per_hour", Kind.GAUGE, "What a job costs an hour now.", _JOB)
PART = Metric(
    "job_part_usd",
    Kind.GAUGE,
    "What a job's money went into: Useful, Rework, Recovery, Checkpoint, GangWait, Idle, Other.",
    (*_JOB, "part"),
)
ON_DEMAND = Metric(
    "job_on_demand_usd",
    Kind.GAUGE,
    "What a job's work would have cost on demand, undisturbed, in USD.",
    _JOB,
)
NET_SPOT_SAVINGS = Metric(
    "job_net_spot_savings_usd",
    Kind.GAUGE,
    "That less the job's cost: below zero where spot did not pay.",
    _JOB,
)
FORECAST = Metric(
    "job_forecast_usd", Kind.GAUGE, "What a job will have cost at its end, in USD.", _JOB
)
GOODPUT = Metric("job_goodput_ratio", Kind.GAUGE, "Useful part of a job's cost.", _JOB)
PROGRESS = Metric("job_progress_ratio", Kind.GAUGE, "Share of a job's steps done.", _JOB)
RESTARTS = Metric(
    "job_worker_restarts",
    Kind.GAUGE,
    "Workers of a job that ended without success, once there was one.",
    _JOB,
)
INTERRUPTIONS = Metric(
    "job_interruptions",
    Kind.GAUGE,
    "Workers of a job that Kubernetes, a lost node or a preemption ended, once there was one.",
    _JOB,
)
UNPRICED = Metric(
    "job_unpriced_seconds",
    Kind.GAUGE,
    "Pod time of a job on nodes of unknown price, once there was any.",
    _JOB,
)
GPUS = Metric("job_gpus", Kind.GAUGE, "GPUs that a job holds now; parts are fractions.", _JOB)
GPU_BUSY = Metric(
    "job_gpu_busy_ratio",
    Kind.GAUGE,
    "Busy part of a job's GPUs by their own counters, where there are any.",
    _JOB,
)
WORKERS = Metric(
    "job_workers",
    Kind.GAUGE,
    "Workers of a job that is not over: wanted; bound to a node, or through; running.",
    (*_JOB, "state"),
)
WAITING_SECONDS = Metric(
    "job_waiting_seconds",
    Kind.GAUGE,
    "How long a job has had no place, and why it has none.",
    (*_JOB, "reason"),
)
STEP_SECONDS = Metric(
    "job_step_seconds", Kind.GAUGE, "Time of one step of a job that is not over.", _JOB
)
STEP_FRACTION = Metric(
    "job_step_fraction",
    Kind.GAUGE,
    "Shares of a step of a job that is not over: compute, communication, data_wait.",
    (*_JOB, "part"),
)
WITHOUT_SERIES = Metric(
    "jobs_without_series",
    Kind.GAUGE,
    "Jobs beyond monitoring.maxJobSeries: those that are over, and the cheapest, have no series.",
)
WAITING = Metric("waiting_jobs", Kind.GAUGE, "Jobs without a place, by why.", ("queue", "reason"))
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

TABLE = (
    COUNT, INFO, COST, RATE, PART, ON_DEMAND, NET_SPOT_SAVINGS, FORECAST, GOODPUT, PROGRESS,
    RESTARTS, INTERRUPTIONS, UNPRICED, GPUS, GPU_BUSY, WORKERS, WAITING_SECONDS, STEP_SECONDS,
    STEP_FRACTION, WITHOUT_SERIES, WAITING, QUEUE_PENDING, QUEUE_ADMITTED, QUEUE_SHARE, QUEUE_GPUS,
)  # fmt: skip
