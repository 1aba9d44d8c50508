"""Answers of the placement: a closed union that carries its reasons."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.cluster import Capacity, Toleration
from quartermaster.domain.profile import Bound


class Refusal(StrEnum):
    """Why a gang has no place; becomes the condition's reason."""

    NO_CAPACITY = "NoCapacity"
    UNSATISFIABLE = "Unsatisfiable"
    NO_SUCH_POOL = "NoSuchPool"
    NO_SUCH_QUEUE = "NoSuchQueue"
    QUEUE_UNUSABLE = "QueueUnusable"
    NAMESPACE_NOT_ADMITTED = "NamespaceNotAdmitted"
    QUOTA_USED = "QuotaUsed"
    QUOTA_TOO_SMALL = "QuotaTooSmall"
    RESERVED = "Reserved"
    PREEMPTING = "Preempting"
    BUDGET_SPENT = "BudgetSpent"
    DEADLINE_ALLOWS_WAITING = "DeadlineAllowsWaiting"


@dataclass(frozen=True, slots=True)
class RejectedCandidate:
    """A combination that was weighed and not taken."""

    candidate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Assignment:
    """One worker's place."""

    index: int
    node: str
    pool: str
    accelerator: str
    capacity: Capacity
    usd_per_hour: Fraction | None
    """Price of the worker's share of the node; None where it is unknown."""
    tolerations: tuple[Toleration, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """The whole gang has a place."""

    assignments: tuple[Assignment, ...]
    reason: str
    topology_level: str = ""
    rejected: tuple[RejectedCandidate, ...] = ()
    predicted_step_seconds: float | None = None
    """What a step should take there [s]; None where that is not known."""
    bound: Bound | None = None
    """What takes the longest of it."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The gang has no place now."""

    refusal: Refusal
    message: str
    rejected: tuple[RejectedCandidate, ...] = ()


Decision = Placed | Waiting
