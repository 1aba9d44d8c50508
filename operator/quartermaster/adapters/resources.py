"""ComputePools and ComputeQueues as domain values, with what is needed to write their statuses."""

from dataclasses import dataclass
from datetime import UTC
from fractions import Fraction

from pydantic import ValidationError

from quartermaster.adapters.cache import Document
from quartermaster.api import meta
from quartermaster.api.compute_pool import (
    ComputePoolSpec,
    OnPremisesPrice,
    Price,
    TolerationOperator,
    TopologyLink,
)
from quartermaster.api.compute_queue import ComputeQueueSpec, QueueHistory
from quartermaster.domain.cluster import Link, Pool, PriceRow, Toleration
from quartermaster.domain.money.price import OnPremises
from quartermaster.domain.queue import History, Queue, Reclaim, WithinQueue


class PoolRecord:
    """A ComputePool with its document's name and generation."""

    __slots__ = ("generation", "pool", "status")

    def __init__(self, pool: Pool, generation: int, status: Document) -> None:
        self.pool = pool
        self.generation = generation
        self.status = status


def pool_record(document: Document) -> PoolRecord:
    """A ComputePool from its document. One that cannot be read holds no node."""
    metadata = document["metadata"]
    name = metadata["name"]
    try:
        pool = _pool(
            name, ComputePoolSpec.model_validate(document.get("spec") or {}, extra="ignore")
        )
    except ValidationError:
        pool = Pool(name=name, selector={meta.GROUP + "/unreadable-pool": name})
    return PoolRecord(pool, int(metadata.get("generation", 0)), document.get("status") or {})


def _pool(name: str, spec: ComputePoolSpec) -> Pool:
    return Pool(
        name=name,
        selector=spec.node_selector,
        topology_levels=tuple(spec.topology_levels),
        links=tuple(_link(link) for link in spec.topology_links),
        prices=tuple(_price(row) for row in spec.prices),
        price_source=spec.price_source,
        on_premises=tuple(_bought(row) for row in spec.on_premises),
        tolerations=tuple(
            Toleration(t.key, t.value if t.operator is TolerationOperator.EQUAL else None)
            for t in spec.tolerations
        ),
    )


def _link(told: TopologyLink) -> Link:
    bandwidth = told.gigabits_per_second * 1e9 / 8
    return Link(told.level, bandwidth, told.latency_microseconds / 1e6)


def _price(row: Price) -> PriceRow:
    def exact(text: str | None) -> Fraction | None:
        return None if text is None else Fraction(text)

    return PriceRow(
        instance_type=row.instance_type,
        accelerator=row.accelerator,
        capacity=row.capacity_type.capacity,
        usd_per_node_hour=exact(row.usd_per_node_hour),
        usd_per_gpu_hour=exact(row.usd_per_gpu_hour),
    )


def _bought(row: OnPremisesPrice) -> OnPremises:
    return OnPremises(
        usd_per_gpu=Fraction(row.usd_per_gpu),
        years=Fraction(row.depreciation_years),
        watts_per_gpu=row.watts_per_gpu,
        usd_per_kilowatt_hour=Fraction(row.usd_per_kilowatt_hour),
        utilization=Fraction(row.utilization_percent, 100),
        accelerator=row.accelerator,
    )


@dataclass(frozen=True, slots=True)
class QueueRecord:
    """A ComputeQueue with its document's generation and status."""

    queue: Queue
    generation: int
    status: Document


def queue_record(document: Document) -> QueueRecord:
    """A ComputeQueue from its document. One that cannot be read starts nothing, and says so."""
    metadata, status = document["metadata"], document.get("status") or {}
    name = metadata["name"]
    try:
        spec = ComputeQueueSpec.model_validate(document.get("spec") or {}, extra="ignore")
        queue = _queue(name, spec, _history(status))
    except ValidationError as error:
        what = error.errors(include_url=False)[0]
        path = ".".join(["spec", *(str(part) for part in what["loc"])])
        queue = Queue(name=name, fault=f"{path}: {what['msg'].removeprefix('Value error, ')}")
    return QueueRecord(queue, int(metadata.get("generation", 0)), status)


def _queue(name: str, spec: ComputeQueueSpec, history: History | None) -> Queue:
    return Queue(
        name=name,
        parent=spec.parent,
        weight=Fraction(spec.weight),
        nominal={quota.accelerator: quota.gpus for quota in spec.nominal_quota},
        borrowing_limit=spec.borrowing_limit,
        lending_limit=spec.lending_limit,
        reclaim=Reclaim(spec.preemption.reclaim_within_cohort.value),
        within_queue=WithinQueue(spec.preemption.within_queue.value),
        namespace_labels=spec.namespace_selector,
        history=history,
    )


def _history(status: Document) -> History | None:
    """What an operator before this one has written; None where nobody has, or nothing readable."""
    try:
        told = QueueHistory.model_validate(status.get("history") or {})
    except ValidationError:
        return None
    return History(Fraction(told.gpus), told.time.astimezone(UTC))
