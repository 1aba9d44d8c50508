"""Which collectors there are, and what they read."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector, CollectorRegistry
from typing_extensions import override

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.metrics.capacity import CapacityCollector
from quartermaster.adapters.metrics.costs import CostCollector, Ledger, LedgerCollector, Occupancy
from quartermaster.adapters.metrics.jobs import JobCollector
from quartermaster.adapters.metrics.prices import PriceCollector
from quartermaster.adapters.metrics.queues import BudgetCollector, QueueCollector
from quartermaster.adapters.view import ClusterView
from quartermaster.api.record import JobRecord


@dataclass(frozen=True, slots=True)
class Sources:
    """What is read when somebody scrapes."""

    view: ClusterView
    occupancy: Occupancy
    ledger: Ledger | None
    """None where none is kept."""
    clock: Clock
    size: Callable[[JobRecord], int]
    """How many workers a job's gang has [count]."""
    max_jobs: int
    """So many jobs have series of their own [count]."""


class WhileKnown(Collector):
    """Collectors that are silent until the caches are filled: half a cluster is a wrong one.

    A standby never fills them, so of two replicas one tells of the cluster.
    """

    def __init__(self, collectors: Iterable[Collector], known: Callable[[], bool]) -> None:
        self._collectors = tuple(collectors)
        self._known = known

    @override
    def collect(self) -> Iterator[Family]:
        """All series of all of them, now; none while nothing is known."""
        if self._known():
            for collector in self._collectors:
                yield from collector.collect()


def register(registry: CollectorRegistry, sources: Sources, known: Callable[[], bool]) -> None:
    """Have everything collected that the cluster and the ledger tell.

    Args:
        registry: What is scraped.
        sources: What is read.
        known: Whether the caches are filled.
    """
    view, clock = sources.view, sources.clock
    collectors: list[Collector] = [
        JobCollector(view, sources.size, clock, sources.max_jobs),
        QueueCollector(view.queue_records),
        BudgetCollector(view.budgets),
        CapacityCollector(view.snapshot),
        PriceCollector(view.snapshot, view.book, clock.now),
        CostCollector(sources.occupancy, clock),
    ]
    registry.register(WhileKnown(collectors, known))
    if sources.ledger is not None:
        registry.register(LedgerCollector(sources.ledger))
