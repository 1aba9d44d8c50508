"""The operator itself as metrics: whether it leads, what it has to do, what it hears."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster import __version__
from quartermaster.adapters.cache import Cache, Document
from quartermaster.adapters.clock import Clock
from quartermaster.adapters.metrics.families import gauge
from quartermaster.metrics import process


class Watches:
    """When something of each resource was heard last."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heard: dict[str, float] = {}

    def heard(self, resource: str) -> None:
        """A change or a list of it came."""
        self._heard[resource] = self._clock.now().timestamp()

    def last(self) -> Mapping[str, float]:
        """Since 1970, by resource [s]."""
        return self._heard


class HeardCache:
    """A cache whose news is noted: fits `handlers.resources.Sink`."""

    def __init__(self, cache: Cache[Any], heard: Callable[[], None]) -> None:
        self._cache = cache
        self._heard = heard

    def put(self, document: Document) -> None:
        """Take in an object."""
        self._heard()
        self._cache.put(document)

    def drop(self, uid: str) -> None:
        """Forget an object that is gone."""
        self._heard()
        self._cache.drop(uid)


class ProcessCollector(Collector):
    """Series of this process, of a standby too."""

    def __init__(
        self,
        leading: Callable[[], bool],
        depth: Callable[[], int],
        watches: Watches,
        watched: Callable[[], Mapping[str, bool]],
    ) -> None:
        """Nothing is read yet.

        Args:
            leading: Whether this operator holds the lease.
            depth: How many jobs are to be looked at [count].
            watches: When they were heard last.
            watched: Whether each resource is watched that has to be.
        """
        self._leading = leading
        self._depth = depth
        self._watches = watches
        self._watched = watched

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        build, leader, depth = map(gauge, (process.BUILD, process.LEADER, process.QUEUE_DEPTH))
        build.add_metric([__version__], 1)
        leader.add_metric([], float(self._leading()))
        depth.add_metric([], self._depth())
        up, last = gauge(process.WATCH_UP), gauge(process.WATCH_LAST_EVENT)
        for resource, alive in sorted(self._watched().items()):
            up.add_metric([resource], float(alive))
        for resource, moment in sorted(self._watches.last().items()):
            last.add_metric([resource], moment)
        yield from (build, leader, depth, up, last)
