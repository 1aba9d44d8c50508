"""Who was on which node when, as far as Kubernetes still shows it."""

from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from quartermaster.domain.money.ledger import Machine, Owner


@dataclass(frozen=True, slots=True)
class Price:
    """What a whole node costs from a moment on."""

    since: datetime
    usd_per_hour: Fraction | None
    """[USD/h]; None where it is unknown."""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Presence:
    """A node and the time for which it has to be paid."""

    machine: Machine
    uid: str
    """Tells a node from a later one of the same name."""
    began: datetime
    ended: datetime | None
    """None while it is there."""
    gpus: Fraction
    """GPUs that it has [count]."""
    prices: tuple[Price, ...]
    """A step function of time, the oldest first; before the first it is unknown."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A share of a node that somebody held."""

    owner: Owner
    node: str
    began: datetime
    ended: datetime | None
    """None while it is held."""
    gpus: Fraction
    """[count]"""
    share: Fraction
    """Of the node, 0 to 1; those of one moment add up to at most 1."""
    usd_per_hour: Fraction | None = None
    """What jobs and services have agreed to pay [USD/h], a whole number of billionths; None where
    it is unknown. Others pay their share of the node's price, and it is not looked at."""
    repriced: tuple[tuple[datetime, Fraction | None], ...] = ()
    """What they agreed to later, each with the time from which it is in force, the earliest first
    [USD/h]."""

    def rate_at(self, moment: datetime) -> Fraction | None:
        """What a job or service pays at a moment while it holds it [USD/h]; None where unknown."""
        later = (rate for since, rate in reversed(self.repriced) if since <= moment)
        return next(later, self.usd_per_hour)
