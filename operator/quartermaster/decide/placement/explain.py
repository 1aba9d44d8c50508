"""Decisions in words, for the person who waits."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from quartermaster.decide.placement import comparison, spare
from quartermaster.decide.placement.candidates import Candidate, Mixture
from quartermaster.decide.placement.fit import LASTING, NodeRefusal, Slot
from quartermaster.decide.placement.naming import describe, price, worker_needs
from quartermaster.decide.placement.rank import Weighed
from quartermaster.domain.decision import RejectedCandidate
from quartermaster.domain.workload import Gang, TopologyMode

MAX_REJECTED = 5


def why_chosen(chosen: Weighed, others: Sequence[Weighed], gang: Gang) -> str:
    """One sentence on the chosen candidate and what spoke for it."""
    candidate = chosen.candidate
    nodes = len(candidate.places)
    on = f"on {nodes} node{'s' if nodes != 1 else ''}"
    distinct = [it for it in others if _places(it.candidate) != _places(candidate)]
    parts = [f"{describe(candidate, gang)} {on}, {price(candidate.rate)}"]
    fitting = [it.candidate for it in distinct if it.candidate.fits]
    if chosen.cost is None:
        parts.append(_deciding_point(candidate, fitting))
    else:
        parts.append(comparison.deciding_point(chosen, distinct, gang))
    if chosen.forecast is not None:
        parts.append(comparison.bound(chosen, distinct, gang))
    if not candidate.domain.level and gang.topology is TopologyMode.PREFERRED and nodes > 1:
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
    chosen: Weighed | None, others: Iterable[Weighed], gang: Gang
) -> tuple[RejectedCandidate, ...]:
    """Up to five other candidates, one for each kind, with the number that spoke against it."""
    found: dict[str, Weighed] = {}
    seen: set[frozenset[tuple[str, int]]] = set()
    own = None if chosen is None else _places(chosen.candidate)
    for other in others:
        places = _places(other.candidate)
        # The same nodes seen through a wider domain are no second candidate.
        if places == own or places in seen:
            continue
        text = describe(other.candidate, gang)
        if text in found:
            seen.discard(_places(found[text].candidate))
        found[text] = other
        seen.add(places)
    ranked = sorted(found.items(), key=lambda item: (*_likeness(item[1]), item[0]))
    return tuple(
        RejectedCandidate(text[:256], _against(other, chosen)[:512])
        for text, other in ranked[:MAX_REJECTED]
    )


def _likeness(other: Weighed) -> tuple[bool, int, bool, bool, float | Fraction]:
    """The whole gangs first, of these what is known, of these equal GPUs, then the least cost."""
    candidate = other.candidate
    known = other.cost is not None
    mixed = known and candidate.kind.mixture is Mixture.MODELS
    value = (candidate.rate or 0) if other.cost is None else other.cost
    return (not candidate.fits, -candidate.placed, not known, mixed, value)


def _places(candidate: Candidate) -> frozenset[tuple[str, int]]:
    return frozenset((slot.node.name, count) for slot, count in candidate.places)


def _against(other: Weighed, chosen: Weighed | None) -> str:
    if not other.candidate.fits:
        return f"only {other.candidate.placed} of {other.candidate.wanted} workers fit now"
    if chosen is None:
        return "farther apart"
    if chosen.forecast is not None:
        return comparison.against(other, chosen)
    return _dearer(other.candidate, chosen.candidate)


def _dearer(other: Candidate, chosen: Candidate) -> str:
    if chosen.rate is None:
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
    notes = "; ".join(note for note in (_kept(usable), passing, lasting) if note)
    return f"{head}: {tail}" + (f" ({notes})" if notes else "")


def _kept(slots: Sequence[Slot]) -> str:
    kept = sum(slot.kept for slot in slots)
    return f"{kept} node{'s' if kept != 1 else ''} {spare.KEPT}" if kept else ""


def _count(reason: NodeRefusal, number: int) -> str:
    return f"{number} node{'s' if number != 1 else ''} {reason.value}"
