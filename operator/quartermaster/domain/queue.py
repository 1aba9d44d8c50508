"""Queues and what their jobs hold, as one cycle sees them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.name import NamespacedName
from quartermaster.domain.resources import Resources
from quartermaster.domain.workload import Gang

UNKNOWN_MODEL = "unknown"
"""What the GPUs of a node are counted as whose labels name no model."""
UNLABELLED = "default"
"""The queue of jobs that name none."""


class Reclaim(StrEnum):
    """From whom a queue takes back what others have borrowed."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"
    ANY = "Any"


class WithinQueue(StrEnum):
    """Whether a job may stop others of its own queue."""

    NEVER = "Never"
    LOWER_PRIORITY = "LowerPriority"


@dataclass(frozen=True, slots=True)
class History:
    """What a queue has used before, decayed."""

    gpus: Fraction
    """Decayed mean of the GPUs held, each counted by its model's value [valued GPUs]."""
    time: datetime
    """When that was so."""


@dataclass(frozen=True, slots=True)
class Queue:
    """A team's share."""

    name: str
    parent: str | None = None
    weight: Fraction = Fraction(1)
    nominal: Mapping[str, int] = field(default_factory=dict)
    """GPUs that it is sure of, by model [count]; absent is none."""
    borrowing_limit: int | None = None
    """GPUs of each model above the nominal quota [count]; None is no limit."""
    lending_limit: int | None = None
    """Idle GPUs of each model that others may use [count]; None is all."""
    reclaim: Reclaim = Reclaim.NEVER
    within_queue: WithinQueue = WithinQueue.NEVER
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of the namespaces whose jobs may use it."""
    unlimited: bool = False
    """Without quotas: the queue of jobs that name none, where nobody has made one."""
    fault: str = ""
    """Why it cannot be used; empty where it can."""
    history: History | None = None

    def admits(self, labels: Mapping[str, str]) -> bool:
        """Whether jobs of a namespace with these labels may use it."""
        return all(labels.get(key) == value for key, value in self.namespace_labels.items())


@dataclass(frozen=True, slots=True)
class Stopped:
    """That a job was told to stop for another one."""

    by: NamespacedName
    """The job that it makes room for."""
    by_uid: str
    why: str
    at: datetime
    """When it was told."""
    places: tuple[tuple[str, int], ...] = ()
    """Where the other one is to go: nodes and workers [count]."""


@dataclass(frozen=True, slots=True)
class Resize:
    """That a job is to go on with another number of workers, or on other nodes."""

    workers: int
    """[count]"""
    why: str
    at: datetime
    """When it was told."""
    places: tuple[tuple[str, int], ...] = ()
    """Nodes and workers [count] that are kept for it; none where any will do."""
    avoids: tuple[str, ...] = ()
    """Nodes that it leaves, since they are taken away or no longer wanted."""

    def leaves(self, nodes: Iterable[str]) -> bool:
        """Whether it has a worker on one of these nodes that is to be elsewhere."""
        there, kept = Counter(nodes), dict(self.places)
        if there.keys() & set(self.avoids):
            return True
        return bool(kept) and any(count > kept.get(node, 0) for node, count in there.items())


@dataclass(frozen=True, slots=True)
class Seat:
    """One worker's place."""

    node: str
    model: str
    """GPU model of the node."""
    leaving: bool = False
    """Whether it was told to go, and is not gone yet."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A job that holds places."""

    key: NamespacedName
    uid: str
    queue: str | None
    """None where another system queues it: it counts for nobody, and nobody stops it."""
    per_worker: Resources
    seats: tuple[Seat, ...]
    priority: int = 0
    started: datetime | None = None
    """When it got its places."""
    remaining_s: float | None = None
    """Time to its end as it looks now [s]; None where that is unknown."""
    lost_s: float = 0.0
    """Work that is lost if it is stopped now: time since its last checkpoint [s]."""
    usd_per_hour: Fraction | None = None
    """Price of all its places [USD/h]; None where one is unknown."""
    stopped_for: str = ""
    """Uid of the job that it was stopped for; empty while it is not."""
    made_room: Mapping[str, int] = field(default_factory=dict)
    """Where that job is to go: workers by node [count]."""
    awaited: int = 0
    """Workers of the gang that have no place at the moment [count]."""
    least: int | None = None
    """Fewest workers with which it runs [count]; None: all that it has."""
    anew: Gang | None = None
    """How it would be placed somewhere else; None where it is not asked, or must not be moved."""
    resizing: bool = False
    """Whether it is on its way to another number of workers: it is not disturbed again."""

    def staying(self) -> "Holding":
        """It without the workers that are on their way out."""
        if not any(seat.leaving for seat in self.seats):
            return self
        return replace(self, seats=tuple(seat for seat in self.seats if not seat.leaving))

    def gpus_by_model(self, *, with_leaving: bool = True) -> dict[str, int]:
        """GPUs that it holds, by model [count].

        Workers that have lost their places count where most of the others are: they will go there,
        and nobody else is to have their quota meanwhile.
        """
        each = self.per_worker.devices
        seats = Counter(s.model for s in self.seats if with_leaving or not s.leaving)
        if not each or not seats:
            return {}
        most = min(seats, key=lambda model: (-seats[model], model))
        seats[most] += self.awaited
        return {model: count * each for model, count in sorted(seats.items())}
