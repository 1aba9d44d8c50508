"""Every metric that the operator exports: one table for the code and the reference page."""

from quartermaster.metrics import capacity, jobs, money, process
from quartermaster.metrics.metric import PREFIX, Kind, Metric

__all__ = ["GROUPS", "PREFIX", "TABLE", "Kind", "Metric"]

GROUPS = {
    "Jobs and queues": jobs.TABLE,
    "Money": money.TABLE,
    "Capacity and placement": capacity.TABLE,
    "The operator": process.TABLE,
}
"""By what they are about, in the order of the reference page."""
TABLE = tuple(metric for group in GROUPS.values() for metric in group)
"""All of them."""
