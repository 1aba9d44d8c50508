"""Why a queue does not start a gang yet, in words, and what would change that."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

from quartermaster.decide.queue.moves import Move
from quartermaster.decide.queue.order import queue_of
from quartermaster.decide.queue.reserve import Reservation
from quartermaster.decide.queue.share import Measure
from quartermaster.decide.queue.shrink import Shrink
from quartermaster.decide.queue.tree import FOREIGN, Ledger, Tree
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.queue import Holding, Queue
from quartermaster.domain.workload import Gang
from quartermaster.units import duration

MAX_NAMED = 3
MAX_MODELS = 4


def no_such_queue(gang: Gang, tree: Tree) -> Waiting:
    """The label names a queue that is not there."""
    known = ", ".join(name for name in tree.queues if name != FOREIGN)
    return Waiting(
        Refusal.NO_SUCH_QUEUE, f"ComputeQueue {gang.queue} does not exist; there are: {known}"
    )


def unusable(queue: Queue) -> Waiting:
    """The queue's document is wrong."""
    return Waiting(
        Refusal.QUEUE_UNUSABLE, f"ComputeQueue {queue.name} cannot be used: {queue.fault}"
    )


def not_admitted(gang: Gang, queue: Queue) -> Waiting:
    """The queue is for other namespaces."""
    labels = ", ".join(f"{key}={value}" for key, value in sorted(queue.namespace_labels.items()))
    return Waiting(
        Refusal.NAMESPACE_NOT_ADMITTED,
        f"ComputeQueue {queue.name} does not take jobs of namespace {gang.key.namespace}: "
        f"it takes those of namespaces labelled {labels}",
    )


def quota(
    gang: Gang, models: Sequence[str], ledger: Ledger, empty: Ledger, measure: Measure
) -> Waiting:
    """The queue has not enough quota left of these models, or never has enough of any."""
    queue = queue_of(gang)
    need = gang.size * gang.per_worker.devices
    will_do = measure.usable(gang.accelerators)
    most = sum(max(0, empty.available(queue, model)) for model in will_do)
    words = "; ".join(_quota_of(queue, model, ledger) for model in models[:MAX_MODELS])
    head = f"{need} GPU{'s' if need != 1 else ''} wanted: " + (words or "there are no GPUs")
    if most < need:
        return Waiting(
            Refusal.QUOTA_TOO_SMALL,
            f"{head}; queue {queue} may hold at most {most} that would do: "
            "ask for less, or have its quota raised",
        )
    missing = min(need - ledger.available(queue, model) for model in models)
    return Waiting(Refusal.QUOTA_USED, f"{head}; starts when {missing} more of the quota are free")


def _quota_of(queue: str, model: str, ledger: Ledger) -> str:
    told, held = ledger.tree.queues[queue], ledger.held(queue, model)
    nominal = ledger.tree.nominal(queue, model)
    text = f"queue {queue} holds {held} of its {nominal} {model}"
    if not nominal:
        text = f"queue {queue} holds {held} {model} and has none of its own"
    if told.parent is None:
        return text
    if told.borrowing_limit is not None:
        return f"{text}, borrowing is limited to {told.borrowing_limit}"
    idle = max(0, ledger.available(queue, model))
    return f"{text}, {idle or 'none'} of {told.parent} can be borrowed now"


def reserved(gang: Gang, by: Reservation) -> Waiting:
    """There is room, but not without delaying the gang that it is kept for."""
    hint = ""
    if by.start_s != inf:
        limit = "" if gang.runtime_s is None else f", this one may run {duration(gang.runtime_s)}"
        hint = f"; jobs that end before that are let past{limit}"
        if gang.runtime_s is None:
            hint += ": set spec.activeDeadlineSeconds"
    return Waiting(
        Refusal.RESERVED,
        f"the room that is free is kept for {by.gang.key}, which waits longer and starts "
        f"{when(by)}{hint}",
    )


def limited(waiting: Waiting, models: Sequence[str], usable: Sequence[str]) -> Waiting:
    """The refusal of a gang that has the quota of some models only."""
    if len(models) == len(usable):
        return waiting
    message = f"{waiting.message}; of other models than {', '.join(models)} the quota is used up"
    return Waiting(waiting.refusal, message, waiting.rejected)


def kept_for_it(waiting: Waiting, reservation: Reservation) -> Waiting:
    """The refusal of the gang that has the reservation."""
    message = f"{waiting.message}; nodes are kept for it, it starts {when(reservation)}"
    return Waiting(waiting.refusal, message, waiting.rejected)


def when(reservation: Reservation) -> str:
    """When a reservation begins."""
    count = len(reservation.ended)
    jobs = "1 job ends" if count == 1 else f"{count} jobs end"
    if reservation.start_s == inf:
        return f"when {jobs}, and nobody knows when that is"
    return f"in about {duration(reservation.start_s)}, when {jobs}"


def preempting(victims: Iterable[Holding]) -> Waiting:
    """Others are being stopped for it."""
    names = [str(victim.key) for victim in victims]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    return Waiting(
        Refusal.PREEMPTING,
        f"{', '.join(names[:MAX_NAMED])}{more} {verb} being stopped for it: "
        "starts when that work is saved",
    )


def shrinking(shrink: Iterable[Shrink]) -> Waiting:
    """Elastic jobs give it some of their workers."""
    told = [f"{one.rest.key} ({len(one.freed.seats)})" for one in shrink]
    more = f" and {len(told) - MAX_NAMED} more" if len(told) > MAX_NAMED else ""
    return Waiting(
        Refusal.PREEMPTING,
        f"workers of {', '.join(told[:MAX_NAMED])}{more} make room for it: "
        "starts when their work is saved",
    )


def moving(moved: Iterable[Move]) -> Waiting:
    """Others go on elsewhere for it."""
    names = [str(one.holding.key) for one in moved]
    more = f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else ""
    verb = "is" if len(names) == 1 else "are"
    return Waiting(
        Refusal.PREEMPTING,
        f"{', '.join(names[:MAX_NAMED])}{more} {verb} being moved to other nodes: "
        "starts when that work is saved",
    )


def smaller(placed: Placed, gang: Gang) -> Placed:
    """An elastic gang's place for fewer workers than it may have."""
    reason = f"{placed.reason}; {len(placed.assignments)} of up to {gang.size} workers have room"
    return replace(placed, reason=reason)


def room_coming() -> Waiting:
    """What is on its way out makes enough room."""
    return Waiting(
        Refusal.PREEMPTING, "starts when the workers that are being stopped now have ended"
    )


def why_stopped(gang: Gang, victim: Holding) -> str:
    """What a stopped job's user is told."""
    if victim.queue == gang.queue:
        return (
            f"for {gang.key}, which has priority {gang.priority} over {victim.priority} in queue "
            f"{gang.queue}"
        )
    models = " and ".join(victim.gpus_by_model()) or "nodes"
    return f"for {gang.key}: queue {gang.queue} takes {models} back from queue {victim.queue}"
