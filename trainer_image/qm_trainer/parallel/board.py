"""Short notes that processes leave for each other, from whatever thread they like.

The threads that train meet in collectives, and another thread of theirs must not: two collectives
of one group in different orders hang. Notes go through the store that the processes met by, over a
connection of its own.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from threading import Event
from typing import Any, Protocol

from torch.distributed.distributed_c10d import Store
from typing_extensions import override

from qm_trainer.errors import PeerLost

Note = Mapping[str, Any]
"""JSON of a few hundred bytes."""

LOOK_S, LOOK_RARELY_S = 0.005, 0.25
"""Between two looks, at first and after a while [s]."""
LONGEST_WAIT_S = 300.0
"""For what another process does at the same time [s], as in a collective."""
STORE_TIMEOUT = timedelta(seconds=30)
"""For one answer of the store: it is there as long as worker 0 is."""


class Board(Protocol):
    """What a process shares with the others of its run."""

    def post(self, key: str, note: Note) -> None:
        """Leave a note of this process's own under `key`."""

    def read(self, key: str, rank: int, leaving: Event) -> Note:
        """The note of `rank` under `key`, when it is there.

        Raises:
            PeerLost: If it is not there when `leaving` is set, or after `LONGEST_WAIT_S`.
        """

    def gather(self, key: str, leaving: Event) -> Sequence[Note]:
        """The notes of all processes under `key`, by rank, when they are there.

        Raises:
            PeerLost: As in `read`.
        """

    def clear(self, key: str) -> None:
        """Take away all notes under `key`; they have been read."""


class Alone(Board):
    """The board of a run of one process."""

    def __init__(self) -> None:
        self._notes: dict[str, Note] = {}

    @override
    def post(self, key: str, note: Note) -> None:
        self._notes[key] = note

    @override
    def read(self, key: str, rank: int, leaving: Event) -> Note:
        return self._notes[key]

    @override
    def gather(self, key: str, leaving: Event) -> Sequence[Note]:
        return [self._notes[key]]

    @override
    def clear(self, key: str) -> None:
        self._notes.pop(key, None)


class Shared(Board):
    """A board in a store of torch's.

    Args:
        store: The store; nobody else waits on this connection.
        rank: Of this process.
        size: Processes [count].
        clock: Seconds of no particular origin [s].
    """

    def __init__(self, store: Store, rank: int, size: int, clock: Callable[[], float]) -> None:
        self._store, self._rank, self._size, self._clock = store, rank, size, clock

    @override
    def post(self, key: str, note: Note) -> None:
        self._store.set(f"{key}/{self._rank}", json.dumps(note))

    @override
    def read(self, key: str, rank: int, leaving: Event) -> Note:
        return self._when_there([f"{key}/{rank}"], leaving)[0]

    @override
    def gather(self, key: str, leaving: Event) -> Sequence[Note]:
        return self._when_there([f"{key}/{rank}" for rank in range(self._size)], leaving)

    @override
    def clear(self, key: str) -> None:
        for rank in range(self._size):
            self._store.delete_key(f"{key}/{rank}")

    def _when_there(self, keys: list[str], leaving: Event) -> list[Note]:
        began, pause = self._clock(), LOOK_S
        while not self._store.check(keys):
            if leaving.wait(pause) or self._clock() - began > LONGEST_WAIT_S:
                late = [key.rpartition("/")[2] for key in keys if not self._store.check([key])]
                raise PeerLost(f"rank {', '.join(late)} did not say how its save went")
            pause = min(2 * pause, LOOK_RARELY_S)
        return [json.loads(self._store.get(key)) for key in keys]
