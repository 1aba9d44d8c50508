"""ComputeQueues and Budgets as metrics, as their statuses say."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector
from typing_extensions import override

from quartermaster.adapters.cache import Document
from quartermaster.adapters.metrics.families import gauge
from quartermaster.api.budgets.record import BudgetRecord
from quartermaster.metrics import jobs, money


class QueueCollector(Collector):
    """Series of the ComputeQueues that there are."""

    def __init__(self, records: Callable[[], Iterable[tuple[str, int, Document]]]) -> None:
        self._records = records

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        pending, admitted = gauge(jobs.QUEUE_PENDING), gauge(jobs.QUEUE_ADMITTED)
        share, gpus = gauge(jobs.QUEUE_SHARE), gauge(jobs.QUEUE_GPUS)
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


class BudgetCollector(Collector):
    """Series of the Budgets that have been counted once."""

    def __init__(self, budgets: Callable[[], Iterable[BudgetRecord]]) -> None:
        self._budgets = budgets

    @override
    def collect(self) -> Iterator[Family]:
        """All series, now."""
        running = gauge(money.BUDGET_JOBS)
        amount, spent = gauge(money.BUDGET_AMOUNT), gauge(money.BUDGET_SPENT)
        forecast, commitment = gauge(money.BUDGET_FORECAST), gauge(money.BUDGET_COMMITMENT)
        for record in self._budgets():
            status, key = record.status, record.budget.key
            if status.spent is None:
                continue
            labels = [key.namespace, key.name]
            running.add_metric(labels, status.jobs)
            for family, value in (
                (amount, status.amount),
                (spent, status.spent),
                (forecast, status.forecast),
                (commitment, status.commitment),
            ):
                if value is not None:
                    family.add_metric(labels, float(value))
        yield from (amount, spent, forecast, commitment, running)
