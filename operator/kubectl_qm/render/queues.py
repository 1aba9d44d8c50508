"""ComputeQueues: what each is sure of, holds and waits for."""

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm.queues import Queue, Usage
from kubectl_qm.render.look import CARE, DIM, GOOD, NOTHING, Look
from kubectl_qm.render.table import Column, table

INDENT = "  "


def queues_page(queues: Sequence[Queue], *, look: Look) -> RenderableType:
    """A row a queue, those of one parent below it; then what is wrong with any."""
    columns = [
        Column("QUEUE", [INDENT * each.depth + each.name for each in queues]),
        Column("WEIGHT", [each.weight for each in queues], rank=4, right=True),
        Column("PENDING", [_count(each.pending) for each in queues], right=True),
        Column("RUNNING", [_count(each.admitted) for each in queues], right=True),
        Column("GPUS", [_usage(each) for each in queues], rank=1, wraps=True),
        Column("SHARE", [_share(each) for each in queues], rank=2, right=True),
        Column("RECLAIMS", [each.reclaims for each in queues], rank=5),
        Column("PREEMPTS", [each.preempts for each in queues], rank=5),
        Column("ACTIVE", [_active(each) for each in queues], rank=3),
    ]
    parts: list[RenderableType] = [table(columns, look.width)]
    for each in queues:
        if each.fault:
            parts += [Text(), Text(f"{each.name}: {each.fault}", style=CARE)]
    return Group(*parts)


def _count(count: int | None) -> str:
    return NOTHING if count is None else str(count)


def _usage(queue: Queue) -> str:
    return ", ".join(map(_used, queue.usage)) or NOTHING


def _used(usage: Usage) -> str:
    borrowed = f" ({usage.borrowed} borrowed)" if usage.borrowed else ""
    return f"{usage.gpus} of {usage.nominal} {usage.accelerator}{borrowed}"


def _share(queue: Queue) -> str:
    return NOTHING if queue.fair_share is None else str(queue.fair_share)


def _active(queue: Queue) -> Text:
    if queue.pending is None:
        return Text(NOTHING, style=DIM)
    return Text("False", style=CARE) if queue.fault else Text("True", style=GOOD)
