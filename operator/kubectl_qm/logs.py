"""Logs of several workers as one stream of lines.

Ended logs are merged by their own times, so that the same logs give the same text. Followed logs
come in the order of arrival: one thread a worker reads, the caller's thread writes.
"""

import heapq
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace

from kubectl_qm.cluster import Cluster, LogRequest
from kubectl_qm.errors import CommandError
from kubectl_qm.workers import Worker

BACKLOG = 1_000
"""Lines read ahead of the terminal [count]; a reader then waits, so memory stays small."""
POLL_S = 1.0
"""Between two looks for new workers while following [s]."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one worker."""

    index: int
    text: str


def merged(cluster: Cluster, requests: Iterable[tuple[int, LogRequest]]) -> Iterator[Line]:
    """Ended or current logs, in the order of their lines' times."""
    streams = [
        _stamped(index, cluster.stream_log(replace(request, timestamps=True)))
        for index, request in requests
    ]
    for _, index, text in heapq.merge(*streams, key=lambda entry: entry[:2]):
        yield Line(index, text)


def _stamped(index: int, lines: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Lines with their time; RFC 3339 in UTC with equally many digits sorts as text."""
    for line in lines:
        time, _, text = line.partition(" ")
        yield _padded(time), index, text


def _padded(time: str) -> str:
    """The kubelet drops a fraction's last zeros; sorting as text needs them."""
    whole, _, fraction = time.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"


@dataclass
class Followed:
    """Workers whose logs are being read, each life of a container once."""

    cluster: Cluster
    request: Callable[[Worker], LogRequest]
    lines: queue.Queue[Line] = field(default_factory=lambda: queue.Queue(BACKLOG))
    faults: list[CommandError] = field(default_factory=list)
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _threads: list[threading.Thread] = field(default_factory=list)

    def start(self, workers: Iterable[Worker]) -> None:
        """Begins to read what is not being read yet."""
        for worker in workers:
            life = (worker.uid, worker.restarts)
            if worker.has_log and life not in self._seen:
                self._seen.add(life)
                # A daemon: Ctrl-C must not wait for a silent trainer.
                thread = threading.Thread(target=self._read, args=(worker,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def is_quiet(self) -> bool:
        """Whether every reader has ended and every line was taken."""
        return not any(thread.is_alive() for thread in self._threads) and self.lines.empty()

    def _read(self, worker: Worker) -> None:
        try:
            for text in self.cluster.stream_log(self.request(worker)):
                self.lines.put(Line(worker.index, text))
        except CommandError as error:
            self.faults.append(error)


def followed(
    readers: Followed, look: Callable[[], tuple[Iterable[Worker], bool]], poll_s: float = POLL_S
) -> Iterator[Line]:
    """Lines as they arrive, until the job has ended and every reader is done.

    Args:
        readers: What reads.
        look: Gives the workers there are now, and whether the job has ended.
        poll_s: Between two looks [s].
    """
    while True:
        workers, has_ended = look()
        readers.start(workers)
        yield from _taken(readers, poll_s)
        if has_ended and readers.is_quiet():
            return


def _taken(readers: Followed, poll_s: float) -> Iterator[Line]:
    """Lines until none has come for `poll_s`, or every reader is done."""
    while True:
        try:
            yield readers.lines.get(timeout=poll_s)
        except queue.Empty:
            return
