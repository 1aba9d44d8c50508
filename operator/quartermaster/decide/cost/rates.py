"""What a worker's share of a node costs, and for how long."""

from datetime import timedelta
from fractions import Fraction

from quartermaster.decide.cost.prices import price_of
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.money.stretch import MICROSECOND
from quartermaster.domain.resources import Resources

_USD_PER_CORE, _USD_PER_GIB = Fraction("0.031611"), Fraction("0.004237")
"""What CPU and memory cost an hour where nobody says otherwise: only their ratio counts.

Source: OpenCost, configs/default.json, 2024-10."""
STEPS_PER_USD = 10**9
"""A worker's rate is a whole number of these. Shares of unequal nodes have denominators that have
nothing in common: a sum of some twenty of them, kept exact, would outgrow its field."""
_MICROSECONDS_PER_HOUR = 3_600_000_000


def hours(time: timedelta) -> Fraction:
    """A time in hours [h], exact."""
    return Fraction(time // MICROSECOND, _MICROSECONDS_PER_HOUR)


def charge(usd_per_hour: Fraction | None, time: timedelta) -> Fraction | None:
    """Rate times time [USD], exact; None where the rate is unknown.

    It is divided only to be shown: rounding each piece would make the pieces disagree with the
    whole.
    """
    return None if usd_per_hour is None else usd_per_hour * hours(time)


def node_rate(node: Node, pool: Pool) -> Fraction | None:
    """Price of the whole node [USD/h]; None where nobody knows it, never 0."""
    price = price_of(node, pool)
    return None if price is None else price.usd_per_hour


def share(node: Node, worker: Resources) -> Fraction | None:
    """The part of a node that a worker is charged for, 0 to 1.

    Shares add up: those of all that fit on a node are never more than the whole of it. The price
    of a GPU node is all in its GPUs: a worker pays for those that it holds, and one without GPUs,
    which gets only what they leave, for nothing. On other nodes CPU and memory count by what they
    usually cost. A MIG device counts with its compute slices, a slot of a shared GPU with one over
    the number of slots. None where it is unknown what a part is of a GPU, or how many there are.
    """
    if node.allocatable.devices:
        held, gpus = node.gpus_in(worker), node.gpu_count
        if not worker.devices:
            return Fraction(0)
        return held / gpus if held is not None and gpus else None
    whole = _value(node.allocatable)
    return min(Fraction(1), _value(worker) / whole) if whole else Fraction(1)


def _value(amount: Resources) -> Fraction:
    """What CPU and memory cost by the usual ratio; the unit cancels out."""
    return amount.cpu_m * _USD_PER_CORE / 1000 + amount.memory * _USD_PER_GIB / 2**30


def worker_rate(node: Node, pool: Pool, worker: Resources) -> Fraction | None:
    """Price of a worker's share of a node [USD/h], rounded once, to a billionth of a USD.

    None where the node's price or the worker's share of it is unknown.
    """
    return share_of(node_rate(node, pool), node, worker)


def share_of(whole: Fraction | None, node: Node, worker: Resources) -> Fraction | None:
    """A worker's share of what a node costs [USD/h], rounded to a billionth; None where unknown."""
    part = None if whole is None else share(node, worker)
    if whole is None or part is None:
        return None
    return Fraction(round(whole * part * STEPS_PER_USD), STEPS_PER_USD)
