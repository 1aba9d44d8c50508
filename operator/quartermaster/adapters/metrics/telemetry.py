"""What happens, counted and timed; what stands is read by the collectors beside this."""

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest

from quartermaster.domain.cluster import Reclaim
from quartermaster.domain.decision import Decision, Placed
from quartermaster.metrics import PREFIX, Metric, capacity, money, process

UNANSWERED = "none"


class PrometheusTelemetry:
    """Counts and times what the operator does."""

    def __init__(self) -> None:
        # When each series began is of no use to anybody, and doubles the counters.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._decisions = self._histogram(capacity.DECISION_SECONDS)
        self._placed = self._histogram(capacity.GANG_PLACED_SECONDS)
        self._preemptions = self._counter(capacity.PREEMPTIONS)
        self._resizes = self._counter(capacity.RESIZES)
        self._reclaims = self._counter(capacity.RECLAIMS)
        self._recoveries = self._histogram(capacity.RECOVERY_SECONDS)
        self._passes = self._histogram(process.RECONCILE_SECONDS)
        self._writes = self._counter(process.API_WRITES)
        self._errors = self._counter(process.API_ERRORS)
        self._reports = self._counter(process.PROGRESS_REPORTS)
        self._price_reads = self._counter(money.PRICE_READS)

    def decided(self, decision: Decision, seconds: float) -> None:
        """One placement decision and how long it took."""
        answer = "placed" if isinstance(decision, Placed) else str(decision.refusal)
        self._decisions.labels(answer).observe(seconds)

    def placed(self, seconds: float) -> None:
        """A gang's gates are gone, this long after its job was created."""
        self._placed.observe(seconds)

    def preempted(self, reason: str) -> None:
        """A job is stopped for another one: Priority or Reclaim."""
        self._preemptions.labels(reason).inc()

    def resized(self, direction: str) -> None:
        """A job is to have other workers: it grows, shrinks, or moves to other nodes."""
        self._resizes.labels(direction).inc()

    def reclaimed(self, pool: str, gpu_model: str, sign: Reclaim) -> None:
        """A node with workers of ours on it is about to be taken away."""
        self._reclaims.labels(pool, gpu_model, f"{sign.by} {sign.why}").inc()

    def recovered(self, seconds: float) -> None:
        """A gang steps again, this long after it broke."""
        self._recoveries.observe(seconds)

    def reconciled(self, outcome: str, seconds: float) -> None:
        """One pass over one job."""
        self._passes.labels(outcome).observe(seconds)

    def wrote(self, verb: str, path: str) -> None:
        """One write was sent."""
        self._writes.labels(verb, resource_of(path)).inc()

    def failed(self, status: int | None) -> None:
        """The API server refused a request, or did not answer it: None."""
        self._errors.labels(UNANSWERED if status is None else str(status)).inc()

    def reported(self, status: int) -> None:
        """One progress report was answered."""
        self._reports.labels(str(status)).inc()

    def prices_read(self, result: str) -> None:
        """One attempt at the user's price list: read or failed."""
        self._price_reads.labels(result).inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            PREFIX + metric.name,
            metric.help,
            metric.labels,
            buckets=metric.buckets,
            registry=self.registry,
        )

    def _counter(self, metric: Metric) -> Counter:
        return Counter(PREFIX + metric.name, metric.help, metric.labels, registry=self.registry)


def resource_of(path: str) -> str:
    """The resource that a path is about, a bounded label: `pods`, `pods/status`, `jobs`."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join([parts[0], *parts[2:3]]) if parts else "unknown"
