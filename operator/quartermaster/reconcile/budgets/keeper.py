"""Looks at all money: Budgets' statuses are written, jobs are told to stop and to go on.

Level-triggered like a pass over a job: what it does follows from what is on the objects. It looks
when something has changed, when an amount will be reached at the present rate, when a period ends,
and every few seconds while jobs spend.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.api.budgets.budget import BudgetStatus
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.api.record import JobRecord
from quartermaster.decide.cost import accrual
from quartermaster.decide.cost.accrual import NEWS_LAG
from quartermaster.decide.cost.budgets import Running, next_threshold_s, window
from quartermaster.domain.money.budget import Action
from quartermaster.domain.worker import Worker
from quartermaster.errors import ClusterError
from quartermaster.reconcile.budgets import standing, stops
from quartermaster.reconcile.budgets.spending import (
    costing,
    holds_nodes,
    selects,
    sheet_of,
)
from quartermaster.reconcile.budgets.verdicts import suspending
from quartermaster.reconcile.ports import Clock, Recorder, Spending, View, Writer

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.2
"""Changes come in bursts; a look waits this long for the rest of one."""
LOOK_SECONDS = 4.0
"""While jobs spend, somebody looks this often, and amounts are written."""
IDLE_SECONDS = 60.0
RETRY_SECONDS = 1.0
SOONEST_SECONDS = 0.1
SHARE = 0.1
"""Looks take at most this part of the operator's time, where changes call for one after another."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the keeper works with."""

    view: View
    writer: Writer
    recorder: Recorder
    spending: Spending
    clock: Clock


class BudgetKeeper:
    """Keeps money within its limits."""

    def __init__(self, around: Surroundings, changed: Callable[[str], None]) -> None:
        self._view = around.view
        self._writer = around.writer
        self._recorder = around.recorder
        self._spending = around.spending
        self._clock = around.clock
        self._changed = changed
        self._wake = asyncio.Event()
        self._written: dict[str, datetime] = {}

    def wake(self) -> None:
        """Something has changed that may cost money, or that says how much there is."""
        self._wake.set()

    async def run(self) -> None:
        """Look until cancelled."""
        delay = took = 0.0
        while True:
            try:
                async with asyncio.timeout(delay):
                    await self._wake.wait()
                await asyncio.sleep(max(SETTLE_SECONDS, took / SHARE))
            except TimeoutError:
                pass
            self._wake.clear()
            began = time.perf_counter()
            try:
                delay = await self.once()
            except Exception:  # one bad object must not let everybody spend
                logger.exception("a look at the budgets failed")
                delay = RETRY_SECONDS
            took = time.perf_counter() - began

    async def once(self) -> float:
        """One look; returns when to look again [s]."""
        delay = IDLE_SECONDS
        for record in self._view.budgets():
            delay = min(delay, await self._guarded(self._look_at(record), record.budget.key))
        records = self._view.budgets()
        for job in list(self._view.jobs()):
            if self._is_limited(job, records):
                delay = min(delay, await self._guarded(self._judge(job, records), job.key))
        return max(SOONEST_SECONDS, delay)

    async def _guarded(self, look: Awaitable[float], key: object) -> float:
        try:
            return await look
        except ClusterError as error:
            logger.info("%s: its money was not looked at, again: %s", key, error)
            return RETRY_SECONDS

    def _is_limited(self, job: JobRecord, records: Iterable[BudgetRecord]) -> bool:
        if job.finished or job.deleting or job.spec is None or job.spec.managed_by is not None:
            return False
        limited = job.spec.budget is not None or job.unfunded is not None
        return limited or suspending(records, job) is not None

    # ---- Budgets ------------------------------------------------------------------------------

    async def _look_at(self, record: BudgetRecord) -> float:
        now = self._clock.now()
        if record.budget.fault:
            await self._write(record, standing.unreadable(record, now), now)
            return IDLE_SECONDS
        found = await self._count(record, now)
        await self._write(record, standing.status(found), now)
        return self._next_look(found)

    async def _count(self, record: BudgetRecord, now: datetime) -> standing.Facts:
        budget = record.budget
        # As old as news of a pod's end can be: what has been billed up to then never falls.
        until = max(now - NEWS_LAG, budget.created)
        span = window(budget.period, budget.created, until)
        counted = await self._spending.count(budget, sheet_of(record.status), span, until)
        selected = (job for job in self._view.jobs() if selects(budget, job))
        with_pods = ((job, self._view.workers(job.uid)) for job in selected)
        running = [_running(job, its, now) for job, its in with_pods if holds_nodes(its)]
        return standing.Facts(record, counted, span, running, now)

    def _next_look(self, found: standing.Facts) -> float:
        delays = [LOOK_SECONDS if found.running else IDLE_SECONDS]
        budget = found.record.budget
        rate = sum((job.usd_per_hour for job in found.running), Fraction(0))
        reached_s = next_threshold_s(budget.thresholds, found.spent, budget.amount, rate)
        if reached_s is not None:
            delays.append(reached_s)
        if found.left_s is not None:
            delays.append(found.left_s + NEWS_LAG.total_seconds())
        return min(delays)

    async def _write(self, record: BudgetRecord, status: BudgetStatus, now: datetime) -> None:
        """Write the status when it differs; what only ticks is written at a bounded rate."""
        uid, old = record.budget.uid, record.status
        if status == old:
            return
        last = self._written.get(uid)
        fresh = last is not None and now - last < timedelta(seconds=LOOK_SECONDS)
        leaving = [j.uid for j in self._view.jobs() if j.deleting and selects(record.budget, j)]
        if fresh and not leaving and standing.only_ticks(status, old):
            return
        body = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        await self._writer.set_budget_status(record, body)
        self._written[uid] = now
        self._announce(record, status)
        for job_uid in leaving:
            # It was perhaps kept until what it has cost was counted.
            self._changed(job_uid)

    def _announce(self, record: BudgetRecord, status: BudgetStatus) -> None:
        """An event for each threshold that was reached: on the Budget, and on jobs that spend."""
        if record.budget.suspended:
            return
        for one in standing.news(status, record.status):
            text = standing.words(one, record, status.spent or "0")
            warning = one.action is not Action.NOTIFY
            self._recorder.budget_event(
                record.budget, warning=warning, reason=f"Budget{one.action}", message=text
            )
            for job in self._view.jobs():
                if selects(record.budget, job) and holds_nodes(self._view.workers(job.uid)):
                    self._recorder.event(
                        job,
                        warning=warning,
                        reason=f"Budget{one.action}",
                        message=f"Budget {record.budget.key.name}: {text}",
                    )

    # ---- jobs ---------------------------------------------------------------------------------

    async def _judge(self, job: JobRecord, records: Iterable[BudgetRecord]) -> float:
        """Note on a job that its money is spent, or take the note away."""
        now, workers = self._clock.now(), self._view.workers(job.uid)
        own = stops.standing(job, workers, now)
        note = stops.note(job, workers, own, suspending(records, job), now)
        if note != job.unfunded:
            await self._writer.unfund(job, note)
            logger.info("%s: %s", job.key, note.why if note else "there is money again")
            self._changed(job.uid)
        left = own.seconds_left if own is not None and note is None else None
        return IDLE_SECONDS if left is None else min(LOOK_SECONDS, left)


def _running(job: JobRecord, workers: Sequence[Worker], now: datetime) -> Running:
    """What a job costs from now on."""
    held = costing(job, workers)
    progress = job.status.progress
    end = progress.estimated_completion_time if progress is not None else None
    deadline = job.spec.active_deadline_seconds if job.spec is not None else None
    begun = min((w.bound for w in held if w.bound is not None), default=now)
    own = stops.standing(job, workers, now)
    return Running(
        usd_per_hour=accrual.rate(held) or Fraction(0),
        end_s=None if end is None else max(0.0, (end - now).total_seconds()),
        deadline_s=None if deadline is None else max(0.0, deadline - (now - begun).total_seconds()),
        limit_left=None if own is None or own.total is None else own.limit - own.total,
    )
