"""Decisions in words, for the person who waits."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from quartermaster.decide.placement.candidates import Candidate, Mixture
from quartermaster.decide.placement.fit import LASTING, NodeRefusal, Slot
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.decision import RejectedCandidate
from quartermaster.domain.workload import Gang, TopologyMode
from quartermaster.units import usd

MAX_REJECTED = 5
_CAPACITY_WORDS = {Capacity.SPOT: "spot", Capacity.ON_DEMAND: "on-demand", Capacity.UNKNOWN: ""}


def worker_needs(gang: Gang) -> str:
    """What is asked for: `2 workers of 1 GPU, 1 CPU, 4.0 GiB`."""
    per = gang.per_worker
    gpus = f"{per.gpus} GPU{'s' if per.gpus != 1 else ''}, " if per.gpus else ""
    workers = f"{gang.size} worker{'s' if gang.size != 1 else ''}"
    return f"{workers} of {gpus}{per.cpu_m / 1000:g} CPU, {per.memory / 2**30:.3g} GiB"


def describe(candidate: Candidate, gang: Gang) -> str:
    """A candidate in short: `2 x Tesla-T4 spot in us-east-1b`."""
    kind = candidate.kind
    if candidate.kind.mixture is Mixture.MODELS:
        what = _mixture(candidate, gang) or "any GPU models together"
    else:
        what = _what(candidate.wanted, gang, kind.accelerator or "", kind.capacity)
    where = f" in {candidate.domain.value}" if candidate.domain.value else ""
    return f"{what}{where}"


def _mixture(candidate: Candidate, gang: Gang) -> str:
    counts: dict[tuple[str, Capacity], int] = {}
    for slot, count in candidate.places:
        key = (slot.node.accelerator, slot.node.capacity)
        counts[key] = counts.get(key, 0) + count
    return " + ".join(
        _what(count, gang, model, capacity) for (model, capacity), count in sorted(counts.items())
    )


def _what(workers: int, gang: Gang, accelerator: str, capacity: Capacity | None) -> str:
    number = workers * max(1, gang.per_worker.gpus)
    words = [
        f"{number} x {accelerator or 'CPU worker'}",
        _CAPACITY_WORDS.get(capacity, "") if capacity else "mixed",
    ]
    return " ".join(word for word in words if word)


def price(rate: Fraction | None) -> str:
    """A gang's price in words."""
    return "price unknown" if rate is None else f"{usd(rate, 3)} USD/h"


def why_chosen(chosen: Candidate, others: Iterable[Candidate], gang: Gang) -> str:
    """One sentence on the chosen candidate and what spoke for it."""
    nodes = len(chosen.places)
    parts = [
        f"{describe(chosen, gang)} on {nodes} node{'s' if nodes != 1 else ''}, {price(chosen.rate)}"
    ]
    parts.append(_deciding_point(chosen, [other for other in others if other.fits]))
    if not chosen.domain.level and gang.topology is TopologyMode.PREFERRED and nodes > 1:
        parts.append("spans topology domains")
    return "; ".join(part for part in parts if part)


def _deciding_point(chosen: Candidate, fitting: list[Candidate]) -> str:
    if not fitting:
        return "the only combination that fits now"
    if chosen.rate is None:
        return "chosen by locality, since its price is unknown"
    dearer = [c.rate for c in fitting if c.rate is not None and c.rate > chosen.rate]
    if dearer and len(dearer) == len(fitting):
        return f"the cheapest of {len(fitting) + 1} combinations that fit"
    if chosen.kind.mixture is Mixture.UNIFORM and any(
        c.kind.mixture is not Mixture.UNIFORM for c in fitting
    ):
        return "the cheapest with equal GPUs"
    return "the best located of the cheapest"


def rejected(
    chosen: Candidate | None, others: Iterable[Candidate], gang: Gang
) -> tuple[RejectedCandidate, ...]:
    """Up to five other candidates, one for each kind, with the number that spoke against it."""
    best: dict[str, Candidate] = {}
    for other in others:
        if chosen is not None and _places(other) == _places(chosen):
            continue
        # The same nodes seen through a wider domain are no second candidate.
        text = next((t for t, o in best.items() if _places(o) == _places(other)), "")
        if not text:
            best[describe(other, gang)] = other
    ranked = sorted(
        best.items(),
        key=lambda item: (not item[1].fits, -item[1].placed, item[1].rate or 0, item[0]),
    )
    return tuple(
        RejectedCandidate(text[:256], _against(other, chosen))
        for text, other in ranked[:MAX_REJECTED]
    )


def _places(candidate: Candidate) -> frozenset[tuple[str, int]]:
    return frozenset((slot.node.name, count) for slot, count in candidate.places)


def _against(other: Candidate, chosen: Candidate | None) -> str:
    if not other.fits:
        return f"only {other.placed} of {other.wanted} workers fit now"
    if chosen is None or chosen.rate is None:
        return "farther apart"
    if other.rate is None:
        return "price unknown"
    if other.rate > chosen.rate > 0:
        return f"{float(other.rate / chosen.rate):.2f} x the cost ({price(other.rate)})"
    if other.kind.mixture > chosen.kind.mixture:
        return f"mixes unequal GPUs, so the fast wait for the slow ({price(other.rate)})"
    return f"same cost, farther apart ({price(other.rate)})"


def why_waiting(gang: Gang, slots: Iterable[Slot], refused: Mapping[NodeRefusal, int]) -> str:
    """Why the gang has no place, and what would give it one."""
    usable = list(slots)
    free = sum(slot.free for slot in usable)
    whole = sum(slot.whole for slot in usable)
    passing = ", ".join(_count(reason, n) for reason, n in refused.items() if reason not in LASTING)
    lasting = ", ".join(_count(reason, n) for reason, n in refused.items() if reason in LASTING)
    head = f"{worker_needs(gang)} wanted"
    if gang.topology is TopologyMode.REQUIRED:
        head += f" in one {gang.topology_level or 'topology domain'}"
    if whole >= gang.size and gang.topology is not TopologyMode.REQUIRED:
        tail = (
            f"{free} fit now, {whole} would fit on the usable nodes if nothing else ran: "
            f"starts when {gang.size - free} more fit"
        )
    elif gang.topology is TopologyMode.REQUIRED and whole >= gang.size:
        tail = f"{free} fit now over all domains, no single one has room for all"
    else:
        nodes = f"{len(usable)} usable node{'s' if len(usable) != 1 else ''}"
        tail = f"only {whole} would ever fit on the {nodes}"
    notes = "; ".join(note for note in (passing, lasting) if note)
    return f"{head}: {tail}" + (f" ({notes})" if notes else "")


def _count(reason: NodeRefusal, number: int) -> str:
    return f"{number} node{'s' if number != 1 else ''} {reason.value}"
