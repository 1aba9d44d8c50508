"""Which nodes may go together: of one GPU model or more, bought in one way or in both."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import combinations

from quartermaster.domain.cluster import Capacity, Node

SUBSETS = 4
"""Up to so many GPU models every mixture of them is looked at: eleven."""


class Mixture(IntEnum):
    """How alike the nodes are; less is better: a synchronous gang is as fast as its slowest GPU."""

    UNIFORM = 0
    CAPACITIES = 1
    MODELS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """Which nodes a candidate draws from."""

    mixture: Mixture
    accelerator: str | None = None
    """None for any."""
    capacity: Capacity | None = None
    """None for any."""
    instance_type: str | None = None
    """None for any."""
    among: tuple[str, ...] = ()
    """GPU models that may be mixed; empty for any."""

    def covers(self, node: Node) -> bool:
        """Whether a node is of this kind."""
        return (
            self.accelerator in (None, node.accelerator)
            and self.capacity in (None, node.capacity)
            and self.instance_type in (None, node.instance_type)
            and (not self.among or node.accelerator in self.among)
        )


def kinds(nodes: Iterable[Node]) -> list[Kind]:
    """The kinds among these nodes, in a fixed order."""
    pairs = sorted({(node.accelerator, node.capacity) for node in nodes})
    models = sorted({model for model, _ in pairs})
    uniform = [Kind(Mixture.UNIFORM, model, capacity) for model, capacity in pairs]
    both = [
        Kind(Mixture.CAPACITIES, model)
        for model in models
        if sum(1 for other, _ in pairs if other == model) > 1
    ]
    return uniform + both + ([Kind(Mixture.MODELS)] if len(models) > 1 else [])


def finer_kinds(nodes: Sequence[Node], fastest_first: Sequence[str]) -> list[Kind]:
    """Kinds that only differ in speed: machine types of one GPU model, mixtures of a few models.

    Args:
        nodes: Nodes that may be used.
        fastest_first: The GPU models whose speed is known.
    """
    seen = sorted({(node.accelerator, node.capacity, node.instance_type) for node in nodes})
    types = [
        Kind(Mixture.UNIFORM, model, capacity, name)
        for model, capacity, name in seen
        if sum(1 for other in seen if other[:2] == (model, capacity)) > 1
    ]
    models = {model for model, _, _ in seen}
    known = [model for model in fastest_first if model in models]
    sets = (
        [subset for size in range(2, len(known) + 1) for subset in combinations(known, size)]
        if len(known) <= SUBSETS
        # A GPU may be slow and well connected, but with many models only the slow are left out.
        else [tuple(known[:size]) for size in range(2, len(known) + 1)]
    )
    return types + [
        Kind(Mixture.MODELS, among=subset) for subset in sets if len(subset) < len(models)
    ]


def narrowed(kind: Kind, nodes: Sequence[Node], typed: Container[object]) -> Kind:
    """A mixture that came out equal is none; `typed` are kinds of more than one machine type."""
    models = sorted({node.accelerator for node in nodes})
    capacities = {node.capacity for node in nodes}
    types = {node.instance_type for node in nodes}
    if len(models) > 1:
        return Kind(Mixture.MODELS, among=tuple(models))
    if len(capacities) > 1:
        return Kind(Mixture.CAPACITIES, models[0])
    equal = (models[0], capacities.pop())
    tells = kind.instance_type or (len(types) == 1 and equal in typed)
    return Kind(Mixture.UNIFORM, *equal, types.pop() if tells else None)
