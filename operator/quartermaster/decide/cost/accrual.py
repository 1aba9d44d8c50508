"""What a job has cost: the sum of rate times time over what its pods held."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction

from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.decide.cost.rates import charge
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.ledger import Entry, Part
from quartermaster.domain.money.stretch import NO_TIME
from quartermaster.domain.worker import Worker

NEWS_LAG = timedelta(seconds=3)
"""A pod's end is known this long after it: billing what runs only up to then keeps a bill from
falling when the end turns out to lie in the past."""
NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Account:
    """What a job's pods that are over add up to."""

    accrued: Fraction = NOTHING
    """[USD], exact; the sum of the parts"""
    segments: int = 0
    """Pods that were charged [count]."""
    unpriced: timedelta = NO_TIME
    """Pod time without a price."""
    parts: Mapping[Part, Fraction] = field(default_factory=dict)
    """[USD] by what it went into, exact"""
    times: Mapping[Part, timedelta] = field(default_factory=dict)
    """Pod time by what it went into."""
    on_demand: Fraction = NOTHING
    """What the same work would have cost on demand, undisturbed [USD], exact."""
    not_comparable: timedelta = NO_TIME
    """Pod time of which nobody knows what it costs on demand."""
    spot_paid: Fraction = NOTHING
    """Of `accrued`, on spot nodes [USD], exact."""


@dataclass(frozen=True, slots=True)
class Bill:
    """What a job has cost at one moment; None where a price that an amount needs is unknown."""

    account: Account
    """With what still runs."""
    on_spot: bool
    """Whether any of it was on spot nodes."""

    @property
    def total(self) -> Fraction | None:
        """What has been spent [USD]."""
        return None if self.account.unpriced else self.account.accrued

    @property
    def lost(self) -> Fraction | None:
        """Rework and recovery [USD]."""
        if self.account.unpriced:
            return None
        parts = self.account.parts
        return sum((parts.get(part, NOTHING) for part in NOT_NEEDED_ON_DEMAND), NOTHING)

    @property
    def on_demand(self) -> Fraction | None:
        """What the same work would have cost on demand, undisturbed [USD]."""
        return None if self.account.not_comparable else self.account.on_demand

    @property
    def saved(self) -> Fraction | None:
        """What spot saved, net of what interruptions cost [USD]; below zero where it did not pay.

        On demand the same work would have had no rework and no recovery, so what they cost counts
        against spot wherever it was spent. None, too, where nothing was on spot nodes.
        """
        unknown = self.account.unpriced or self.account.not_comparable
        if unknown or not self.on_spot:
            return None
        return self.account.on_demand - self.account.accrued


def with_pod(account: Account, entries: Sequence[Entry]) -> Account:
    """The account with all that one pod held."""
    return _with_entries(account, entries, pods=1)


def bill(account: Account, running: Iterable[Sequence[Entry]]) -> Bill:
    """What has been charged, and what runs as if it were charged now.

    Args:
        account: Of the pods that are over.
        running: What each pod that is not over has held up to now.
    """
    on_spot = account.spot_paid > 0
    for entries in running:
        on_spot = on_spot or any(map(_is_spot, entries))
        account = _with_entries(account, entries, pods=0)
    return Bill(account, on_spot)


def rate(workers: Iterable[Worker]) -> Fraction | None:
    """What pods cost an hour together at present [USD/h]; None while one of them has no price."""
    total = NOTHING
    for worker in workers:
        if worker.usd_per_hour_now is None:
            return None
        total += worker.usd_per_hour_now
    return total


def _with_entries(account: Account, entries: Sequence[Entry], *, pods: int) -> Account:
    parts, times = dict(account.parts), dict(account.times)
    paid, compared, spot_paid = NOTHING, NOTHING, NOTHING
    unpriced, not_comparable = NO_TIME, NO_TIME
    for entry in entries:
        part = entry.part or Part.OTHER
        cost = charge(entry.usd_per_hour, entry.charged)
        other = NOTHING
        if part not in NOT_NEEDED_ON_DEMAND:
            known = charge(entry.on_demand_usd_per_hour, entry.charged)
            other, not_comparable = (
                (NOTHING, not_comparable + entry.charged)
                if known is None
                else (known, not_comparable)
            )
        unpriced += entry.charged if cost is None else NO_TIME
        parts[part] = parts.get(part, NOTHING) + (cost or NOTHING)
        times[part] = times.get(part, NO_TIME) + entry.charged
        paid, compared = paid + (cost or NOTHING), compared + other
        if _is_spot(entry):
            spot_paid += cost or NOTHING
    return Account(
        accrued=account.accrued + paid,
        segments=account.segments + pods,
        unpriced=account.unpriced + unpriced,
        parts=parts,
        times=times,
        on_demand=account.on_demand + compared,
        not_comparable=account.not_comparable + not_comparable,
        spot_paid=account.spot_paid + spot_paid,
    )


def _is_spot(entry: Entry) -> bool:
    return entry.machine.capacity_type == Capacity.SPOT
