"""Jobs as metrics: one by one as far as the limit goes, and by state and reason all of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.metrics.families import gauge
from quartermaster.api.meta import ConditionType
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import ConditionStatus, State
from quartermaster.domain.decision import Refusal
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.worker import Phase, Worker
from quartermaster.metrics import Metric, jobs

Reading = tuple[Metric, float | str | Fraction] | tuple[Metric, float | str | Fraction, str]
"""A metric of a job, its value, and what further label it has."""
HELD_BACK = frozenset({"Suspended", "Finished"})
"""Reasons for having no place with which a job waits for nothing."""
REASONS = frozenset({*Refusal, "Undecided", "Preempted", "Resizing", "LimitReached"})
OTHER = "Other"


class Source(Protocol):
    """Where jobs and their pods are read."""

    def jobs(self) -> Iterable[JobRecord]:
        """All TrainingJobs."""
        ...

    def workers(self, job_uid: str) -> list[Worker]:
        """A TrainingJob's pods."""
        ...


class JobCollector(Collector):
    """Series that are read off the caches when they are scraped, of jobs that there are."""

    def __init__(
        self, source: Source, size: Callable[[JobRecord], int], clock: Clock, limit: int
    ) -> None:
        """Nothing is read yet.

        Args:
            source: The caches.
            size: How many workers a job's gang has [count].
            clock: The time.
            limit: So many jobs have series of their own [count].
        """
        self._source = source
        self._size = size
        self._clock = clock
        self._limit = limit

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        there = list(self._source.jobs())
        told = chosen(there, self._limit)
        yield _by_state(there)
        yield _by_reason(there)
        without = gauge(jobs.WITHOUT_SERIES)
        without.add_metric([], len(there) - len(told))
        yield without
        yield _info(told)
        families: dict[str, GaugeMetricFamily] = {}
        for job in told:
            where = job.key.namespace, job.key.name
            for metric, value, *labels in self._readings(job):
                if metric.name not in families:
                    families[metric.name] = gauge(metric)
                families[metric.name].add_metric([*where, *labels], float(value))
        yield from families.values()

    def _readings(self, job: JobRecord) -> Iterator[Reading]:
        """What is known of a job; what is unknown has no sample, rather than a zero."""
        yield from _money(job)
        yield from _run(job)
        if job.finished:
            return
        yield from _step(job)
        workers = self._source.workers(job.uid)
        if job.spec is not None:
            yield jobs.WORKERS, self._size(job), "wanted"
        yield jobs.WORKERS, len({w.index for w in workers if _is_bound(w)}), "bound"
        yield jobs.WORKERS, len({w.index for w in workers if _is_running(w)}), "running"
        holders = [worker for worker in workers if worker.node is not None and not worker.over]
        if all(worker.held is not None for worker in holders):
            yield jobs.GPUS, sum(w.held.gpus for w in holders if w.held is not None)
        waits = waiting(job)
        if waits is not None:
            reason, since = waits
            lasted = (self._clock.now() - since).total_seconds()
            yield jobs.WAITING_SECONDS, max(0.0, lasted), reason


def chosen(there: Sequence[JobRecord], limit: int) -> Sequence[JobRecord]:
    """Jobs that get series of their own: first those that are not over, of each the costliest."""
    if len(there) <= limit:
        return there
    return sorted(there, key=lambda job: (job.finished, -_cost(job)))[:limit]


def _cost(job: JobRecord) -> float:
    """So far, without what has no price [USD]; only to compare."""
    cost = job.status.cost
    if cost is None:
        return 0.0
    return float(Fraction(cost.accrued) if cost.total is None else Fraction(cost.total))


def waiting(job: JobRecord) -> tuple[str, datetime] | None:
    """Why a job has no place, and since when it has none; None where it waits for nothing."""
    if job.finished or job.deleting:
        return None
    placed = next((c for c in job.status.conditions if c.type == ConditionType.PLACED), None)
    if placed is None or placed.status is ConditionStatus.TRUE or placed.reason in HELD_BACK:
        return None
    reason = placed.reason if placed.reason in REASONS else OTHER
    return reason, placed.last_transition_time


def _by_state(there: Iterable[JobRecord]) -> Family:
    counts = Counter(job.status.state or State.PENDING for job in there)
    family = gauge(jobs.COUNT)
    for state in State:
        family.add_metric([state.value], counts[state])
    return family


def _by_reason(there: Iterable[JobRecord]) -> Family:
    told = ((job.queue or "", found[0]) for job in there if (found := waiting(job)) is not None)
    family = gauge(jobs.WAITING)
    for labels, count in sorted(Counter(told).items()):
        family.add_metric(labels, count)
    return family


def _info(told: Iterable[JobRecord]) -> Family:
    family = gauge(jobs.INFO)
    for job in told:
        if job.finished:
            continue
        placement, profile = job.status.placement, job.status.profile
        where = ("", "", "")
        if placement is not None:
            where = placement.accelerator, placement.capacity_type, placement.pool
        state = (job.status.state or State.PENDING).value
        bound = "" if profile is None else profile.bound.value
        labels = [job.key.namespace, job.key.name, job.queue or "", state, *where, bound]
        family.add_metric(labels, 1)
    return family


def _money(job: JobRecord) -> Iterator[Reading]:
    cost = job.status.cost
    if cost is None:
        return
    if cost.unpriced_seconds:
        yield jobs.UNPRICED, cost.unpriced_seconds
    amounts = (
        (jobs.COST, cost.total),
        (jobs.RATE, cost.rate_per_hour),
        (jobs.FORECAST, cost.forecast),
        (jobs.ON_DEMAND, cost.on_demand_equivalent),
        (jobs.NET_SPOT_SAVINGS, cost.net_spot_savings),
    )
    yield from ((metric, amount) for metric, amount in amounts if amount is not None)
    for part, amount in cost.parts.items():
        yield jobs.PART, amount, part
    if cost.parts and cost.total is not None and (whole := Fraction(cost.total)):
        useful = Fraction(cost.parts.get(Part.USEFUL, "0"))
        yield jobs.GOODPUT, min(Fraction(1), useful / whole)


def _run(job: JobRecord) -> Iterator[Reading]:
    progress, goodput = job.status.progress, job.status.goodput
    if progress is not None:
        yield jobs.PROGRESS, progress.percentage / 100
    # Most jobs are never disturbed: a zero for each of them would be a tenth of all series.
    if goodput is not None and goodput.restarts:
        yield jobs.RESTARTS, goodput.restarts
    if goodput is not None and goodput.interruptions:
        yield jobs.INTERRUPTIONS, goodput.interruptions
    deadline = job.status.deadline
    if deadline is not None and deadline.spare_seconds is not None and not job.finished:
        yield jobs.DEADLINE_SLACK, deadline.spare_seconds


def _step(job: JobRecord) -> Iterator[Reading]:
    """What a step is made of, of a job that takes steps of its own."""
    profile = job.status.own_profile
    if profile is None:
        return
    yield jobs.STEP_SECONDS, profile.step_seconds
    yield jobs.STEP_FRACTION, profile.compute_fraction, "compute"
    yield jobs.STEP_FRACTION, profile.communication_fraction, "communication"
    yield jobs.STEP_FRACTION, profile.data_wait_fraction, "data_wait"
    if profile.device is not None and profile.device.busy_fraction is not None:
        yield jobs.GPU_BUSY, profile.device.busy_fraction


def _is_bound(worker: Worker) -> bool:
    return worker.phase is Phase.SUCCEEDED or (worker.bound is not None and not worker.over)


def _is_running(worker: Worker) -> bool:
    return worker.live and worker.phase is Phase.RUNNING
