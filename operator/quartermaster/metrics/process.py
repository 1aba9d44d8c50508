"""Metrics of the operator itself.

Beside them there are `process_*`, those of every program: memory, CPU time, open files.
"""

from quartermaster.metrics.metric import SECONDS, Kind, Metric

LEADER = Metric("leader", Kind.GAUGE, "1 while this operator holds the lease.")
BUILD = Metric("build_info", Kind.GAUGE, "1; the version of the operator.", ("version",))
RECONCILE_SECONDS = Metric(
    "reconcile_seconds", Kind.HISTOGRAM, "Time of one pass over one job.", ("outcome",), SECONDS
)
QUEUE_DEPTH = Metric("work_queue_depth", Kind.GAUGE, "Jobs that are to be looked at now.")
WATCH_UP = Metric("watch_up", Kind.GAUGE, "1 while a resource is watched.", ("resource",))
WATCH_LAST_EVENT = Metric(
    "watch_last_event_timestamp_seconds",
    Kind.GAUGE,
    "When the newest change of a resource came, or its newest list, since 1970.",
    ("resource",),
)
API_WRITES = Metric(
    "api_writes_total", Kind.COUNTER, "Writes sent to the API server.", ("verb", "resource")
)
API_ERRORS = Metric(
    "api_errors_total",
    Kind.COUNTER,
    "Requests that the API server refused, by HTTP status; none: it did not answer.",
    ("code",),
)
PROGRESS_REPORTS = Metric(
    "progress_reports_total", Kind.COUNTER, "Progress reports by HTTP status.", ("status",)
)

TABLE = (
    LEADER, BUILD, RECONCILE_SECONDS, QUEUE_DEPTH, WATCH_UP, WATCH_LAST_EVENT, API_WRITES,
    API_ERRORS, PROGRESS_REPORTS,
)  # fmt: skip
