"""Gangs, candidates and prices in words."""

from fractions import Fraction

from quartermaster.catalog import partitions
from quartermaster.catalog.device_classes import class_of
from quartermaster.decide.placement.candidates import Candidate
from quartermaster.decide.placement.kinds import Mixture
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.workload import Gang
from quartermaster.units import usd

_CAPACITY_WORDS = {Capacity.SPOT: "spot", Capacity.ON_DEMAND: "on-demand", Capacity.UNKNOWN: ""}


def worker_needs(gang: Gang) -> str:
    """What is asked for: `2 workers of 1 GPU, 1 CPU, 4.0 GiB`."""
    per = gang.per_worker
    gpus = f"{per.gpus} GPU{'s' if per.gpus != 1 else ''}, " if per.gpus else ""
    gpus += "".join(f"{count} x {_part(name)}, " for name, count in per.parts)
    workers = f"{gang.size} worker{'s' if gang.size != 1 else ''}"
    return f"{workers} of {gpus}{per.cpu_m / 1000:g} CPU, {per.memory / 2**30:.3g} GiB"


def describe(candidate: Candidate, gang: Gang) -> str:
    """A candidate in short: `2 x Tesla-T4 spot in us-east-1b`."""
    kind = candidate.kind
    if candidate.kind.mixture is Mixture.MODELS:
        what = _mixture(candidate, gang) or "any GPU models together"
    else:
        what = _what(candidate.wanted, gang, kind.accelerator or "", kind.capacity)
    machine = f" ({kind.instance_type})" if kind.instance_type else ""
    where = f" in {candidate.domain.value}" if candidate.domain.value else ""
    return f"{what}{machine}{where}"


def _mixture(candidate: Candidate, gang: Gang) -> str:
    counts: dict[tuple[str, Capacity], int] = {}
    for slot, count in candidate.places:
        key = (slot.node.accelerator, slot.node.capacity)
        counts[key] = counts.get(key, 0) + count
    return " + ".join(
        _what(count, gang, model, capacity) for (model, capacity), count in sorted(counts.items())
    )


def _what(workers: int, gang: Gang, accelerator: str, capacity: Capacity | None) -> str:
    number = workers * max(1, gang.per_worker.devices)
    parts = [name for name, _ in gang.per_worker.parts if not class_of(name)]
    classes = [name for name, _ in gang.per_worker.parts if class_of(name)]
    of = "".join(f"{_named(name)} of " for name in parts)
    words = [
        f"{number} x {of}{accelerator or ('a GPU' if parts or classes else 'CPU worker')}",
        _CAPACITY_WORDS.get(capacity, "") if capacity else "mixed",
    ]
    return " ".join(word for word in words if word)


def _part(resource: str) -> str:
    """What a job asks for: `1g.10gb of a GPU`, or `device of gpu.nvidia.com`."""
    if name := class_of(resource):
        return f"device of {name}"
    return f"{_named(resource)} of a GPU"


def _named(resource: str) -> str:
    """A part of a GPU as the job asks for it: `1g.10gb`, or `slot`."""
    name = partitions.partition(resource)
    return "slot" if name in partitions.SLOTS else name


def price(rate: Fraction | None) -> str:
    """A gang's price in words."""
    return "price unknown" if rate is None else f"{usd(rate, 3)} USD/h"
