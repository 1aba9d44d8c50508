"""On which nodes the chosen configurations lie. What keeps its configuration keeps its nodes.

Whole nodes go first, then powers of two from the largest, then the scattered. Where a node would
have room but for smaller ones on it, these are moved, the cheapest to move first: sizes divide each
other, so the capacity's rows promise that a node is found. See `configurations`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from quartermaster.decide.elastic.configurations import Configuration, PoolRoom

Place = tuple[tuple[str, int], ...]
"""Node names and workers on each."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A job that is to be placed in a pool."""

    uid: str
    configuration: Configuration
    held: Place
    """Where it lies now, empty where it does not or is to change."""
    cost: float
    """What moving it loses, to be compared with others [s]."""


@dataclass(slots=True)
class _Board:
    """A pool while it is being filled."""

    room: PoolRoom
    free: dict[str, int]
    placed: dict[str, Place] = field(default_factory=dict)
    pieces: dict[str, Piece] = field(default_factory=dict)

    def rank(self, piece: Piece) -> int:
        """What may be moved for what: less for more."""
        if piece.configuration.scattered:
            return 0
        if self.room.takes_whole_nodes(piece.configuration):
            return 1 << 30
        return piece.configuration.workers

    def put(self, piece: Piece, place: Place) -> None:
        for node, workers in place:
            self.free[node] -= workers
        self.placed[piece.uid] = place
        self.pieces[piece.uid] = piece

    def take(self, uid: str) -> Piece:
        for node, workers in self.placed.pop(uid):
            self.free[node] += workers
        return self.pieces.pop(uid)

    def movable(self, node: str, rank: int) -> list[Piece]:
        """What on a node would give way, the cheapest first."""
        there = [
            self.pieces[uid]
            for uid, place in self.placed.items()
            if any(name == node for name, _ in place)
        ]
        return sorted(
            (piece for piece in there if self.rank(piece) < rank),
            key=lambda piece: (piece.cost, piece.uid),
        )

    def on(self, piece: Piece, node: str) -> int:
        return sum(workers for name, workers in self.placed[piece.uid] if name == node)


def place(room: PoolRoom, pieces: Sequence[Piece]) -> Mapping[str, Place]:
    """A place for every piece, by uid.

    Args:
        room: The pool.
        pieces: What was chosen; together within the rows of the pool's capacity.

    Raises:
        ValueError: They are not within the rows.
    """
    board = _Board(room, dict(room.nodes))
    waiting: list[Piece] = []
    for piece in sorted(pieces, key=lambda piece: (-board.rank(piece), piece.uid)):
        if piece.held and all(board.free.get(node, 0) >= n for node, n in piece.held):
            board.put(piece, piece.held)
        else:
            waiting.append(piece)
    while waiting:
        waiting.sort(
            key=lambda piece: (-board.rank(piece), -piece.configuration.workers, piece.uid)
        )
        piece = waiting.pop(0)
        if piece.configuration.scattered:
            board.put(piece, _anywhere(board, piece.configuration.workers))
        else:
            waiting.extend(_put(board, piece))
    return board.placed


def _put(board: _Board, piece: Piece) -> list[Piece]:
    """Place a piece on one node or on whole nodes; returns who had to give way."""
    moved: list[Piece] = []
    whole = board.room.takes_whole_nodes(piece.configuration)
    size = board.room.node_size if whole else piece.configuration.workers
    place: list[tuple[str, int]] = []
    for _ in range(piece.configuration.nodes if whole else 1):
        node, evicted = _cheapest_node(board, size, board.rank(piece), {name for name, _ in place})
        moved.extend(board.take(other.uid) for other in evicted)
        place.append((node, size))
    board.put(piece, tuple(place))
    return moved


def _cheapest_node(board: _Board, size: int, rank: int, taken: set[str]) -> tuple[str, list[Piece]]:
    """The node where the least has to move; of several the one that is left the fullest."""
    best: tuple[tuple[float, int, str], list[Piece]] | None = None
    for node, free in board.free.items():
        if node in taken:
            continue
        evicted: list[Piece] = []
        for other in board.movable(node, rank):
            if free >= size:
                break
            evicted.append(other)
            free += board.on(other, node)  # noqa: PLW2901 - the node as it would be
        key = (sum(other.cost for other in evicted), free, node)
        if free >= size and (best is None or key < best[0]):
            best = key, evicted
    if best is None:
        raise ValueError(f"pool {board.room.pool}: {size} workers on one node exceed its room")
    return best[0][2], best[1]


def _anywhere(board: _Board, workers: int) -> Place:
    """As few nodes as will do: one that just holds it, else the emptiest first."""
    snug = [(free, node) for node, free in board.free.items() if free >= workers]
    if snug:
        return ((min(snug)[1], workers),)
    place: list[tuple[str, int]] = []
    left = workers
    while left:
        # The last part goes where it just fits, so that emptier nodes stay empty.
        fitting = [(free, node) for node, free in board.free.items() if free >= left and free > 0]
        used = {node for node, _ in place}
        fitting = [(free, node) for free, node in fitting if node not in used]
        if fitting:
            place.append((min(fitting)[1], left))
            break
        free, node = max(
            ((free, node) for node, free in board.free.items() if node not in used),
            key=lambda pair: (pair[0], pair[1]),
            default=(0, ""),
        )
        if free <= 0:
            raise ValueError(f"pool {board.room.pool}: {workers} workers exceed its room")
        place.append((node, free))
        left -= free
    return tuple(place)
