"""What running pods cost from now on, where the price of their nodes has changed."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.decide.cost.rates import worker_rate
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.resources import Resources
from quartermaster.domain.worker import Worker

LEAST = timedelta(hours=1)
"""A pod takes over a new price at most this often: what a price list does to it by the minute is no
price that anybody pays."""
Prices = tuple[tuple[datetime, Fraction | None], ...]


def changes(
    workers: Iterable[Worker], cluster: Snapshot, needs: Resources, now: datetime
) -> Iterator[tuple[Worker, Prices]]:
    """Pods with their later prices, the newest of which begins now.

    A price that is not known any more changes nothing: what was agreed last still stands.

    Args:
        workers: A job's pods.
        cluster: The nodes that they are on, and the pools.
        needs: What each of them holds.
        now: The time.
    """
    nodes = {node.name: node for node in cluster.nodes}
    for worker in workers:
        node = nodes.get(worker.node or "")
        if node is None or worker.bound is None or worker.settled or worker.over:
            continue
        since = worker.repriced[-1][0] if worker.repriced else None
        if since is not None and now - since < LEAST:
            continue
        rate = worker_rate(node, cluster.pool_of(node), needs)
        if rate is not None and rate != worker.usd_per_hour_now:
            yield worker, (*worker.repriced, (now, rate))
