"""ComputeQueues as frozen values, in the order of their tree."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from kubectl_qm.access.document import Document
from kubectl_qm.cluster import Json


@dataclass(frozen=True, slots=True)
class Usage:
    """What a queue and those below it hold of one GPU model."""

    accelerator: str
    gpus: int
    nominal: int
    borrowed: int


@dataclass(frozen=True, slots=True)
class Queue:
    """A ComputeQueue."""

    name: str
    parent: str
    weight: str
    borrowing_limit: int | None
    lending_limit: int | None
    reclaims: str
    """From whom it takes back what others have borrowed."""
    preempts: str
    """Whether its jobs stop others of its own."""
    pending: int | None
    """Jobs that wait [count]; None before the operator looked."""
    admitted: int | None
    """Jobs that hold nodes [count]; None before the operator looked."""
    usage: tuple[Usage, ...]
    fair_share: Decimal | None
    fault: str
    """Why it cannot be used; empty where it can."""
    depth: int = 0
    """Queues above it [count]."""


def queue(content: Json) -> Queue:
    """A ComputeQueue as it is shown."""
    document = Document(content)
    spec, status = document.at("spec"), document.at("status")
    active = next(
        (each for each in status.items("conditions") if each.text("type") == "Active"), None
    )
    return Queue(
        name=document.text("metadata", "name"),
        parent=spec.text("parent"),
        weight=spec.text("weight") or "1",
        borrowing_limit=_limit(spec, "borrowingLimit"),
        lending_limit=_limit(spec, "lendingLimit"),
        reclaims=spec.text("preemption", "reclaimWithinCohort") or "Never",
        preempts=spec.text("preemption", "withinQueue") or "Never",
        pending=status.number("pending") if status else None,
        admitted=status.number("admitted") if status else None,
        usage=tuple(
            Usage(
                accelerator=each.text("accelerator"),
                gpus=each.number("gpus"),
                nominal=each.number("nominal"),
                borrowed=each.number("borrowed"),
            )
            for each in status.items("usage")
        ),
        fair_share=status.decimal("fairShare"),
        fault=active.text("message")
        if active is not None and active.text("status") != "True"
        else "",
    )


def _limit(spec: Document, name: str) -> int | None:
    return spec.number(name) if spec.has(name) else None


def in_tree(queues: Iterable[Queue]) -> list[Queue]:
    """Parents before their children, by name; one whose parents are not there stands at the end."""
    every = sorted(queues, key=lambda each: each.name)
    shown = list(_below("", every, 0))
    seen = {each.name for each in shown}
    return shown + [each for each in every if each.name not in seen]


def _below(parent: str, queues: Sequence[Queue], depth: int) -> Iterator[Queue]:
    for each in queues:
        if each.parent == parent:
            yield replace(each, depth=depth)
            yield from _below(each.name, queues, depth + 1)
