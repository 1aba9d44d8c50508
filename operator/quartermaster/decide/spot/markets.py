"""What was seen of spot: by GPU model, machine type and zone, since somebody has watched."""

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from quartermaster.decide.spot.interval import Interruptions
from quartermaster.decide.spot.spells import Spells
from quartermaster.domain.cluster import Capacity, Node

LONGEST_GAP_S = 600.0
"""After a longer time without a look nobody knows what has been meanwhile: watching begins anew."""


NOTHING_SEEN = Interruptions()


@dataclass(frozen=True, slots=True, order=True)
class Market:
    """Where spot of one kind comes and goes."""

    accelerator: str
    instance_type: str
    zone: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of one market."""

    spells: Mapping[int, Spells]
    """By how many nodes are wanted at once [count]: a gang has spot only where all of it has."""
    example: Node
    """The last node that was seen of it, empty: what would come again."""
    interruptions: Interruptions = NOTHING_SEEN
    """Of its nodes, each for itself."""
    nodes: Mapping[str, bool] = field(default_factory=dict)
    """Uids of those that are there now, and whether anybody is on them."""


@dataclass(frozen=True, slots=True)
class Markets:
    """All markets that were seen, up to one moment."""

    at: datetime | None = None
    seen: Mapping[Market, Seen] = field(default_factory=dict)

    def then(self, nodes: Iterable[Node], wanted: Iterable[int], now: datetime) -> "Markets":
        """With one more look.

        Args:
            nodes: All nodes that there are.
            wanted: For how many nodes at once somebody may ask [count].
            now: When.
        """
        there: dict[Market, list[Node]] = {}
        taken: set[str] = set()
        present: set[str] = set()
        for node in nodes:
            if node.capacity is not Capacity.SPOT:
                continue
            present.add(_uid(node))
            if node.reclaim is not None:
                taken.add(_uid(node))
            elif node.ready:
                there.setdefault(market_of(node), []).append(node)
        elapsed_s = 0.0 if self.at is None else (now - self.at).total_seconds()
        before = {} if elapsed_s > LONGEST_GAP_S else self.seen
        counts = {1, *wanted}
        seen: dict[Market, Seen] = {}
        for market in sorted({*before, *there}):
            old, nodes_now = before.get(market), there.get(market, [])
            example = replace(nodes_now[0], used=nodes_now[0].daemons) if nodes_now else None
            busy = {_uid(node): node.used != node.daemons for node in nodes_now}
            if old is not None:
                seen[market] = _next(old, example, busy, counts, (taken, present), elapsed_s)
            elif example is not None:
                first = {count: Spells(up=len(busy) >= count) for count in counts}
                seen[market] = Seen(first, example, nodes=busy)
        return Markets(now, seen)


def _uid(node: Node) -> str:
    return node.uid or node.name


def market_of(node: Node) -> Market:
    """The market that a node was bought on."""
    return Market(node.accelerator, node.instance_type, node.zone)


def all_of(market: Seen, nodes: int) -> Spells:
    """What was seen of so many nodes at once [count]."""
    return market.spells.get(nodes, Spells(up=len(market.nodes) >= nodes))


def _next(
    old: Seen,
    example: Node | None,
    nodes: Mapping[str, bool],
    wanted: Iterable[int],
    whose: tuple[Container[str], Container[str]],
    elapsed_s: float,
) -> Seen:
    """With one more look; sizes that nobody wants any more are not followed.

    A node on which nobody was, and that goes without a notice, was given back, not taken; one that
    is not ready for a while is not gone.
    """
    taken, present = whose
    lost = sum(
        uid in taken or (busy and uid not in present)
        for uid, busy in old.nodes.items()
        if uid not in nodes
    )
    spells: dict[int, Spells] = {}
    for count in wanted:
        up, before = len(nodes) >= count, old.spells.get(count)
        spells[count] = Spells(up=up) if before is None else before.then(elapsed_s, up=up)
    running_s = old.interruptions.running_s + elapsed_s * len(old.nodes)
    interruptions = Interruptions(running_s, old.interruptions.count + lost)
    return Seen(spells, example or old.example, interruptions, nodes)
