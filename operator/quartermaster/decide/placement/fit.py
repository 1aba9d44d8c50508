"""May a worker run on a node, and how many of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from quartermaster.catalog import device_classes, partitions
from quartermaster.decide.cost import rates
from quartermaster.decide.fleet import Estate
from quartermaster.domain.cluster import Node, Pool, is_mig
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
    OTHER_CLASS = "without devices of that DeviceClass"
    PARTED = "whose GPUs are in parts (resourcesPerWorker.gpuPartition)"
    MIG_AS_GPUS = "with MIG devices for GPUs, which have to be named in placement.accelerators"
    TOO_SMALL = "too small for one worker even when empty"
    NOT_READY = "not ready"
    RECLAIMED = "about to be taken away"
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
        NodeRefusal.OTHER_CLASS,
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
    steps: int | None
    """The same in whole steps [USD/h / `STEPS_PER_USD`]: exact, and quick to add and compare."""


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
        (node.reclaim is not None, NodeRefusal.RECLAIMED),
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
            (missing and any(map(device_classes.class_of, wanted)), NodeRefusal.OTHER_CLASS),
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


@dataclass(frozen=True, slots=True)
class Fit:
    """What a gang finds on nodes of one class."""

    refusal: NodeRefusal | None
    """Why it may not use them; None where it may."""
    whole: int
    """Workers that fit on an empty one [count]."""
    rate: Fraction | None
    """Price of one worker [USD/h]; None where it is unknown."""
    steps: int | None
    """The same in whole steps [USD/h / `STEPS_PER_USD`]."""


def fits(gang: Gang, estate: Estate) -> list[Fit]:
    """[C], what a gang finds on each class of nodes."""
    found = []
    for each in estate.classes:
        reason = refusal(each.node, each.pool, gang)
        if reason is not None:
            found.append(Fit(reason, 0, None, None))
            continue
        rate = rates.worker_rate(each.node, each.pool, gang.per_worker)
        steps = None if rate is None else int(rate * rates.STEPS_PER_USD)
        whole = gang.per_worker.times_within(each.node.allocatable)
        found.append(Fit(None, whole, rate, steps))
    return found


def usable(gang: Gang, estate: Estate) -> set[str]:
    """Names of the nodes that the gang may use."""
    may = [refusal(each.node, each.pool, gang) is None for each in estate.classes]
    pairs = zip(estate.nodes, estate.class_of.tolist(), strict=True)
    return {node.name for node, number in pairs if may[number]}


def refused(fits: Sequence[Fit], estate: Estate) -> dict[NodeRefusal, int]:
    """How many nodes are refused, by reason [count]."""
    found: dict[NodeRefusal, int] = {}
    for one, count in zip(fits, estate.counts, strict=True):
        if one.refusal is not None:
            found[one.refusal] = found.get(one.refusal, 0) + count
    return {reason: found[reason] for reason in NodeRefusal if reason in found}
