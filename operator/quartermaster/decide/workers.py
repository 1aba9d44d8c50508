"""What a gang's worker pods tell: what to charge, what to restart, what is lost."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from quartermaster.domain.cluster import Node
from quartermaster.domain.worker import Phase, Worker

OOM_KILLED = "OOMKilled"
"""The container runtime's word for it."""
LOST_NODE_GRACE = timedelta(seconds=10)
"""Time past a deleted pod's grace in which a kubelet that is alive would have ended it."""


def places(workers: Iterable[Worker]) -> set[str]:
    """Nodes that those of the workers are placed on which nobody has sent away."""
    return {w.node for w in workers if w.live and w.node is not None and not w.gates}


def released(worker: Worker) -> datetime | None:
    """When the node was free of it again; None while it is not.

    The container's own end is the truth where there is one. A pod that was evicted or lost with its
    node may have none: then it is the time of the disruption, or of the deletion.
    """
    if not worker.over:
        return None
    times = (worker.ended, worker.disrupted, worker.deleting, worker.started, worker.bound)
    return next((time for time in times if time is not None), worker.created)


def is_lost(worker: Worker, node: Node | None, now: datetime) -> bool:
    """Whether it was deleted and nobody is there to end it: its node is gone or not ready.

    Args:
        worker: The pod.
        node: The node that it is on; None where there is no such node any more.
        now: The time.
    """
    if worker.over or worker.deleting is None or worker.node is None:
        return False
    kubelet_gone = node is None or not node.ready
    return kubelet_gone and now > worker.deleting + LOST_NODE_GRACE


def left_behind(
    workers: Iterable[Worker], grace: timedelta, now: datetime, reported: datetime | None = None
) -> list[Worker]:
    """Workers of a former gang: they started before a peer that has replaced another one.

    A gang with static ranks can only start together. A worker whose peer was replaced normally sees
    the connection break and leaves; one that hangs is stopped so that the gang can start anew. One
    that was still waiting for its peers has no former gang: the replacement joins it, and the run's
    reports show that it goes on. Of a run that never reports only the end of a replacement shows
    that it did not.

    Args:
        workers: The gang's pods, those that are over too.
        grace: How long the gang may be silent.
        now: The time.
        reported: When the run last told of a step; None where it has not.
    """
    gang = list(workers)
    running = [w for w in gang if w.live and w.started is not None and w.exit is None]
    return [w for w in running if _silent_for(w, gang, grace, now, reported) >= grace]


def _silent_for(
    worker: Worker,
    gang: Sequence[Worker],
    grace: timedelta,
    now: datetime,
    reported: datetime | None,
) -> timedelta:
    """How long nothing has been heard since a replacement started that `worker` should meet.

    The first one counts, not the newest: those that cannot join end and are replaced again, and
    the newest of them is always young.
    """
    later = [w for w in gang if worker.started is not None and w.created > worker.started]
    if reported is None and not any(w.phase is Phase.FAILED for w in later):
        return timedelta(0)
    # A report long after a replacement's start shows that it has joined.
    starts = [w.started for w in later if w.started is not None]
    waited_for = [start for start in starts if reported is None or start > reported - grace]
    if not waited_for:
        return timedelta(0)
    first = min(waited_for)
    return now - (max(first, reported) if reported else first)


def refused(workers: Iterable[Worker], grace: timedelta, now: datetime) -> list[Worker]:
    """Placed workers that the scheduler will not bind to their node: another pod was faster.

    Waiting for a volume is not a refusal: another node would not help.
    """
    return [
        worker
        for worker in workers
        if worker.live
        and not worker.gates
        and worker.bound is None
        and worker.unschedulable_since is not None
        and now - worker.unschedulable_since >= grace
        and "persistentvolumeclaim" not in worker.unschedulable.lower()
    ]


def hopeless(workers: Iterable[Worker]) -> bool:
    """Whether a worker ended in a way that trying again cannot cure and no exit code tells.

    The kernel kills a process that is out of memory with the signal of any other kill, so the Job
    controller, which sees exit codes, would try again.
    """
    return any(worker.exit is not None and worker.exit.reason == OOM_KILLED for worker in workers)


@dataclass(frozen=True, slots=True)
class Tally:
    """How many workers are in which state [count]."""

    gated: int = 0
    starting: int = 0
    running: int = 0
    succeeded: int = 0


def tally(workers: Iterable[Worker]) -> Tally:
    """Count the workers that are not over, and the succeeded."""
    gated = starting = running = succeeded = 0
    for worker in workers:
        if worker.phase is Phase.SUCCEEDED:
            succeeded += 1
        elif not worker.live:
            continue
        elif worker.gates:
            gated += 1
        elif worker.phase is Phase.RUNNING:
            running += 1
        else:
            starting += 1
    return Tally(gated, starting, running, succeeded)
