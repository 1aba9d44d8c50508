"""One worker pod, as Kubernetes reports it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.money.ledger import Held
from quartermaster.domain.name import NamespacedName


class Phase(StrEnum):
    """A pod's phase."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Exit:
    """How a worker's container ended."""

    code: int
    reason: str = ""
    """The runtime's word: Completed, Error, OOMKilled."""
    message: str = ""
    """What the container left in its termination log, or its last lines."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker pod."""

    key: NamespacedName
    uid: str
    job_uid: str
    index: int
    created: datetime
    phase: Phase = Phase.PENDING
    gates: tuple[str, ...] = ()
    """Names of the scheduling gates that are still on."""
    node: str | None = None
    """Where it is bound, or placed and not yet bound."""
    bound: datetime | None = None
    """When the scheduler bound it."""
    started: datetime | None = None
    """When its container started to run."""
    ended: datetime | None = None
    """When its container ended."""
    exit: Exit | None = None
    deleting: datetime | None = None
    """When its grace is over; None while nobody has deleted it."""
    disrupted: datetime | None = None
    """When Kubernetes ended it for a reason of its own: eviction, preemption, a lost node."""
    held_up: tuple[str, str] | None = None
    """Why its container does not start: the kubelet's reason and message."""
    unschedulable: str = ""
    """Why the scheduler has not bound it."""
    unschedulable_since: datetime | None = None
    usd_per_hour: Fraction | None = None
    """Price of its share of the node when it was placed; None where it is unknown."""
    repriced: tuple[tuple[datetime, Fraction | None], ...] = ()
    """Later prices, each with the time from which it is in force, the earliest first."""
    held: Held | None = None
    """What it holds; None where nobody has noted it."""
    job_name: str = ""
    """The TrainingJob's name, in the pod's namespace."""
    accounted: bool = True
    """Whether its accounting finalizer is still on: it is charged before it goes."""

    @property
    def usd_per_hour_now(self) -> Fraction | None:
        """The price in force of its share of the node [USD/h]; None where it is unknown."""
        return self.repriced[-1][1] if self.repriced else self.usd_per_hour

    @property
    def over(self) -> bool:
        """Whether it has ended, well or not."""
        return self.phase in (Phase.SUCCEEDED, Phase.FAILED)

    @property
    def settled(self) -> bool:
        """Whether nothing more can come of it: it is over, or was deleted before it was bound."""
        return self.over or (self.deleting is not None and self.bound is None)

    @property
    def live(self) -> bool:
        """Whether it is to run, or runs, and nobody has deleted it."""
        return not self.over and self.deleting is None


@dataclass(frozen=True, slots=True)
class ChildJob:
    """The Indexed Job that creates a TrainingJob's pods."""

    key: NamespacedName
    uid: str
    owner_uid: str
    workers: int = 1
    """Pods that it keeps [count]: of an elastic gang, as many as it has at present."""
    suspended: bool = False
    complete: bool = False
    failed: tuple[str, str] | None = None
    """The Failed condition's reason and message."""
    ended: datetime | None = None
    """When it completed or failed."""
    deleting: bool = False
