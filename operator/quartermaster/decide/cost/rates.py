"""What a worker's share of a node costs."""

from fractions import Fraction

from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.resources import Resources

STEPS_PER_USD = 10**9
"""A worker's rate is a whole number of these. Shares of unequal nodes have denominators that have
nothing in common: a sum of some twenty of them, kept exact, would outgrow its field."""


def node_rate(node: Node, pool: Pool) -> Fraction | None:
    """Price of the whole node [USD/h]; None where the pool has no row for it, never 0."""
    row = next((row for row in pool.prices if row.matches(node)), None)
    if row is None:
        return None
    if row.usd_per_node_hour is not None:
        return row.usd_per_node_hour
    gpus = node.gpu_count
    if row.usd_per_gpu_hour is not None and gpus:
        return row.usd_per_gpu_hour * gpus
    return None


def share(node: Node, worker: Resources) -> Fraction | None:
    """The part of a node that a worker is charged for, 0 to 1.

    GPUs are what a GPU node is bought for, so a worker with GPUs is charged for its share of them;
    one without is charged for the larger of its CPU and memory shares. A MIG device counts with its
    compute slices, a slot of a shared GPU with one over the number of slots. None where it is
    unknown what a part is of a GPU, or how many GPUs there are.
    """
    if worker.devices and node.allocatable.devices:
        held, gpus = node.gpus_in(worker), node.gpu_count
        return held / gpus if held is not None and gpus else None
    parts = [
        Fraction(need, have)
        for need, have in (
            (worker.cpu_m, node.allocatable.cpu_m),
            (worker.memory, node.allocatable.memory),
        )
        if have > 0
    ]
    return min(Fraction(1), max(parts, default=Fraction(1)))


def worker_rate(node: Node, pool: Pool, worker: Resources) -> Fraction | None:
    """Price of a worker's share of a node [USD/h], rounded once, to a billionth of a USD.

    None where the node's price or the worker's share of it is unknown.
    """
    whole = node_rate(node, pool)
    part = None if whole is None else share(node, worker)
    if whole is None or part is None:
        return None
    return Fraction(round(whole * part * STEPS_PER_USD), STEPS_PER_USD)
