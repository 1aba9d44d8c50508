"""May a worker run on a node, and how many of them."""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from quartermaster.catalog import partitions
from quartermaster.decide.cost import rates
from quartermaster.decide.placement import spare
from quartermaster.domain.cluster import NO_POOL, Node, Pool, Snapshot, is_mig
from quartermaster.domain.workload import Gang


class NodeRefusal(StrEnum):
    """Why a gang may not use a node, whatever runs there now; read as `N nodes ...`."""

    OTHER_POOL = "outside the allowed pools"
    OTHER_ACCELERATOR = "with another GPU model"
    OTHER_MAKER = "with GPUs of another maker"
    OTHER_CAPACITY = "of another capacity type"
    TAINTED = "with a taint that the job does not tolerate"
    OTHER_SLOTS = "that offer slots of GPUs by the other name (gpuPartition: shared or shared-gpu)"
    OTHER_PARTS = "without GPUs in such parts"
    PARTED = "whose GPUs are in parts (resourcesPerWorker.gpuPartition)"
    MIG_AS_GPUS = "with MIG devices for GPUs, which have to be named in placement.accelerators"
    TOO_SMALL = "too small for one worker even when empty"
    NOT_READY = "not ready"
    CORDONED = "cordoned"


_SLOTS = frozenset(partitions.SLOTS.values())
LASTING = frozenset(
    {
        NodeRefusal.OTHER_POOL,
        NodeRefusal.OTHER_ACCELERATOR,
        NodeRefusal.OTHER_MAKER,
        NodeRefusal.OTHER_CAPACITY,
        NodeRefusal.TAINTED,
        NodeRefusal.OTHER_SLOTS,
        NodeRefusal.OTHER_PARTS,
        NodeRefusal.PARTED,
        NodeRefusal.MIG_AS_GPUS,
        NodeRefusal.TOO_SMALL,
    }
)
"""Refusals that waiting does not cure."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A node that may take workers of a gang."""

    node: Node
    pool: Pool
    free: int
    """Workers that fit now [count]."""
    whole: int
    """Workers that would fit if it were empty [count]."""
    rate: Fraction | None
    """Price of one worker [USD/h]; None where it is unknown."""
    kept: bool = False
    """Whether free GPUs need what is free beside them, so that nothing fits."""


def refusal(node: Node, pool: Pool, gang: Gang) -> NodeRefusal | None:
    """Why the gang may not use the node; None when it may."""
    checks = (
        (bool(gang.pools) and pool.name not in gang.pools, NodeRefusal.OTHER_POOL),
        (
            bool(gang.accelerators) and node.accelerator not in gang.accelerators,
            NodeRefusal.OTHER_ACCELERATOR,
        ),
        (_of_another_maker(node, gang), NodeRefusal.OTHER_MAKER),
        (
            gang.capacity is not None and node.capacity is not gang.capacity,
            NodeRefusal.OTHER_CAPACITY,
        ),
        (not _tolerated(node, pool, gang), NodeRefusal.TAINTED),
        *_in_parts(node, gang),
        (gang.per_worker.times_within(node.allocatable) < 1, NodeRefusal.TOO_SMALL),
        (not node.ready, NodeRefusal.NOT_READY),
        (node.cordoned, NodeRefusal.CORDONED),
    )
    return next((reason for refused, reason in checks if refused), None)


def _of_another_maker(node: Node, gang: Gang) -> bool:
    asked, offered = gang.per_worker.gpus, node.allocatable.gpus
    return asked > 0 and offered > 0 and node.gpu_resource is not gang.gpu_resource


def _in_parts(node: Node, gang: Gang) -> tuple[tuple[bool, NodeRefusal], ...]:
    """Whole GPUs and parts of them do not stand in for each other."""
    has, each = node.allocatable, gang.per_worker
    if each.parts:
        wanted, offered = {name for name, _ in each.parts}, {name for name, _ in has.parts}
        missing = bool(wanted - offered)
        return (
            (missing and wanted <= _SLOTS and bool(offered & _SLOTS), NodeRefusal.OTHER_SLOTS),
            (missing, NodeRefusal.OTHER_PARTS),
        )
    if not each.gpus:
        return ()
    return (
        (bool(has.parts) and not has.gpus, NodeRefusal.PARTED),
        (
            is_mig(node.accelerator) and node.accelerator not in gang.accelerators,
            NodeRefusal.MIG_AS_GPUS,
        ),
    )


def _tolerated(node: Node, pool: Pool, gang: Gang) -> bool:
    passes = gang.tolerations + pool.tolerations
    return all(any(toleration.covers(taint) for toleration in passes) for taint in node.taints)


def slots(gang: Gang, snapshot: Snapshot) -> tuple[list[Slot], dict[NodeRefusal, int]]:
    """The nodes that the gang may use, by name, and how many are refused by reason."""
    usable: list[Slot] = []
    refused: dict[NodeRefusal, int] = {}
    for node in sorted(snapshot.nodes, key=lambda node: node.name):
        pool = snapshot.pool_of(node) if snapshot.pools else NO_POOL
        reason = refusal(node, pool, gang)
        if reason is not None:
            refused[reason] = refused.get(reason, 0) + 1
            continue
        room = spare.room(node, gang.per_worker, snapshot.gpu_needs)
        free = gang.per_worker.times_within(room)
        usable.append(
            Slot(
                node=node,
                pool=pool,
                free=free,
                whole=gang.per_worker.times_within(node.allocatable),
                rate=rates.worker_rate(node, pool, gang.per_worker),
                kept=not free and gang.per_worker.times_within(node.free) > 0,
            )
        )
    return usable, {reason: refused[reason] for reason in NodeRefusal if reason in refused}
