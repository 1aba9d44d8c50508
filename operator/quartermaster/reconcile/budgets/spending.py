"""What jobs have spent, read off their statuses and pods; the Budget keeps it of those that go."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.api.budgets.budget import MAX_JOBS, BudgetStatus, CountedJob, PeriodBooks
from quartermaster.api.record import JobRecord
from quartermaster.decide import workers as facts
from quartermaster.decide.cost.budgets import Window
from quartermaster.decide.cost.rates import charge
from quartermaster.decide.cost.tally import Counted, Seen, Sheet, Tally, recount, turned
from quartermaster.decide.workers import places
from quartermaster.domain.money.budget import Budget
from quartermaster.domain.money.stretch import NO_TIME
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.worker import Worker
from quartermaster.reconcile.ports import View, Writer
from quartermaster.units import exact


@dataclass(frozen=True, slots=True)
class Bill:
    """What one job has cost."""

    known: Fraction
    """As far as prices are known [USD]."""
    whole: bool
    """Whether that is all of it."""


def bill(job: JobRecord, workers: Iterable[Worker], until: datetime) -> Bill:
    """What a job has cost up to a moment.

    Pods that are charged already count as of their ends, whenever that was.

    Args:
        job: The job.
        workers: Its pods.
        until: The moment.
    """
    cost = job.status.cost
    # Times are added up by rate before they are multiplied: of a gang, most are at one rate.
    times: dict[Fraction | None, timedelta] = {}
    for worker in uncharged(job, workers):
        end = min(facts.released(worker) or until, until)
        for rate, time in _at_rates(worker, end):
            times[rate] = times.get(rate, NO_TIME) + time
    known = Fraction(cost.accrued) if cost else Fraction(0)
    for rate, time in times.items():
        known += charge(rate, time) or 0
    unpriced = None in times or (cost is not None and cost.unpriced_seconds > 0)
    return Bill(known, whole=not unpriced)


def _at_rates(worker: Worker, end: datetime) -> Iterator[tuple[Fraction | None, timedelta]]:
    """The prices that a pod was held at, each with its time, which is never nothing."""
    if worker.bound is None or end <= worker.bound:
        return
    prices = [(worker.bound, worker.usd_per_hour), *worker.repriced]
    ends = [*(at for at, _ in worker.repriced), end]
    for (begun, rate), until in zip(prices, ends, strict=True):
        time = min(until, end) - max(begun, worker.bound)
        if time > NO_TIME:
            yield rate, time


def uncharged(job: JobRecord, workers: Iterable[Worker]) -> list[Worker]:
    """The pods that `status.cost.accrued` does not hold yet."""
    closing = set(job.status.cost.closing) if job.status.cost else set()
    return [worker for worker in workers if worker.accounted and worker.uid not in closing]


def costing(job: JobRecord, workers: Iterable[Worker]) -> list[Worker]:
    """The pods that cost more from moment to moment."""
    return [w for w in uncharged(job, workers) if w.bound is not None and not w.settled]


def holds_nodes(workers: Iterable[Worker]) -> bool:
    """Whether a job is on nodes, or has been given some."""
    return bool(places(workers))


def selects(budget: Budget, job: JobRecord) -> bool:
    """Whether what a job spends counts for a budget."""
    return budget.selects(job.key.namespace, job.queue, job.labels)


def seen(
    job: JobRecord, workers: list[Worker], budget: Budget, start: datetime, until: datetime
) -> Seen:
    """What a look at a job finds.

    Args:
        job: The job.
        workers: Its pods.
        budget: For which it is looked at.
        start: When the period began.
        until: Up to when it is counted.
    """
    before = Fraction(0) if job.created >= start else bill(job, workers, start).known
    found = bill(job, workers, until)
    return Seen(
        uid=job.uid,
        total=found.known,
        before=before,
        selected=selects(budget, job),
        final=(job.finished or job.deleting) and not any(w.accounted for w in workers),
        name=job.key.name,
        whole=found.whole,
    )


class JobSpending:
    """Counts by the jobs that there are, and by what is kept of those that were."""

    def __init__(self, view: View, writer: Writer) -> None:
        self._view = view
        self._writer = writer

    async def count(
        self, budget: Budget, kept: Sheet | None, span: Window, until: datetime
    ) -> Counted:
        """What the jobs that a budget selects have spent in a period, up to a moment.

        A job that is not to be seen is asked for: an operator that has just begun has not seen
        everything, and what is counted as gone would count again when it is seen.
        """
        sheet, closed = kept or Sheet(span.start), None
        gone = await self._gone(budget, sheet)
        if sheet.start < span.start:
            at = self._seen(budget, sheet.start, span.start)
            full = recount(sheet, at, gone, MAX_JOBS)
            closed = full.spent
            sheet = turned(full, span.start, {one.uid for one in at if one.final})
            gone = set()
        elif sheet.start > span.start:
            # The period was made longer: what was counted lies within it too.
            sheet = replace(sheet, start=span.start)
        fresh = self._seen(budget, sheet.start, until)
        unpriced = sum(one.selected and not one.whole for one in fresh)
        return Counted(recount(sheet, fresh, gone, MAX_JOBS), closed, unpriced)

    def _seen(self, budget: Budget, start: datetime, until: datetime) -> list[Seen]:
        namespace = budget.key.namespace
        jobs = [job for job in self._view.jobs() if job.key.namespace == namespace]
        jobs.sort(key=lambda job: (job.created, job.uid))
        return [seen(job, self._view.workers(job.uid), budget, start, until) for job in jobs]

    async def _gone(self, budget: Budget, sheet: Sheet) -> set[str]:
        gone: set[str] = set()
        for uid, tally in sheet.jobs.items():
            if self._view.job(uid) is not None:
                continue
            name = NamespacedName(budget.key.namespace, tally.name)
            if await self._writer.is_gone(name, uid):
                gone.add(uid)
        return gone


def sheet_of(status: BudgetStatus) -> Sheet | None:
    """The books that a status holds; None where nobody has counted yet."""
    if status.period_start is None:
        return None
    jobs = {
        one.uid: Tally(Fraction(one.counted), Fraction(one.total), one.name)
        for one in status.books.jobs
    }
    return Sheet(status.period_start, Fraction(status.books.carried), jobs)


def books_text(sheet: Sheet) -> PeriodBooks:
    """The books as a status holds them."""
    return PeriodBooks(
        carried=exact(sheet.carried),
        jobs=[
            CountedJob(uid=uid, name=one.name, counted=exact(one.counted), total=exact(one.total))
            for uid, one in sorted(sheet.jobs.items())
        ],
    )
