"""A gang on nodes of one kind in one domain: as cheap, or as dense, as it can be.

Nodes of one price and one room differ by their names alone, so they are one row, and what a gang
takes of a row is its first nodes: a decision costs what there are rows, not what there are nodes.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby

from quartermaster.decide.placement.candidates import Seats

Nodes = list[int]
"""Nodes by their position among all of them, in the order of their names."""
FEW = 32
"""Up to so many nodes are compared with those seen before [count]."""
REMEMBERED = 1 << 14
"""Different lots of nodes whose packings are remembered [count]."""
_Sort = tuple[int, int]
"""Workers that fit, negative, and the price: the roomiest come first, of these the cheapest."""


@dataclass(frozen=True, slots=True)
class Row:
    """Nodes that a choice cannot tell apart but by their names; at least one."""

    price: int
    """0 for the cheapest, more for the dearer; the last is unknown."""
    free: int
    """Workers that fit on each now [count]."""
    untouched: bool
    """Whether nothing runs on them."""
    nodes: Nodes


@dataclass(frozen=True, slots=True)
class _Run:
    """Rows of one price and one room."""

    room: int
    parts: Sequence[Nodes]

    @property
    def count(self) -> int:
        return sum(map(len, self.parts))

    def first(self, count: int) -> Nodes:
        if len(self.parts) == 1:
            return self.parts[0][:count]
        return sorted(chain.from_iterable(part[:count] for part in self.parts))[:count]


def pack(
    rows: Iterable[Row], wanted: int, *, most: int | None = None, broken_first: bool = False
) -> Seats:
    """The cheapest places, on the fewest nodes; fewer than `wanted` where there is no more room.

    Within a kind the price of a gang is the sum over its workers, so taking the cheapest places
    first is optimal; between places of equal price the roomiest are taken, and the last workers go
    where they leave the least behind (best fit), so that whole nodes stay whole.

    Args:
        rows: What there is.
        wanted: Workers to be placed [count].
        most: On one node [count]; None is no limit.
        broken_first: Whether nodes on which something runs go before those on which nothing does.
    """
    ordered = sorted(
        ((row.price, broken_first and row.untouched, -row.free, row.nodes) for row in rows),
        key=lambda entry: entry[:3],
    )
    taken: list[tuple[int, int]] = []
    for _, group in groupby(ordered, key=lambda entry: entry[:2]):
        if wanted == 0:
            break
        runs = [
            _Run(-free, [entry[3] for entry in same])
            for free, same in groupby(group, key=lambda entry: entry[2])
        ]
        wanted = _fill(runs, wanted, most or wanted, taken)
    return tuple(taken)


def _fill(
    roomiest_first: Sequence[_Run], wanted: int, most: int, taken: list[tuple[int, int]]
) -> int:
    """Fill equally dear nodes; the rest goes to the smallest that holds it. What is left over."""
    for position, run in enumerate(roomiest_first):
        room, count = min(run.room, most), run.count
        full = min(count, (wanted - 1) // room)
        if full == count:
            taken.extend((node, room) for node in run.first(full))
            wanted -= full * room
            continue
        some = run.first(full + 1)
        taken.extend((node, room) for node in some[:full])
        wanted -= full * room
        snug = next(it for it in reversed(roomiest_first[position:]) if it.room >= wanted)
        taken.append((some[full] if snug is run else snug.first(1)[0], wanted))
        return 0
    return wanted


class Packings:
    """Ways to pack a gang on some nodes.

    Few nodes are mostly like few others seen before, and are packed as these were: what decides is
    their prices, their room, and which name comes before which.
    """

    def __init__(self, wanted: int, *, many: bool) -> None:
        self._wanted = wanted
        self._many = many
        self._seen: dict[object, list[Seats]] = {}

    def of(self, rows: Sequence[Row]) -> list[Seats]:
        """The cheapest first, and where many are wanted its other shapes, none of them twice.

        Args:
            rows: Where there is room for the whole gang.
        """
        if sum(len(row.nodes) for row in rows) > FEW:
            return self._packed(rows)
        nodes = sorted(chain.from_iterable(row.nodes for row in rows))
        number = {node: index for index, node in enumerate(nodes)}
        like = tuple(
            sorted(
                (tuple([number[node] for node in row.nodes]), row.price, row.free, row.untouched)
                for row in rows
            )
        )
        found = self._seen.get(like)
        if found is None:
            if len(self._seen) >= REMEMBERED:
                self._seen.clear()
            alike = [Row(price, free, new, list(some)) for some, price, free, new in like]
            found = self._seen[like] = self._packed(alike)
        return [tuple((nodes[index], count) for index, count in seats) for seats in found]

    def _packed(self, rows: Sequence[Row]) -> list[Seats]:
        found = dict.fromkeys([pack(rows, self._wanted)])
        if self._many:
            found.update(dict.fromkeys(_shapes(rows, self._wanted)))
        return list(found)


def _shapes(rows: Sequence[Row], wanted: int) -> Iterator[Seats]:
    """Other shapes that hold the whole gang: what is broken first, fewer nodes, fewer on a node."""
    yield pack(rows, wanted, broken_first=True)
    one_price = len({row.price for row in rows}) == 1
    for most in range(min(wanted, max(row.free for row in rows)), 0, -1):
        if sum(min(row.free, most) * len(row.nodes) for row in rows) >= wanted:
            yield pack(rows, wanted, most=most)
            if not one_price:
                yield _pack_densely(rows, wanted, most)


def _pack_densely(rows: Sequence[Row], wanted: int, most: int) -> Seats:
    """The fewest nodes whatever they cost; of these the cheaper, while they have the room."""
    runs = _by_room(rows, most)
    taken: dict[_Sort, Nodes] = {}
    missing, count = wanted, 0
    for sort, run in runs.items():
        if missing > 0:
            taken[sort] = run.first(-(-missing // run.room))
            count += len(taken[sort])
            missing -= len(taken[sort]) * run.room
    rest = {}
    for sort, run in runs.items():
        before = len(taken.get(sort, ()))
        # No more than `count` of one price and room can be swapped in.
        rest[sort] = run.first(before + count)[before:]
    _swap_in_cheaper(taken, rest, -missing)
    chosen = set(chain.from_iterable(taken.values()))
    # Of a row the first `count` were taken at once, and as many more may have been swapped in.
    parts = ((row, [it for it in row.nodes[: 2 * count] if it in chosen]) for row in rows)
    return pack([replace(row, nodes=nodes) for row, nodes in parts if nodes], wanted, most=most)


def _by_room(rows: Iterable[Row], most: int) -> dict[_Sort, _Run]:
    ordered = sorted(
        ((-min(row.free, most), row.price, row.nodes) for row in rows), key=lambda it: it[:2]
    )
    return {
        (room, price): _Run(-room, [entry[2] for entry in same])
        for (room, price), same in groupby(ordered, key=lambda it: it[:2])
    }


def _swap_in_cheaper(taken: dict[_Sort, Nodes], rest: dict[_Sort, Nodes], spare: int) -> None:
    """Take cheaper nodes of `rest` instead, those that save most first, while there is room.

    Args:
        taken: What is taken, by room and price; changed in place.
        rest: What else there is; changed in place.
        spare: Workers for which there is more room than is needed [count].
    """
    at_first = set(chain.from_iterable(taken.values()))
    while swaps := [
        (old[1] - new[1], old[0] - new[0], olds[-1], news[-1], old, new)
        for old, olds in taken.items()
        for new, news in rest.items()
        if olds and news and new[1] < old[1] and new[0] - old[0] <= spare
    ]:
        _, more, gone, _, old, new = max(swaps)
        spare += more
        del taken[old][-1]
        if gone not in at_first:
            insort(rest[old], gone)
        insort(taken.setdefault(new, []), rest[new].pop())
