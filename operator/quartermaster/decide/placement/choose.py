"""Which nodes a gang gets. See ADR-0003 and ADR-0008 for what is weighed, ADR-0014 for how."""

from quartermaster.decide.fleet import Fleet, as_fleet
from quartermaster.decide.placement import explain, spare
from quartermaster.decide.placement.candidates import Candidate
from quartermaster.decide.placement.kept.board import Board, board_of
from quartermaster.decide.placement.kept.standing import Outcome
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Assignment, Decision, Placed, Refusal, Waiting
from quartermaster.domain.workload import Gang


def choose(gang: Gang, cluster: Snapshot | Fleet, hardware: Hardware = NOTHING_KNOWN) -> Decision:
    """The whole gang on the best nodes that fit; or why not.

    Where it is known what a step of the job takes, the gang's objective decides: cost to finish,
    time to finish, or their product. Elsewhere equal GPUs come before mixed ones, then the price,
    then the narrower topology domain, then fewer nodes, then names. The same input has the same
    answer, whatever the order of the nodes.

    Args:
        gang: Who wants a place; its profile says what a step costs.
        cluster: What there is. With a fleet, and with those that come of it, is kept what was
            worked out for earlier gangs of the same shape.
        hardware: What is known of GPU models and machine types.
    """
    fleet = as_fleet(cluster)
    pools = {pool.name for pool in fleet.estate.pools}
    missing = [name for name in gang.pools if name not in pools]
    if missing:
        known = ", ".join(pool.name for pool in fleet.estate.pools) or "none"
        message = f"ComputePool {', '.join(missing)} does not exist; there are: {known}"
        return Waiting(Refusal.NO_SUCH_POOL, message)
    board, outcome, apart = _best(gang, fleet, hardware)
    chosen = outcome.chosen
    if chosen is None:
        ever = board.may_ever_fit()
        return Waiting(
            refusal=Refusal.NO_CAPACITY if ever else Refusal.UNSATISFIABLE,
            message=explain.why_waiting(gang, board.usable(fleet), board.refused),
            rejected=explain.rejected(None, outcome.rejected),
        )
    told = chosen.forecast
    reason = explain.why_chosen(chosen, outcome.others, outcome.rivals, gang)
    return Placed(
        assignments=_assign(gang, chosen.candidate),
        reason=f"{reason}; {spare.LEFT}" if apart else reason,
        topology_level=chosen.candidate.domain.level,
        rejected=explain.rejected(chosen, outcome.rejected),
        predicted_step_seconds=None if told is None else told.step.total,
        bound=None if told is None else told.bound,
    )


def _best(gang: Gang, fleet: Fleet, hardware: Hardware) -> tuple[Board, Outcome, bool]:
    """What is best, and whether it is best of the nodes without GPUs, where the gang fits."""
    board = board_of(gang, fleet.estate, hardware)
    if not gang.per_worker.devices and board.sees_gpus:
        plain = board_of(gang, fleet.estate, hardware, apart=True)
        outcome = plain.outcome(gang, fleet)
        if outcome.chosen is not None:
            return plain, outcome, True
    return board, board.outcome(gang, fleet), False


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
