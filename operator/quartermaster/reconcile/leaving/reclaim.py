"""A job leaves the nodes that are about to be taken away, while there is time to save."""

from collections.abc import Iterable
from datetime import datetime

from quartermaster.api.record import JobRecord
from quartermaster.decide.workers import places
from quartermaster.domain.queue import Resize
from quartermaster.domain.worker import Worker
from quartermaster.reconcile.demand import size_of
from quartermaster.reconcile.ports import View


def departure(
    job: JobRecord, workers: Iterable[Worker], view: View, now: datetime
) -> Resize | None:
    """The note that a job leaves nodes which are about to go; None where it is on none of them.

    The whole gang goes: its members cannot go on without each other, and all of them together save
    before any of them is killed. It is placed anew like any other gang, an elastic one with as many
    workers as have room.

    Args:
        job: Whose workers.
        workers: Its pods.
        view: What is known of nodes.
        now: The time.
    """
    if job.resize is not None or job.sent_away:
        return None
    nodes = [node for name in sorted(places(workers)) if (node := view.node(name)) is not None]
    going = [node for node in nodes if node.reclaim is not None]
    if not going:
        return None
    reasons = sorted({str(node.reclaim) for node in going})
    left = ", ".join(node.name for node in going[:4]) + (" and others" if len(going) > 4 else "")
    why = f"moves off {left}: {'; '.join(reasons)}"
    return Resize(size_of(job, view), why, now, avoids=tuple(node.name for node in going))
