"""Nodes as metrics: how many there are, and what of their GPUs is free."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster.adapters.metrics.families import gauge
from quartermaster.domain.cluster import Node, Snapshot
from quartermaster.metrics import capacity

READY, UNREADY = "ready", "unready"


class CapacityCollector(Collector):
    """Series that are read off the nodes when they are scraped."""

    def __init__(self, snapshot: Callable[[], Snapshot]) -> None:
        self._snapshot = snapshot

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        cluster = self._snapshot()
        yield _nodes(cluster)
        yield from _gpus(cluster)
        yield _largest_free(cluster)
        overcommitted = gauge(capacity.OVERCOMMITTED)
        overcommitted.add_metric([], sum(1 for node in cluster.nodes if is_overcommitted(node)))
        yield overcommitted


def is_overcommitted(node: Node) -> bool:
    """Whether pods hold more GPUs of a node, or more parts of them, than it has."""
    free = node.free
    return free.gpus < 0 or any(count < 0 for _, count in free.parts)


def _nodes(cluster: Snapshot) -> Family:
    counts: Counter[tuple[str, str, str]] = Counter()
    for node in cluster.nodes:
        where = cluster.pool_of(node).name, node.capacity.value
        # A pool of which all nodes are ready has no unready one: that is known, and a zero.
        counts.update({(*where, READY): node.ready, (*where, UNREADY): not node.ready})
    family = gauge(capacity.POOL_NODES)
    for labels, count in sorted(counts.items()):
        family.add_metric(labels, count)
    return family


def _gpus(cluster: Snapshot) -> Iterator[Family]:
    gpus, used = gauge(capacity.POOL_GPUS), gauge(capacity.POOL_GPUS_USED)
    for labels, (_, total, held) in sorted(cluster.usage().items()):
        if total:
            gpus.add_metric(labels, total)
            used.add_metric(labels, held)
    yield gpus
    yield used


def _largest_free(cluster: Snapshot) -> Family:
    """Of nodes that take pods: what is free on others is free for nobody."""
    most: dict[tuple[str, str], int] = {}
    for node in cluster.nodes:
        if node.allocatable.gpus and node.ready:
            where = cluster.pool_of(node).name, node.accelerator
            takes_pods = not node.cordoned and node.reclaim is None
            free = max(0, node.free.gpus) if takes_pods else 0
            most[where] = max(most.get(where, 0), free)
    family = gauge(capacity.LARGEST_FREE)
    for labels, count in sorted(most.items()):
        family.add_metric(labels, count)
    return family
