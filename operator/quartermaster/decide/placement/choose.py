"""Which nodes a gang gets. See ADR-0003 and ADR-0008 for what is weighed."""

from collections.abc import Sequence
from dataclasses import replace

from quartermaster.decide.placement import explain, fit, spare
from quartermaster.decide.placement.candidates import (
    Candidate,
    Labels,
    domains,
    enumerate_candidates,
)
from quartermaster.decide.placement.fit import LASTING, Slot
from quartermaster.decide.placement.forecast import fastest_first, known_slots
from quartermaster.decide.placement.rank import Weighed, best, one_of_each, weigh
from quartermaster.decide.placement.tidy import least_broken
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Assignment, Decision, Placed, Refusal, Waiting
from quartermaster.domain.workload import Gang


def choose(gang: Gang, snapshot: Snapshot, hardware: Hardware = NOTHING_KNOWN) -> Decision:
    """The whole gang on the best nodes that fit; or why not.

    Where it is known what a step of the job takes, the gang's objective decides: cost to finish,
    time to finish, or their product. Elsewhere equal GPUs come before mixed ones, then the price,
    then the narrower topology domain, then fewer nodes, then names. The same input has the same
    answer, whatever the order of the nodes.

    Args:
        gang: Who wants a place; its profile says what a step costs.
        snapshot: What there is.
        hardware: What is known of GPU models and machine types.
    """
    missing = [name for name in gang.pools if name not in {pool.name for pool in snapshot.pools}]
    if missing:
        known = ", ".join(pool.name for pool in snapshot.pools) or "none"
        message = f"ComputePool {', '.join(missing)} does not exist; there are: {known}"
        return Waiting(Refusal.NO_SUCH_POOL, message)
    slots, refused = fit.slots(gang, snapshot)
    anchors = [node.labels for node in snapshot.nodes if node.name in gang.held]
    weighed, apart = _weighed(gang, slots, anchors, hardware)
    fitting = [it for it in weighed if it.candidate.fits]
    if not fitting:
        may_come = any(reason not in LASTING for reason in refused)
        lasting = not (may_come or _could_ever_fit(gang, slots, anchors))
        return Waiting(
            refusal=Refusal.UNSATISFIABLE if lasting else Refusal.NO_CAPACITY,
            message=explain.why_waiting(gang, slots, refused),
            rejected=explain.rejected(None, one_of_each(weighed, None, 0), gang),
        )
    chosen = best(fitting, hardware.indifference)
    others = one_of_each(weighed, chosen, hardware.indifference)
    chosen = replace(chosen, candidate=least_broken(gang, chosen.candidate, slots))
    told = chosen.forecast
    reason = explain.why_chosen(chosen, others, gang)
    return Placed(
        assignments=_assign(gang, chosen.candidate),
        reason=f"{reason}; {spare.LEFT}" if apart else reason,
        topology_level=chosen.candidate.domain.level,
        rejected=explain.rejected(chosen, others, gang),
        predicted_step_seconds=None if told is None else told.step.total,
        bound=None if told is None else told.bound,
    )


def _weighed(
    gang: Gang, slots: Sequence[Slot], anchors: Sequence[Labels], hardware: Hardware
) -> tuple[list[Weighed], bool]:
    """The candidates, and whether they are those apart from GPUs, where the gang fits."""
    plain = [slot for slot in slots if not slot.node.allocatable.devices]
    if not gang.per_worker.devices and len(plain) < len(slots):
        weighed = weigh(gang, _candidates(gang, plain, anchors, hardware), hardware, anchors)
        if any(it.candidate.fits for it in weighed):
            return weighed, True
    return weigh(gang, _candidates(gang, slots, anchors, hardware), hardware, anchors), False


def _candidates(
    gang: Gang, slots: Sequence[Slot], anchors: Sequence[Labels], hardware: Hardware
) -> list[Candidate]:
    models = [] if gang.profile is None else fastest_first(gang.profile, slots, hardware)
    if not models:
        return enumerate_candidates(gang, slots, anchors)
    known = known_slots(slots, models, hardware)
    found = enumerate_candidates(gang, slots, anchors, models)
    if 0 < len(known) < len(slots):
        # One unknown node makes a whole combination unknown, so there are those without it too.
        found += enumerate_candidates(gang, known, anchors, models)
    return found


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
