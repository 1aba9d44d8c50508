"""The metrics of `metrics.TABLE` on a Prometheus registry."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster import metrics
from quartermaster.adapters.cache import Document
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import State
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Decision, Placed

Reading = tuple[metrics.Metric, float | str] | tuple[metrics.Metric, float | str, str]
"""A metric of a job, its value, and what further label it has."""


class PrometheusTelemetry:
    """Counts and times what the operator does."""

    def __init__(self) -> None:
        # When each series began is of no use to anybody, and doubles the counters.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._decisions = self._histogram(metrics.capacity.DECISION_SECONDS)
        self._placed = self._histogram(metrics.capacity.GANG_PLACED_SECONDS)
        self._preemptions = self._counter(metrics.capacity.PREEMPTIONS)
        self._resizes = self._counter(metrics.capacity.RESIZES)
        self._passes = self._histogram(metrics.process.RECONCILE_SECONDS)
        self._writes = self._counter(metrics.process.API_WRITES)
        self._reports = self._counter(metrics.process.PROGRESS_REPORTS)
        self._price_reads = self._counter(metrics.money.PRICE_READS)

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

    def reconciled(self, outcome: str, seconds: float) -> None:
        """One pass over one job."""
        self._passes.labels(outcome).observe(seconds)

    def wrote(self, verb: str, path: str) -> None:
        """One write was sent."""
        self._writes.labels(verb, resource_of(path)).inc()

    def reported(self, status: int) -> None:
        """One progress report was answered."""
        self._reports.labels(str(status)).inc()

    def prices_read(self, result: str) -> None:
        """One attempt at the user's price list: read or failed."""
        self._price_reads.labels(result).inc()

    def exposition(self) -> bytes:
        """The text that Prometheus scrapes."""
        return generate_latest(self.registry)

    def _histogram(self, metric: metrics.Metric) -> Histogram:
        return Histogram(
            metrics.PREFIX + metric.name,
            metric.help,
            metric.labels,
            buckets=metric.buckets,
            registry=self.registry,
        )

    def _counter(self, metric: metrics.Metric) -> Counter:
        return Counter(
            metrics.PREFIX + metric.name, metric.help, metric.labels, registry=self.registry
        )


def resource_of(path: str) -> str:
    """The resource that a path is about, a bounded label: `pods`, `pods/status`, `jobs`."""
    parts = path.strip("/").split("/")
    parts = parts[2:] if parts[0] == "api" else parts[3:]
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        parts = parts[2:]
    return "/".join([parts[0], *parts[2:3]]) if parts else "unknown"


class ClusterCollector(Collector):
    """Series that are read off the caches when they are scraped, of live objects only."""

    def __init__(
        self,
        jobs: Callable[[], Iterable[JobRecord]],
        snapshot: Callable[[], Snapshot],
        leading: Callable[[], bool],
    ) -> None:
        self._jobs = jobs
        self._snapshot = snapshot
        self._leading = leading

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        leader = gauge(metrics.process.LEADER)
        leader.add_metric([], float(self._leading()))
        yield leader
        jobs = list(self._jobs())
        yield from _job_families(jobs)
        gpus, used = gauge(metrics.capacity.POOL_GPUS), gauge(metrics.capacity.POOL_GPUS_USED)
        for (pool, accelerator), (_, total, held) in sorted(self._snapshot().usage().items()):
            if total:
                gpus.add_metric([pool, accelerator], total)
                used.add_metric([pool, accelerator], held)
        yield gpus
        yield used


class QueueCollector(Collector):
    """Series of the ComputeQueues that there are, as their statuses say."""

    def __init__(self, records: Callable[[], Iterable[tuple[str, int, Document]]]) -> None:
        self._records = records

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        pending, admitted = gauge(metrics.jobs.QUEUE_PENDING), gauge(metrics.jobs.QUEUE_ADMITTED)
        share, gpus = gauge(metrics.jobs.QUEUE_SHARE), gauge(metrics.jobs.QUEUE_GPUS)
        for name, _, status in sorted(self._records(), key=lambda record: record[0]):
            if not status:
                continue
            pending.add_metric([name], status.get("pending", 0))
            admitted.add_metric([name], status.get("admitted", 0))
            if "fairShare" in status:
                share.add_metric([name], float(status["fairShare"]))
            for usage in status.get("usage") or ():
                gpus.add_metric([name, usage["accelerator"]], usage["gpus"])
        yield from (pending, admitted, share, gpus)


def gauge(metric: metrics.Metric) -> GaugeMetricFamily:
    """A family without samples yet."""
    return GaugeMetricFamily(metrics.PREFIX + metric.name, metric.help, labels=metric.labels)


def _job_families(jobs: list[JobRecord]) -> Iterator[Family]:
    states = gauge(metrics.jobs.COUNT)
    for state in State:
        count = sum(1 for job in jobs if (job.status.state or State.PENDING) is state)
        states.add_metric([state.value], count)
    yield states
    families: dict[str, GaugeMetricFamily] = {}
    for job in jobs:
        for metric, value, *labels in (*_readings(job), *_step(job)):
            family = families.setdefault(metric.name, gauge(metric))
            family.add_metric([job.key.namespace, job.key.name, *labels], float(value))
    yield from families.values()


def _step(job: JobRecord) -> Iterator[Reading]:
    """What a step is made of, of a job that takes steps: not one that is over, not another's."""
    profile = job.status.profile
    if profile is None or profile.from_job or job.finished:
        return
    yield metrics.jobs.STEP_SECONDS, profile.step_seconds
    yield metrics.jobs.STEP_FRACTION, profile.compute_fraction, "compute"
    yield metrics.jobs.STEP_FRACTION, profile.communication_fraction, "communication"
    yield metrics.jobs.STEP_FRACTION, profile.data_wait_fraction, "data_wait"


def _readings(job: JobRecord) -> Iterator[Reading]:
    """What is known of a job; what is unknown has no sample, rather than a zero."""
    cost, progress, goodput = job.status.cost, job.status.progress, job.status.goodput
    if cost is not None:
        yield metrics.jobs.UNPRICED, cost.unpriced_seconds
        if cost.total is not None:
            yield metrics.jobs.COST, cost.total
        if cost.rate_per_hour is not None:
            yield metrics.jobs.RATE, cost.rate_per_hour
    if progress is not None:
        yield metrics.jobs.PROGRESS, progress.percentage / 100
    if goodput is not None:
        yield metrics.jobs.RESTARTS, goodput.restarts
