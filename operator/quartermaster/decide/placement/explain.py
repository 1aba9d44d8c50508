"""Decisions in words, for the person who waits."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

from quartermaster.decide.placement import comparison, spare
from quartermaster.decide.placement.candidates import Candidate
from quartermaster.decide.placement.fit import LASTING, NodeRefusal
from quartermaster.decide.placement.kinds import Mixture
from quartermaster.decide.placement.naming import describe, price, worker_needs
from quartermaster.decide.placement.rank import Weighed
from quartermaster.domain.decision import RejectedCandidate
from quartermaster.domain.workload import Gang, TopologyMode

MAX_REJECTED = 5
Told = tuple[str, Weighed]
"""A candidate, and what it is called."""


@dataclass(frozen=True, slots=True)
class Rivals:
    """Combinations that fit, on other places than the chosen one."""

    count: int
    all_dearer: bool
    """Whether each of them costs more; there may be none."""
    mixed: bool
    """Whether one of them mixes GPU models, or spot with on-demand."""


NO_RIVALS = Rivals(0, all_dearer=False, mixed=False)


def why_chosen(chosen: Weighed, others: Sequence[Weighed], rivals: Rivals, gang: Gang) -> str:
    """One sentence on the chosen candidate and what spoke for it.

    Args:
        chosen: What is taken.
        others: The best of each kind, for a chosen one whose speed is known.
        rivals: All others, for one whose speed is not.
        gang: Whose it is.
    """
    candidate = chosen.candidate
    nodes = len(candidate.seats)
    on = f"on {nodes} node{'s' if nodes != 1 else ''}"
    distinct = [it for it in others if _places(it.candidate) != _places(candidate)]
    parts = [f"{describe(candidate, gang)} {on}, {price(candidate.rate)}"]
    if chosen.cost is None:
        parts.append(_deciding_point(candidate, rivals))
    else:
        parts.append(comparison.deciding_point(chosen, distinct, gang))
    if chosen.forecast is not None:
        parts.append(comparison.bound(chosen, distinct, gang))
    if not candidate.domain.level and gang.topology is TopologyMode.PREFERRED and nodes > 1:
        parts.append("spans topology domains")
    return "; ".join(part for part in parts if part)


def rivals_of(chosen: Weighed, others: Iterable[Weighed]) -> Rivals:
    """Those of the best of each kind that could have been taken instead."""
    own = chosen.candidate
    fitting = [
        it.candidate for it in others if it.candidate.fits and _places(it.candidate) != _places(own)
    ]
    return Rivals(
        count=len(fitting),
        all_dearer=all(it.steps is not None and it.steps > (own.steps or 0) for it in fitting),
        mixed=any(it.kind.mixture is not Mixture.UNIFORM for it in fitting),
    )


def _deciding_point(chosen: Candidate, rivals: Rivals) -> str:
    if not rivals.count:
        return "the only combination that fits now"
    if chosen.steps is None:
        return "chosen by locality, since its price is unknown"
    if rivals.all_dearer:
        return f"the cheapest of {rivals.count + 1} combinations that fit"
    if chosen.kind.mixture is Mixture.UNIFORM and rivals.mixed:
        return "the cheapest with equal GPUs"
    return "the best located of the cheapest"


def ranked(chosen: Weighed | None, others: Iterable[Weighed], gang: Gang) -> list[Told]:
    """Other candidates with their names, each place and each name once, the nearest first."""
    found: dict[str, Weighed] = {}
    seen: set[frozenset[tuple[int, int]]] = set()
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
    return sorted(found.items(), key=lambda item: (*_likeness(item[1]), item[0]))


def rejected(chosen: Weighed | None, told: Iterable[Told]) -> tuple[RejectedCandidate, ...]:
    """Up to five other candidates, one for each kind, with the number that spoke against it."""
    return tuple(
        RejectedCandidate(text[:256], _against(other, chosen)[:512])
        for text, other in islice(told, MAX_REJECTED)
    )


def _likeness(other: Weighed) -> tuple[bool, int, bool, bool, float | Fraction]:
    """The whole gangs first, of these what is known, of these equal GPUs, then the least cost."""
    candidate = other.candidate
    known = other.cost is not None
    mixed = known and candidate.kind.mixture is Mixture.MODELS
    value = (candidate.rate or 0) if other.cost is None else other.cost
    return (not candidate.fits, -candidate.placed, not known, mixed, value)


def _places(candidate: Candidate) -> frozenset[tuple[int, int]]:
    return frozenset(candidate.seats)


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


@dataclass(frozen=True, slots=True)
class Usable:
    """What of a cluster a gang may use."""

    nodes: int
    """[count]"""
    free: int
    """Workers that fit now [count]."""
    whole: int
    """Workers that would fit if nothing else ran [count]."""
    spared: int = 0
    """Nodes on which free GPUs need what is free beside them, so that nothing fits [count]."""


def why_waiting(gang: Gang, usable: Usable, refused: Mapping[NodeRefusal, int]) -> str:
    """Why the gang has no place, and what would give it one."""
    free, whole = usable.free, usable.whole
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
        nodes = f"{usable.nodes} usable node{'s' if usable.nodes != 1 else ''}"
        tail = f"only {whole} would ever fit on the {nodes}"
    notes = "; ".join(note for note in (_spared(usable), passing, lasting) if note)
    return f"{head}: {tail}" + (f" ({notes})" if notes else "")


def _spared(usable: Usable) -> str:
    number = usable.spared
    return f"{number} node{'s' if number != 1 else ''} {spare.KEPT}" if number else ""


def _count(reason: NodeRefusal, number: int) -> str:
    return f"{number} node{'s' if number != 1 else ''} {reason.value}"
