"""Where money could be saved, by what the ledger has seen: how much, and why.

Each saving is of the period that the sums are of. They overlap: a job that waits for data on demand
could do better at both, but not by their sum.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.ledger import Kind, Part
from quartermaster.domain.money.spending import Dimension, Line
from quartermaster.units import usd as usd_of

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
"""Of a step: below, more loading workers of the same kind do."""

LEAST_GAIN = Fraction(1, 10)
"""Of a job's cost: predictions are not so good that less would count."""
MILLISECONDS_PER_HOUR = 3_600_000
Name = tuple[str, str]
"""Namespace and job."""
Steps = Mapping[str, float]
"""What a step takes by GPU model [s]."""
NO_STEPS: Mapping[Name, Steps] = {}


class Saving(StrEnum):
    """What could be done."""

    IDLE = "IdleGpus"
    OVERSIZED = "Oversized"
    SPOT = "Spot"
    OTHER_GPU = "OtherGpu"


@dataclass(frozen=True, slots=True)
class Advice:
    """One way to save."""

    namespace: str
    job: str
    saving: Saving
    usd: Fraction
    """What the period would have cost less [USD], at most."""
    why: str


def advise(
    lines: Sequence[Line],
    data_wait: Mapping[Name, Fraction],
    steps: Mapping[Name, Steps] = NO_STEPS,
) -> list[Advice]:
    """What could be saved, the most first.

    Args:
        lines: Sums by `NEEDED`.
        data_wait: Share of a step in which a job waits for its data, 0 to 1, where it is known.
        steps: What a step of a job takes on GPU models that hold it [s], where that is known.
    """
    jobs = [line for line in lines if line.key[3] == Kind.JOB]
    found = [
        *_idle(jobs),
        *_oversized(jobs, data_wait),
        *_spot(jobs),
        *_other_gpu(jobs, gpu_prices(lines), steps),
    ]
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


def _oversized(jobs: Iterable[Line], data_wait: Mapping[Name, Fraction]) -> Iterable[Advice]:
    useful = _by_job(line for line in jobs if line.key[4] == Part.USEFUL)
    for name, usd in useful.items():
        share = data_wait.get(name, Fraction(0))
        if share >= LEAST_WAIT:
            why = (
                f"its steps wait for data {_percent(share)} of the time: fewer or smaller GPUs, or "
                "faster loading, would do"
            )
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


def gpu_prices(lines: Iterable[Line]) -> dict[str, Fraction]:
    """What an hour of a GPU costs on demand, by model, as nodes were charged [USD/h].

    Of all nodes that there were, also of those that nobody used. Models of which some time has no
    price are left out.
    """
    usd: dict[str, Fraction] = {}
    milliseconds: dict[str, int] = {}
    unpriced: set[str] = set()
    for line in lines:
        gpu, amounts = line.key[2], line.amounts
        usd[gpu] = usd.get(gpu, Fraction(0)) + amounts.on_demand_usd
        milliseconds[gpu] = milliseconds.get(gpu, 0) + amounts.gpu_ms
        if amounts.unpriced_ms:
            unpriced.add(gpu)
    return {
        gpu: total / Fraction(milliseconds[gpu], MILLISECONDS_PER_HOUR)
        for gpu, total in usd.items()
        if gpu and gpu not in unpriced and milliseconds[gpu] and total > 0
    }


def _other_gpu(
    jobs: Sequence[Line], prices: Mapping[str, Fraction], steps: Mapping[Name, Steps]
) -> Iterable[Advice]:
    """The GPU model on which a job's work costs least: price times the time of a step."""
    for gpu in sorted({line.key[2] for line in jobs}):
        here = _by_job(line for line in jobs if line.key[2] == gpu)
        for name, usd in here.items():
            costs = {
                model: prices[model] * Fraction(seconds)
                for model, seconds in steps.get(name, {}).items()
                if model in prices
            }
            if gpu not in costs:
                continue
            best = min(costs, key=lambda model: (costs[model], model))
            ratio = costs[best] / costs[gpu]
            if ratio > 1 - LEAST_GAIN:
                continue
            slower = Fraction(steps[name][best]) / Fraction(steps[name][gpu])
            why = (
                f"a step on {best} should take {float(slower):.2f} times as long as on {gpu}, at "
                f"{usd_of(prices[best], 2)} and not {usd_of(prices[gpu], 2)} USD an hour of a GPU"
            )
            yield Advice(*name, Saving.OTHER_GPU, usd * (1 - ratio), why)


def _by_job(lines: Iterable[Line]) -> dict[Name, Fraction]:
    sums: dict[Name, Fraction] = {}
    for line in lines:
        name = line.key[0], line.key[1]
        sums[name] = sums.get(name, Fraction(0)) + line.amounts.usd
    return sums


def _percent(share: Fraction) -> str:
    return f"{round(share * 100)} %"
