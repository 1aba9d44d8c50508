"""Where money could be saved, by what the ledger has seen: how much, and why.

Each saving is of the period that the sums are of. They overlap: a job that waits for data on demand
could do better at both, but not by their sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction

from quartermaster.decide.cost.ledger.other_gpu import (
    GIB,
    Alternative,
    Machine,
    Paid,
    Subject,
    cheapest,
)
from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.ledger import Kind, Part
from quartermaster.domain.money.spending import Amounts, Dimension, Line
from quartermaster.units import usd as rounded

NEEDED = (
    Dimension.NAMESPACE, Dimension.JOB, Dimension.GPU, Dimension.KIND, Dimension.PART,
    Dimension.CAPACITY_TYPE,
)  # fmt: skip
"""What lines have to be by."""
LEAST_USD = Fraction(1)
"""Below this nobody's time is worth it."""
LEAST_IDLE = Fraction(1, 10)
"""Of a job's cost: below, it is starts and ends."""
LEAST_WAIT = Fraction(1, 5)
"""Of a step: below, more loading workers of the same kind do, or nothing does."""
MS_PER_HOUR = 3_600_000

Name = tuple[str, str]
"""Namespace and job."""


class Saving(StrEnum):
    """What could be done."""

    IDLE = "IdleGpus"
    OVERSIZED = "Oversized"
    GPU = "OtherGpu"
    SPOT = "Spot"


@dataclass(frozen=True, slots=True)
class Advice:
    """One way to save."""

    namespace: str
    job: str
    saving: Saving
    usd: Fraction
    """What the period would have cost less [USD], at most."""
    why: str


@dataclass(frozen=True, slots=True)
class Waits:
    """Shares of a step in which a job waits, 0 to 1."""

    data: Fraction = Fraction(0)
    """For its samples."""
    communication: Fraction = Fraction(0)
    """For other processes, while it computes nothing."""


@dataclass(frozen=True, slots=True)
class Market:
    """What other GPUs are weighed by."""

    subjects: Mapping[Name, Subject] = field(default_factory=dict)
    """Jobs of whose steps enough is known."""
    machines: Sequence[Machine] = ()
    hardware: Hardware = NOTHING_KNOWN


NO_MARKET = Market()


def advise(
    lines: Sequence[Line], waits: Mapping[Name, Waits], market: Market = NO_MARKET
) -> list[Advice]:
    """What could be saved, the most first.

    Args:
        lines: Sums by `NEEDED`.
        waits: How much of a step a job waits, where it is known.
        market: Other GPUs.
    """
    jobs = [line for line in lines if line.key[3] == Kind.JOB]
    found = [*_idle(jobs), *_oversized(jobs, waits), *_spot(jobs), *_other_gpu(jobs, market)]
    worth = (advice for advice in found if advice.usd >= LEAST_USD)
    return sorted(worth, key=lambda it: (-it.usd, it.namespace, it.job, it.saving))


def spot_ratio(jobs: Iterable[Line], gpu: str) -> Fraction | None:
    """What spot has cost over what the same work would have on demand; None where none ran.

    Rework and recovery are paid for and not part of the work, so interruptions are in it.
    """
    paid = work = Fraction(0)
    for line in jobs:
        if line.key[2] == gpu and line.key[5] == Capacity.SPOT:
            paid += line.amounts.usd
            work += (
                Fraction(0) if line.key[4] in NOT_NEEDED_ON_DEMAND else line.amounts.on_demand_usd
            )
    return paid / work if work else None


def _idle(jobs: Sequence[Line]) -> Iterable[Advice]:
    everything, idle = _by_job(jobs), _by_job(line for line in jobs if line.key[4] == Part.IDLE)
    for name, usd in idle.items():
        share = usd / everything[name] if everything[name] else Fraction(0)
        if share >= LEAST_IDLE:
            why = f"its GPUs computed next to nothing for {_percent(share)} of what it cost"
            yield Advice(*name, Saving.IDLE, usd, why)


def _oversized(jobs: Iterable[Line], waits: Mapping[Name, Waits]) -> Iterable[Advice]:
    useful = _by_job(line for line in jobs if line.key[4] == Part.USEFUL)
    for name, usd in useful.items():
        told = waits.get(name, Waits())
        for share, what in (
            (told.data, "data {} of the time: fewer or smaller GPUs, or faster loading, would do"),
            (
                told.communication,
                "other workers {} of the time: fewer workers, or nodes with faster links, would do",
            ),
        ):
            if share >= LEAST_WAIT:
                why = "its steps wait for " + what.format(_percent(share))
                yield Advice(*name, Saving.OVERSIZED, usd * share, why)


def _spot(jobs: Sequence[Line]) -> Iterable[Advice]:
    for gpu in sorted({line.key[2] for line in jobs}):
        ratio = spot_ratio(jobs, gpu)
        if ratio is None or ratio >= 1:
            continue
        here = [line for line in jobs if line.key[2] == gpu and line.key[5] == Capacity.ON_DEMAND]
        for name, usd in _by_job(here).items():
            why = (
                f"it ran on demand; on spot {gpu or 'nodes without GPUs'} cost "
                f"{_percent(ratio)} of that, interruptions included"
            )
            yield Advice(*name, Saving.SPOT, usd * (1 - ratio), why)


def _other_gpu(jobs: Iterable[Line], market: Market) -> Iterable[Advice]:
    paid: dict[tuple[Name, str, str], Amounts] = {}
    useful: dict[tuple[Name, str, str], Fraction] = {}
    for line in jobs:
        name = line.key[0], line.key[1]
        if name in market.subjects:
            key = name, line.key[2], line.key[5]
            paid[key] = paid.get(key, Amounts()) + line.amounts
            more = line.amounts.usd if line.key[4] == Part.USEFUL else Fraction(0)
            useful[key] = useful.get(key, Fraction(0)) + more
    for key, amounts in paid.items():
        name, gpu, capacity = key
        # Where part of the time has no price, the price of an hour is not known.
        if amounts.unpriced_ms or not amounts.gpu_ms:
            continue
        hours = Fraction(amounts.gpu_ms, MS_PER_HOUR)
        subject, rate = market.subjects[name], amounts.usd / hours
        found = cheapest(subject, Paid(gpu, capacity, rate), market.machines, market.hardware)
        if found is not None:
            why = _why_other(subject, gpu, hours, rate, found)
            yield Advice(*name, Saving.GPU, useful[key] * (1 - found.cost), why)


def _why_other(job: Subject, gpu: str, hours: Fraction, rate: Fraction, found: Alternative) -> str:
    machine = found.machine
    held = max(1, round(job.memory_per_gpu / GIB))
    return (
        f"{rounded(hours, 1)} GPU h on {gpu} at {rounded(rate, 2)} USD, {held} GiB of memory used, "
        f"bound by {job.bound.value.lower()}: {machine.accelerator.name} at "
        f"{rounded(found.usd_per_gpu_hour, 2)} USD ({machine.where}) is predicted to take "
        f"{rounded(found.longer, 1)} times as long and to cost {_percent(1 - found.cost)} less"
    )


def _by_job(lines: Iterable[Line]) -> dict[Name, Fraction]:
    sums: dict[Name, Fraction] = {}
    for line in lines:
        name = line.key[0], line.key[1]
        sums[name] = sums.get(name, Fraction(0)) + line.amounts.usd
    return sums


def _percent(share: Fraction) -> str:
    return f"{round(share * 100)} %"
