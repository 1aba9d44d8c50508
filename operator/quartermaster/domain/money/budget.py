"""What may be spent, and what happens when it is."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.name import NamespacedName


class Action(StrEnum):
    """What a threshold does."""

    NOTIFY = "Notify"
    """Events, and nothing else."""
    BLOCK_NEW = "BlockNew"
    """Jobs that have not started yet get no place."""
    SPOT_ONLY = "SpotOnly"
    """Gangs that want a place get it on spot capacity only."""
    SUSPEND = "Suspend"
    """Running jobs save and stop, and nobody gets a place."""


class Period(StrEnum):
    """For how long an amount is, by UTC's calendar."""

    DAY = "Day"
    WEEK = "Week"
    """From Monday."""
    MONTH = "Month"
    TOTAL = "Total"
    """Once and for all."""


@dataclass(frozen=True, slots=True, order=True)
class Threshold:
    """What happens when a part of the amount is spent."""

    percent: int
    """Of the amount [percent]."""
    action: Action


@dataclass(frozen=True, slots=True)
class Budget:
    """An amount for a period, for jobs of one namespace."""

    key: NamespacedName
    uid: str
    created: datetime
    amount: Fraction = Fraction(0)
    """[USD]"""
    period: Period = Period.MONTH
    queue: str | None = None
    """The queue whose jobs count; None counts those of every queue."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels that a job has to have to count."""
    thresholds: tuple[Threshold, ...] = ()
    suspended: bool = False
    """Whether it only counts, and acts on nothing."""
    fault: str = ""
    """Why it cannot be used; empty where it can."""

    def selects(self, namespace: str, queue: str | None, labels: Mapping[str, str]) -> bool:
        """Whether a job counts."""
        if namespace != self.key.namespace or self.fault:
            return False
        if self.queue is not None and queue != self.queue:
            return False
        return all(labels.get(key) == value for key, value in self.labels.items())


@dataclass(frozen=True, slots=True)
class Unfunded:
    """That a job was stopped since its money is spent."""

    by: str
    """`spec.budget` for the job's own limit, or the Budget's namespace and name."""
    why: str
    """In words, for its user."""
    at: datetime
    """When it was told to stop."""
    amount: Fraction = Fraction(0)
    """The limit that it was stopped for [USD]: a higher one lets it go on."""
    reserve: Fraction = Fraction(0)
    """What running costs until it can be stopped again [USD]: so much has to be left to go on."""
