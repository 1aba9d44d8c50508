"""Prices as metrics: how old they are, who says them, what kinds of nodes cost."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster.adapters.metrics.families import gauge
from quartermaster.decide.cost.prices import PriceBook, price_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.money.price import PriceKind
from quartermaster.metrics import money

UNKNOWN = "unknown"
Now = Callable[[], datetime]


class PriceCollector(Collector):
    """Series that are read off the nodes and the price book when they are scraped."""

    def __init__(
        self, snapshot: Callable[[], Snapshot], book: Callable[[], PriceBook], now: Now
    ) -> None:
        self._snapshot = snapshot
        self._book = book
        self._now = now

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        yield self._ages()
        yield from self._nodes()

    def _ages(self) -> Family:
        """Counted from the beginning of the day: a price of today is some hours old."""
        ages, now = gauge(money.PRICE_AGE), self._now()
        for kind, prices in self._book().lists:
            for provider, day in sorted(prices.newest().items()):
                age = now - datetime.combine(day, time(), UTC)
                ages.add_metric([kind, provider or UNKNOWN], max(0.0, age.total_seconds()))
        return ages

    def _nodes(self) -> Iterator[Family]:
        cluster = self._snapshot()
        counts: Counter[str] = Counter({kind.value: 0 for kind in PriceKind} | {UNKNOWN: 0})
        dearest: dict[tuple[str, str, str], float] = {}
        listed: dict[tuple[str, str], float] = {}
        for node in cluster.nodes:
            price = price_of(node, cluster.pool_of(node))
            counts[UNKNOWN if price is None else price.kind] += 1
            machine = node.instance_type, node.region
            if price is not None:
                key = *machine, node.capacity.value
                dearest[key] = max(dearest.get(key, 0.0), float(price.usd_per_hour))
            on_demand = node.on_demand_usd_per_hour
            if price is not None and price.on_demand_usd_per_hour is not None:
                on_demand = price.on_demand_usd_per_hour
            if on_demand is not None:
                listed[machine] = max(listed.get(machine, 0.0), float(on_demand))
        nodes, rates = gauge(money.PRICED_NODES), gauge(money.NODE_PRICE)
        on_demand_rates = gauge(money.NODE_ON_DEMAND_PRICE)
        for source, count in counts.items():
            nodes.add_metric([source], count)
        for labels, rate in sorted(dearest.items()):
            rates.add_metric(labels, rate)
        for machine, rate in sorted(listed.items()):
            on_demand_rates.add_metric(machine, rate)
        yield from (nodes, rates, on_demand_rates)
