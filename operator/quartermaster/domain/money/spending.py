"""What the ledger's entries add up to, by whatever one asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction


class Dimension(StrEnum):
    """What sums are asked for by."""

    DAY = "day"
    """In UTC, as YYYY-MM-DD."""
    KIND = "kind"
    NAMESPACE = "namespace"
    QUEUE = "queue"
    POOL = "pool"
    GPU = "gpu"
    """GPU model; empty without GPUs."""
    CAPACITY_TYPE = "capacityType"
    PART = "part"
    JOB = "job"
    """Name of the job or service; its namespace is a dimension of its own."""
    NODE = "node"


HOLDERS = frozenset({Dimension.JOB, Dimension.NODE})
"""Dimensions of which there are as many values as there are jobs and nodes."""


@dataclass(frozen=True, slots=True)
class Amounts:
    """Sums over entries."""

    usd: Fraction = Fraction(0)
    """[USD], exact; time without a price is not in it."""
    on_demand_usd: Fraction = Fraction(0)
    """What the same would have cost on demand [USD], exact; where that is unknown, what it cost."""
    held_ms: int = 0
    """Time that was charged, of every pod or machine [ms]."""
    gpu_ms: int = 0
    """It times the GPUs that were held [GPU x ms]."""
    unpriced_ms: int = 0
    """What of `held_ms` has no price [ms]."""

    def __add__(self, other: "Amounts") -> "Amounts":
        return Amounts(
            self.usd + other.usd,
            self.on_demand_usd + other.on_demand_usd,
            self.held_ms + other.held_ms,
            self.gpu_ms + other.gpu_ms,
            self.unpriced_ms + other.unpriced_ms,
        )


@dataclass(frozen=True, slots=True)
class Line:
    """One sum, and what it is of."""

    key: tuple[str, ...]
    """A value for each dimension that was asked for, in that order; empty for what has none."""
    amounts: Amounts


@dataclass(frozen=True, slots=True)
class Sums:
    """Everything since the ledger began, as an exporter wants it. Costs never fall."""

    by_place: Mapping[tuple[str, ...], Amounts] = field(default_factory=dict)
    """By kind, namespace, pool, GPU model and capacity type."""
    by_part: Mapping[tuple[str, ...], Amounts] = field(default_factory=dict)
    """By namespace and part, of jobs."""


PLACE = (
    Dimension.KIND, Dimension.NAMESPACE, Dimension.POOL, Dimension.GPU, Dimension.CAPACITY_TYPE,
)  # fmt: skip
"""Dimensions of `Sums.by_place`."""
PART = (Dimension.NAMESPACE, Dimension.PART)
"""Dimensions of `Sums.by_part`."""
