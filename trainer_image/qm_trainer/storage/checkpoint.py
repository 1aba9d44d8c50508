"""Checkpoints: written behind training's back, complete or not there, never unpickled.

A checkpoint is a folder `STEP/`. Where the model is split each process writes its own parts, and
says so on the board; the one that leads writes `COMPLETE` last, when everything else has reached
the disk. It holds the sizes of the files; a folder without it, or whose sizes differ, is what a
crash left and is not loaded. Tensors are safetensors, the rest is JSON.
"""

import json
import math
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from torch import Tensor

from qm_trainer.errors import StorageError
from qm_trainer.parallel.board import Alone, Board, Note
from qm_trainer.storage import volume
from qm_trainer.storage.files import Files
from qm_trainer.storage.shards import Stored
from qm_trainer.storage.snapshots import Snapshot

META, MARKER = "state.json", "COMPLETE"
ASSUMED_MTBF_S = 3600.0
"""Mean time between interruptions that is assumed [s]: a spot node taken back hourly."""
SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 15.0, 600.0
PATIENCE_S = 10.0
"""How long a process that ends waits for what others have still to write [s]: they may be gone."""


@dataclass(frozen=True, slots=True)
class Saved:
    """One complete checkpoint."""

    step: int
    time: str
    seconds: float


class Folder:
    """The checkpoints of one run."""

    def __init__(
        self,
        files: Files,
        keep: int,
        now: Callable[[], datetime],
        clock: Callable[[], float],
        board: Board | None = None,
    ) -> None:
        self._files, self._keep, self._now, self._clock = files, keep, now, clock
        self._board: Board = board or Alone()
        self._attempts = 0

    def complete(self) -> list[int]:
        """Steps that have a complete checkpoint, the oldest first."""
        sizes = self._files.sizes()
        return [step for step in _steps(sizes) if not self._fault(step, sizes)]

    def save(self, state: Snapshot, leaving: threading.Event | None = None) -> Saved:
        """Write one checkpoint, then remove what is too old; every writer has to come here.

        Args:
            state: What this process writes.
            leaving: Set when this process ends, and no longer waits for the others.

        Raises:
            StorageError: If the volume is full even without the older checkpoints, or not writable;
                in every writer, if it is so for one.
            PeerLost: If another writer does not say how it went.
        """
        leaving = leaving or threading.Event()
        verdict = self._attempt(state, leaving)
        if verdict.get("again"):
            verdict = self._attempt(state, leaving)
        if "saved" not in verdict:
            raise StorageError(verdict["failed"])
        return Saved(**verdict["saved"])

    def open(self, step: int) -> Stored:
        """The tensors of one complete checkpoint.

        Raises:
            Damaged: If they are not what was written.
        """
        names = [name for name in self._marker(step)["files"] if name.endswith(".safetensors")]
        return self._files.open(f"{step}/{name}" for name in names)

    def meta(self, step: int) -> dict[str, Any]:
        """The rest of one complete checkpoint."""
        read: dict[str, Any] = json.loads(self._files.read(f"{step}/{META}"))
        return read

    def saved(self, step: int) -> Saved:
        """When one checkpoint was complete, and what it took."""
        marker = self._marker(step)
        return Saved(step, marker["time"], marker["saveSeconds"])

    def clear_rubble(self) -> dict[int, str]:
        """Remove what crashes left half-written; answers which steps, and what was wrong."""
        sizes = self._files.sizes()
        faults = {step: self._fault(step, sizes) for step in _steps(sizes)}
        broken = {step: fault for step, fault in faults.items() if fault}
        for step in broken:
            self.remove(step)
        return broken

    def remove(self, step: int) -> None:
        """Take the marker away first, so that no half-removed checkpoint counts as complete."""
        self._files.remove(f"{step}/{MARKER}")
        self._files.remove_folder(str(step))

    def where(self, step: int) -> str:
        """Where the checkpoint of `step` is."""
        return self._files.where(str(step))

    def _attempt(self, state: Snapshot, leaving: threading.Event) -> Note:
        """Write this process's part, and hear what became of all of them."""
        began = self._clock()
        key, before = f"save-{self._attempts}", f"save-{self._attempts - 1}"
        self._attempts += 1
        self._board.post(key, self._write_part(state))
        if state.writer.rank != 0:
            return self._board.read(f"{key}-verdict", 0, leaving)
        notes = self._board.gather(key, leaving)
        self._board.clear(f"{before}-verdict")
        verdict = self._judge(state, notes, began)
        self._board.clear(key)
        self._board.post(f"{key}-verdict", verdict)
        return verdict

    def _write_part(self, state: Snapshot) -> Note:
        """What this process has to say of its part: its files, or what went wrong."""
        folder, cursor = state.cursor.step, state.cursor
        files = {}
        try:
            if state.writer.rank == 0:
                self._files.remove(f"{folder}/{MARKER}")
            if state.tensors:
                name = state.writer.file
                files[name] = self._files.write_tensors(
                    f"{folder}/{name}", state.tensors, state.offsets
                )
            if state.writer.rank == 0:
                progress = {"step": cursor.step, "epoch": cursor.epoch, "consumed": cursor.consumed}
                text = json.dumps({**progress, "notes": dict(state.notes)})
                files[META] = self._files.write(f"{folder}/{META}", text)
        except StorageError as error:
            return {"failed": str(error), "full": error.full}
        return {"files": files}

    def _judge(self, state: Snapshot, notes: Sequence[Note], began: float) -> Note:
        """What became of a save, when all parts are written, or are not."""
        step = state.cursor.step
        failed = [note for note in notes if "failed" in note]
        if not failed:
            try:
                return {"saved": asdict(self._mark(state, notes, began))}
            except StorageError as error:
                failed = [{"failed": str(error), "full": error.full}]
        with suppress(StorageError):
            self.remove(step)
        again = all(note["full"] for note in failed) and self._make_room()
        return {"failed": failed[0]["failed"], "again": again}

    def _mark(self, state: Snapshot, notes: Sequence[Note], began: float) -> Saved:
        """Make a checkpoint complete; what is too old goes."""
        cursor = state.cursor
        seconds = round(self._clock() - began, 3)
        saved = Saved(cursor.step, volume.iso(self._now()), seconds)
        marker = {
            "step": cursor.step,
            "epoch": cursor.epoch,
            "world": state.world,
            "time": saved.time,
            "saveSeconds": saved.seconds,
            "files": {name: size for note in notes for name, size in note["files"].items()},
        }
        self._files.write(f"{cursor.step}/{MARKER}", json.dumps(marker))
        # It is complete; what could not be removed goes next time.
        with suppress(StorageError):
            self._thin(keep=self._keep)
        return saved

    def _make_room(self) -> bool:
        """Keep the newest only; answers whether there is more room now."""
        try:
            return self._thin(keep=1)
        except StorageError:
            return False

    def _thin(self, keep: int) -> bool:
        """Keep the newest `keep`; answers whether something went."""
        steps = self.complete()
        for step in steps[:-keep]:
            self.remove(step)
        return len(steps) > keep

    def _marker(self, step: int) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self._files.read(f"{step}/{MARKER}"))
        return read

    def _fault(self, step: int, sizes: Mapping[str, int]) -> str:
        """Why a checkpoint is not complete; nothing if it is."""
        if f"{step}/{MARKER}" not in sizes:
            return "it was not finished"
        try:
            files = dict(self._marker(step)["files"])
        except (ValueError, KeyError, TypeError):
            return f"{MARKER} is damaged"
        for name, size in files.items():
            found = sizes.get(f"{step}/{name}")
            if found is None:
                return f"{name} is gone"
            if found != size:
                return f"{name} has {found} of {size} bytes"
        return ""


class Saver:
    """Writes snapshots one at a time in a thread; a new one waits for the one before.

    Args:
        folder: Where they go.
        first: Done in that thread before each: what a checkpoint must not be without.
    """

    def __init__(self, folder: Folder, first: Callable[[], None] = lambda: None) -> None:
        self._folder, self._first = folder, first
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self._leaving = threading.Event()
        self._written: Mapping[str, Tensor] = {}
        self.last: Saved | None = None

    @property
    def busy(self) -> bool:
        """Whether a save is under way."""
        return self._thread is not None and self._thread.is_alive()

    def room(self) -> Mapping[str, Tensor]:
        """The tensors that were written last, to be written over, when nobody reads them any more.

        Raises:
            StorageError: If that save failed.
        """
        self.wait()
        return self._written

    def start(self, state: Snapshot) -> None:
        """Begin to write `state`.

        Raises:
            StorageError: If an earlier save failed.
        """
        self.wait()
        self._written = state.tensors
        self._thread = threading.Thread(target=self._run, args=(state,), name="saver")
        self._thread.start()

    @property
    def seconds(self) -> float:
        """What the last save cost, in the thread that wrote it [s]."""
        return self.last.seconds if self.last else 0.0

    def wait(self, patience_s: float | None = None) -> bool:
        """Return when nothing is being written, or is still after `patience_s` [s]; answers which.

        Raises:
            StorageError: If the save failed.
            PeerLost: If another process did not write its part.
        """
        if self._thread is not None:
            self._thread.join(patience_s)
            if self._thread.is_alive():
                return False
            self._thread = None
        self.check()
        return True

    def give_up(self) -> None:
        """Wait for nothing any more: this process ends, and what it writes is of no use."""
        self._leaving.set()
        self._thread = None

    def settle(self) -> None:
        """Return when nothing is being written, however that ended, and nothing will be."""
        if self._thread is not None:
            self._thread.join(PATIENCE_S)
            self._leaving.set()
            self._thread.join()
            self._thread = None

    def check(self) -> None:
        """Raise what a save that has ended raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, state: Snapshot) -> None:
        try:
            self._first()
            self.last = self._folder.save(state, self._leaving)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that trains
            self._error = error


def period(asked: float | None, save_seconds: float, mean_seconds: float | None = None) -> float:
    """Seconds from one checkpoint to the next [s].

    Args:
        asked: What the specification says, or None to choose.
        save_seconds: What the last save cost [s].
        mean_seconds: Between interruptions, as was seen of the nodes that this runs on [s]; None:
            nobody knows.

    The root of 2 x cost x mean time between failures, kept between 15 s and 10 min.

    Source: Young 1974, "A first order approximation to the optimum checkpoint interval", eq. 8.
    """
    if asked is not None:
        return asked
    best = math.sqrt(2.0 * save_seconds * (mean_seconds or ASSUMED_MTBF_S))
    return min(LONGEST_PERIOD_S, max(SHORTEST_PERIOD_S, best))


def _steps(paths: Iterable[str]) -> list[int]:
    """The steps that have a folder, the smallest first."""
    folders = {path.partition("/")[0] for path in paths}
    return sorted(int(folder) for folder in folders if folder.isdigit())
