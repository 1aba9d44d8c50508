"""ComputeQueue: a team's share of the GPUs, what it is sure of, and what it may borrow."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from quartermaster.api.base import (
    ABOVE_ZERO,
    ApiModel,
    Decimal9,
    LabelKey,
    LabelValue,
    MapList,
    Name,
)
from quartermaster.api.rule import Keeps, Rule
from quartermaster.api.training_job_status import Condition

KIND = "ComputeQueue"
PLURAL = "computequeues"

DEFAULT_NAME = "default"
"""The queue of jobs that name none; where no ComputeQueue of this name exists, it is unlimited."""

NAME_RULE = Rule(
    message="metadata.name must be at most 63 characters long: jobs name their queue by a label",
    holds=lambda name: len(name) <= 63,
    cel="self.metadata.name.size() <= 63",
)


class ReclaimPolicy(StrEnum):
    """From whom a queue takes back what others have borrowed."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"
    ANY = "Any"


class WithinQueuePolicy(StrEnum):
    """Whether a job may stop others of its own queue."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"


class Quota(ApiModel):
    """What the queue is sure of, of one GPU model."""

    accelerator: Annotated[LabelValue, Field(min_length=1)]
    """GPU model, as `nvidia.com/gpu.product` names it; `unknown` for nodes without that label."""
    gpus: Annotated[int, Field(strict=True, ge=0, le=1_000_000)]
    """GPUs of that model [count]."""


class Preemption(ApiModel):
    """When running jobs are stopped, after a checkpoint, for waiting ones of this queue."""

    reclaim_within_cohort: ReclaimPolicy = ReclaimPolicy.NEVER
    """Whether jobs of other queues that run on borrowed GPUs are stopped for a job of this queue.

    `LowerPriority` stops only those of lower priority than the job."""
    within_queue: WithinQueuePolicy = WithinQueuePolicy.NEVER
    """Whether jobs of this queue are stopped for one of higher priority."""


DISTINCT_MODELS = Rule(
    message="a GPU model has two quotas",
    # The API server tells it from the list's map key.
    holds=lambda quotas: len({quota.accelerator for quota in quotas}) == len(quotas),
)
LIMIT_NEEDS_PARENT = Rule(
    message="borrowingLimit and lendingLimit need parent: "
    "without one there is nobody to borrow from or lend to",
    holds=lambda spec: (
        spec.parent is not None or (spec.borrowing_limit is None and spec.lending_limit is None)
    ),
    cel="has(self.parent) || (!has(self.borrowingLimit) && !has(self.lendingLimit))",
)


class ComputeQueueSpec(ApiModel):
    """How much of the cluster a team may use, and how it stands to other teams."""

    RULES: ClassVar = (LIMIT_NEEDS_PARENT,)

    parent: Name | None = None
    """The queue that this one is a part of; queues with one parent lend each other what is idle."""
    weight: Annotated[Decimal9, Keeps(ABOVE_ZERO)] = "1"
    """Share beside the other queues of the parent: 2 gets twice as much as 1."""
    nominal_quota: Annotated[
        list[Quota], Field(max_length=64), MapList("accelerator"), Keeps(DISTINCT_MODELS)
    ] = Field(default_factory=list)
    """GPUs that the queue is sure of; those of a model that is not listed can only be borrowed."""
    borrowing_limit: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    """GPUs of each model that may be used above the nominal quota [count]; unset is no limit."""
    lending_limit: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] | None = None
    """Idle GPUs of each model that others may borrow [count]; unset lends all."""
    preemption: Preemption = Preemption()
    """When running jobs are stopped for waiting ones of this queue."""
    namespace_selector: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Labels of the namespaces whose jobs may use the queue; empty takes every namespace."""


class QueueUsage(ApiModel):
    """What the queue holds of one GPU model."""

    accelerator: Annotated[str, Field(max_length=63)]
    """GPU model."""
    gpus: Annotated[int, Field(ge=0)]
    """GPUs that jobs of this queue and of the queues below it hold [count]."""
    nominal: Annotated[int, Field(ge=0)] = 0
    """GPUs that the queue and those below it are sure of [count]."""
    borrowed: Annotated[int, Field(ge=0)] = 0
    """Of those held, the ones above the nominal quota [count]."""


class QueueHistory(ApiModel):
    """What the queue has used, the older the less: it halves with the half-life."""

    gpus: Decimal9
    """Decayed mean of the GPUs held, each counted by its model's value [valued GPUs]."""
    time: datetime
    """When it was computed."""


class ComputeQueueStatus(ApiModel):
    """How the queue stands."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status is about."""
    conditions: Annotated[list[Condition], Field(max_length=8), MapList("type")] = Field(
        default_factory=list
    )
    """The latest observations: Active."""
    pending: Annotated[int, Field(ge=0)] = 0
    """Jobs of this queue that wait [count]."""
    admitted: Annotated[int, Field(ge=0)] = 0
    """Jobs of this queue that hold nodes [count]."""
    usage: Annotated[list[QueueUsage], Field(max_length=64), MapList("accelerator")] = Field(
        default_factory=list
    )
    """What the queue and those below it hold, by GPU model."""
    fair_share: Decimal9 | None = None
    """Used part of the cluster's GPUs by value, over the weight; the lowest is served first."""
    history: QueueHistory | None = None
    """What has been used before, for the share; unset where it does not count."""
