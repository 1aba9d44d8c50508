"""Which links the nodes of a gang cross, and the slowest of them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from quartermaster.domain.cluster import NODE_LEVEL, Link, Node, Pool
from quartermaster.domain.hardware import InstanceType

Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Crossing:
    """What a message between the farthest two nodes meets on its way."""

    bandwidth: float | None
    """Of the slowest link, for each node, one direction [byte/s]; None: a link is unknown."""
    latency: float = 0.0
    """What the slowest link adds [s]."""
    level: str = ""
    """The topology level whose links are the slowest; empty: the nodes' own network cards."""


def crossing(
    ends: Sequence[tuple[Node, Pool]],
    instance: Callable[[str], InstanceType | None],
    others: Iterable[Labels] = (),
) -> Crossing:
    """The slowest of the nodes' own links and of the levels' links between them.

    A link of which nothing is said slows nobody down; the node's own is then its network card.

    Args:
        ends: The nodes, and the pools that say how they are wired.
        instance: What is known of machine types, by name.
        others: Labels of further nodes of the gang.
    """
    kinds = {(node.instance_type, pool.name): (node, pool) for node, pool in ends}
    own = [own_link(node, pool, instance) for node, pool in kinds.values()]
    links = [link for link in own if link is not None]
    if not links or len(links) < len(own):
        return Crossing(None)
    pools = {pool.name: pool for _, pool in ends if pool.links}
    labels = [*(node.labels for node, _ in ends), *others] if pools else []
    links += [link for pool in pools.values() for link in _crossed(pool, labels)]
    # Of equally slow ones the widest level: what is inside it could be as wide as it likes.
    slowest = min(reversed(links), key=lambda link: link.bandwidth)
    latency = max(link.latency for link in links)
    return Crossing(slowest.bandwidth, latency, slowest.level)


def own_link(node: Node, pool: Pool, instance: Callable[[str], InstanceType | None]) -> Link | None:
    """What a node sends over, as its pool says, else its network card; None: unknown."""
    said = next((link for link in pool.links if link.level == NODE_LEVEL), None)
    if said is not None:
        return said
    known = instance(node.instance_type)
    if known is None or known.network_bandwidth is None:
        return None
    return Link("", known.network_bandwidth)


def _crossed(pool: Pool, labels: Sequence[Labels]) -> list[Link]:
    """The links of the widest level that tells the nodes apart, and of all levels inside it.

    Domains are nested: racks of one name in two zones are two racks. A node without the label could
    lie anywhere, so it is taken to lie elsewhere.
    """
    levels = [level for level in pool.topology_levels if level != NODE_LEVEL]
    for position, level in enumerate(levels):
        values = {told.get(level) for told in labels}
        if len(values) > 1 or None in values:
            inside = levels[position:]
            return [link for level in inside for link in pool.links if link.level == level][::-1]
    return []
