"""What the cluster costs, as metrics: what is paid now, and all that the ledger has."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from prometheus_client.core import CounterMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.metrics.families import counter, gauge
from quartermaster.decide.cost.ledger import current
from quartermaster.domain.money.ledger import Kind
from quartermaster.domain.money.occupancy import Hold, Presence
from quartermaster.domain.money.spending import Sums
from quartermaster.metrics import money

Totals = Mapping[tuple[str, ...], float]


class Occupancy(Protocol):
    """Who is on which node now."""

    def nodes(self) -> Iterable[Presence]:
        """The nodes that there are."""
        ...

    def pods(self) -> Mapping[str, Hold]:
        """The pods that are or were bound to a node, by uid."""
        ...


class CostCollector(Collector):
    """Who pays how much an hour, read off the nodes and pods when it is scraped."""

    def __init__(self, occupancy: Occupancy, clock: Clock) -> None:
        self._occupancy = occupancy
        self._clock = clock

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        nodes, pods = self._occupancy.nodes(), self._occupancy.pods().values()
        found = current.rates(nodes, pods, self._clock.now())
        paid, beyond = gauge(money.COST_RATE), gauge(money.OVERCHARGED)
        for place, rate in sorted(found.by_place.items()):
            paid.add_metric(place, float(rate))
        beyond.add_metric([], float(found.overcharged))
        yield paid
        yield beyond


class Ledger(Protocol):
    """What is asked of the ledger; nothing that could wait for its database."""

    @property
    def up(self) -> bool | None:
        """Whether the last attempt at it succeeded; None before the first one."""
        ...

    def sums(self) -> Sums:
        """Everything since the ledger began."""
        ...


class LedgerCollector(Collector):
    """All that the ledger has, as counters: they go on where they were after a restart."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._marks = _Marks()

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        up = gauge(money.LEDGER_UP)
        if self._ledger.up is not None:
            up.add_metric([], float(self._ledger.up))
        yield up
        sums = self._ledger.sums()
        places = sums.by_place.items()
        self._marks.check({place: float(it.usd) for place, it in places if place[0] != Kind.IDLE})
        for metric, totals in (
            (money.COST_TOTAL, {place: float(it.usd) for place, it in places}),
            (money.ON_DEMAND_TOTAL, {place: float(it.on_demand_usd) for place, it in places}),
            (money.GPU_SECONDS, {place: it.gpu_ms / 1000 for place, it in places}),
            (money.PARTS_TOTAL, {key: float(it.usd) for key, it in sums.by_part.items()}),
        ):
            yield _filled(counter(metric), self._marks.kept(metric.name, totals))


def _filled(family: CounterMetricFamily, totals: Totals) -> Family:
    for labels, total in sorted(totals.items()):
        family.add_metric(labels, total)
    return family


class _Marks:
    """The highest totals so far: a counter that falls is taken for one that began anew.

    Idle time's falls for an hour in which full nodes cost less than pods had agreed to pay; it then
    stays where it is until it has grown past that. What others pay never falls: where it has, this
    is another ledger, and all counters begin anew with it.
    """

    def __init__(self) -> None:
        self._highest: dict[str, dict[tuple[str, ...], float]] = {}
        self._paid: Totals = {}

    def check(self, paid: Totals) -> None:
        """Take in what others than idle time have paid."""
        if any(paid.get(place, 0.0) < before for place, before in self._paid.items()):
            self._highest.clear()
        self._paid = paid

    def kept(self, name: str, totals: Totals) -> Totals:
        """Totals that are no lower than before."""
        highest = self._highest.setdefault(name, {})
        for labels, total in totals.items():
            highest[labels] = max(highest.get(labels, 0.0), total)
        return highest
