"""Which nodes a gang gets. See ADR-0003 for what is weighed, and what is left to the profiles."""

from collections.abc import Iterable, Sequence

from quartermaster.decide.placement import explain, fit
from quartermaster.decide.placement.candidates import (
    Candidate,
    Labels,
    domains,
    enumerate_candidates,
)
from quartermaster.decide.placement.fit import LASTING, Slot
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Assignment, Decision, Placed, Refusal, Waiting
from quartermaster.domain.workload import Gang


def choose(gang: Gang, snapshot: Snapshot) -> Decision:
    """The whole gang on the cheapest nodes that fit, near together where that is free; or why not.

    Equal GPUs come before mixed ones, then the price, then the narrower topology domain, then fewer
    nodes, then names: the same input has the same answer, whatever the order of the nodes.
    """
    missing = [name for name in gang.pools if name not in {pool.name for pool in snapshot.pools}]
    if missing:
        known = ", ".join(pool.name for pool in snapshot.pools) or "none"
        message = f"ComputePool {', '.join(missing)} does not exist; there are: {known}"
        return Waiting(Refusal.NO_SUCH_POOL, message)
    slots, refused = fit.slots(gang, snapshot)
    anchors = [node.labels for node in snapshot.nodes if node.name in gang.held]
    candidates = enumerate_candidates(gang, slots, anchors)
    fitting = [candidate for candidate in candidates if candidate.fits]
    if not fitting:
        may_come = any(reason not in LASTING for reason in refused)
        lasting = not (may_come or _could_ever_fit(gang, slots, anchors))
        return Waiting(
            refusal=Refusal.UNSATISFIABLE if lasting else Refusal.NO_CAPACITY,
            message=explain.why_waiting(gang, slots, refused),
            rejected=explain.rejected(None, candidates, gang),
        )
    chosen = min(fitting, key=_rank)
    others = [candidate for candidate in candidates if candidate is not chosen]
    return Placed(
        assignments=_assign(gang, chosen),
        reason=explain.why_chosen(chosen, _distinct(chosen, others), gang),
        topology_level=chosen.domain.level,
        rejected=explain.rejected(chosen, others, gang),
    )


def _rank(candidate: Candidate) -> tuple[object, ...]:
    rate = candidate.rate
    return (
        candidate.kind.mixture,
        rate is None,
        rate or 0,
        candidate.breadth,
        len(candidate.places),
        candidate.domain.value,
        tuple(slot.node.name for slot, _ in candidate.places),
    )


def _distinct(chosen: Candidate, others: Iterable[Candidate]) -> list[Candidate]:
    """Other candidates that are not the chosen places seen through a wider domain or kind."""
    own = {(slot.node.name, count) for slot, count in chosen.places}
    return [other for other in others if {(slot.node.name, n) for slot, n in other.places} != own]


def _could_ever_fit(gang: Gang, slots: Sequence[Slot], anchors: Sequence[Labels]) -> bool:
    return any(
        sum(slot.whole for slot in inside) >= gang.size
        for _, _, inside in domains(gang, slots, anchors)
    )


def _assign(gang: Gang, chosen: Candidate) -> tuple[Assignment, ...]:
    """Workers by index over places by node name, so that neighbouring ranks share nodes."""
    seats = [
        slot
        for slot, count in sorted(chosen.places, key=lambda place: place[0].node.name)
        for _ in range(count)
    ]
    return tuple(
        Assignment(
            index=index,
            node=slot.node.name,
            pool=slot.pool.name,
            accelerator=slot.node.accelerator,
            capacity=slot.node.capacity,
            usd_per_hour=slot.rate,
            tolerations=slot.pool.tolerations,
        )
        for index, slot in zip(sorted(gang.indices), seats, strict=True)
    )
