"""How much of the cluster a queue uses, by value, over its weight.

Weighted dominant-resource fairness with a value for each GPU model, since an H100 is not a T4:
share = sum over models of value x used, over the same sum for the cluster, over the weight. (Ghodsi
et al., Dominant Resource Fairness, NSDI 2011; the wish for values is Kueue's issue 8902.)
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from quartermaster.decide.cost import rates
from quartermaster.decide.fleet import Fleet, as_fleet
from quartermaster.decide.queue.tree import Ledger
from quartermaster.domain.cluster import Capacity, Node, Snapshot, is_mig
from quartermaster.domain.queue import UNKNOWN_MODEL, History

STEPS = 10**9
"""Decayed means are kept to a billionth, as they are written."""

Values = Mapping[str, Fraction]
"""What one GPU of a model counts [USD/h, or 1 where no price is known]."""
Past = Mapping[str, Fraction]
"""Decayed mean of what each queue has used [valued GPUs]."""


def model_of(node: Node) -> str:
    """The model that a node's GPUs are counted as; empty where it has none."""
    if not node.allocatable.devices:
        return ""
    return node.accelerator or UNKNOWN_MODEL


def label_of(model: str) -> str:
    """What the label of a model's nodes says."""
    return "" if model == UNKNOWN_MODEL else model


@dataclass(frozen=True, slots=True)
class Measure:
    """What GPUs are worth, and what there is of them."""

    values: Values
    capacity: Fraction
    """All GPUs of the cluster [valued GPUs]."""
    models: tuple[str, ...]
    """The GPU models that there are."""

    def usable(self, accelerators: Collection[str]) -> list[str]:
        """The models that will do for a gang that asks for these; none asked for is any GPU."""
        if accelerators:
            return [model for model in self.models if model in accelerators]
        return [model for model in self.models if not is_mig(model)]

    def worth(self, model: str) -> Fraction:
        """What one GPU counts; a model of which no node is left counts as the dearest one."""
        return self.values.get(model, max(self.values.values(), default=Fraction(1)))

    def used(self, ledger: Ledger, queue: str) -> Fraction:
        """What a queue and those below it hold now [valued GPUs]."""
        parts = (gpus * self.worth(model) for model, gpus in ledger.holds(queue))
        return sum(parts, Fraction(0))

    def share(self, ledger: Ledger, queue: str, past: Fraction = Fraction(0)) -> Fraction:
        """The queue's part of the cluster over its weight; `past` counts like what is held now."""
        if not self.capacity:
            return Fraction(0)
        weight = ledger.tree.queues[queue].weight
        return (self.used(ledger, queue) + past) / self.capacity / weight


def measure(cluster: Snapshot | Fleet) -> Measure:
    """The worth of each model: its least on-demand price, failing that its least price.

    A model without a price counts as the dearest one that has a price; without any price all GPUs
    are equal.
    """
    estate = as_fleet(cluster).estate
    counts: dict[str, int] = {}
    prices: dict[str, dict[bool, Fraction]] = {}
    for each, nodes in zip(estate.classes, estate.counts, strict=True):
        node = each.node
        model = model_of(node)
        if not model:
            continue
        counts[model] = counts.get(model, 0) + node.allocatable.devices * nodes
        rate, gpus = rates.node_rate(node, each.pool), node.gpu_count
        if rate and gpus:
            known = prices.setdefault(model, {})
            spot = node.capacity is Capacity.SPOT
            known[spot] = min(known.get(spot, rate / gpus), rate / gpus)
    worth = {model: known.get(False, known.get(True)) for model, known in prices.items()}
    dearest = max((value for value in worth.values() if value), default=Fraction(1))
    values = {model: worth.get(model) or dearest for model in sorted(counts)}
    capacity = sum((values[model] * count for model, count in counts.items()), Fraction(0))
    return Measure(values, capacity, tuple(values))


def decayed(history: History | None, used: Fraction, half_life_s: float, now: datetime) -> Fraction:
    """The decayed mean now, if `used` has been held since the history was written [valued GPUs].

    U(t) = d U(t0) + (1 - d) used, with d = 2 ** -((t - t0) / half-life): what lies one half-life
    back counts half. Splitting the time into parts changes nothing.
    """
    if history is None:
        return Fraction(0)
    age_s = max(0.0, (now - history.time).total_seconds())
    kept = Fraction(0.5 ** (age_s / half_life_s))
    mean = kept * history.gpus + (1 - kept) * used
    return Fraction(round(mean * STEPS), STEPS)


def past_of(ledger: Ledger, measured: Measure, half_life_s: float, now: datetime) -> Past:
    """The decayed mean of every queue that has a history [valued GPUs]; none without half-life."""
    if half_life_s <= 0:
        return {}
    return {
        name: decayed(queue.history, measured.used(ledger, name), half_life_s, now)
        for name, queue in ledger.tree.queues.items()
        if queue.history is not None
    }
