"""Checkpoints: written behind training's back, complete or not there, never unpickled.

A checkpoint is a folder `checkpoints/STEP/`. `COMPLETE` is written last, after everything else has
reached the disk, and holds the sizes of the files; a folder without it, or whose sizes differ, is
what a crash left and is not loaded. Tensors are safetensors, the rest is JSON.
"""

import json
import math
import shutil
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from qm_trainer.data.order import Cursor
from qm_trainer.errors import ConfigError
from qm_trainer.parallel.sharding import load_weights, placed_like, whole
from qm_trainer.storage import volume

STATE, META, MARKER = "state.safetensors", "state.json", "COMPLETE"
ASSUMED_MTBF_S = 3600.0
"""Mean time between interruptions that is assumed [s]: a spot node taken back hourly."""
SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 15.0, 600.0


@dataclass(frozen=True, slots=True)
class Saved:
    """One complete checkpoint."""

    step: int
    time: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one checkpoint holds, in memory of its own."""

    cursor: Cursor
    tensors: Mapping[str, Tensor]
    world: int
    notes: Mapping[str, Any]
    """Whatever else the loop wants back: JSON."""


def snapshot(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    cursor: Cursor,
    world: int,
    notes: Mapping[str, Any],
    *,
    keep: bool = True,
) -> Snapshot:
    """Copy all state, so that training may go on while it is written.

    Of a model that is split over processes every one of them has to come here, and those that do
    not `keep` what they help to put together hold no more of it than one tensor.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in _state(model, optimizer):
        put_together = whole(value)
        if keep:
            tensors[name] = put_together
    return Snapshot(cursor, tensors, world, notes)


def _state(model: nn.Module, optimizer: torch.optim.Optimizer) -> Iterator[tuple[str, Tensor]]:
    """All tensors by name, in the same order in every process."""
    for name, value in model.state_dict().items():
        yield f"model.{name}", value
    for name, parameter in model.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            yield f"optimizer.{name}.{key}", torch.as_tensor(value)


def restore(
    model: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], where: Path
) -> None:
    """Put what `snapshot` copied back.

    Raises:
        ConfigError: If the checkpoint is of another model.
    """
    weights = {k.removeprefix("model."): v for k, v in tensors.items() if k.startswith("model.")}
    try:
        load_weights(model, weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise ConfigError(
            f"{where} does not fit the model: {first}; give the changed job a name of its own"
        ) from error
    for name, parameter in model.named_parameters():
        prefix = f"optimizer.{name}."
        found = {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}
        if found:
            optimizer.state[parameter] = {
                key: placed_like(value, parameter) for key, value in found.items()
            }


class Folder:
    """The checkpoints of one run on the artifact volume."""

    def __init__(
        self, root: Path, keep: int, now: Callable[[], datetime], clock: Callable[[], float]
    ):
        self._root, self._keep, self._now, self._clock = root, keep, now, clock

    def complete(self) -> list[int]:
        """Steps that have a complete checkpoint, the oldest first."""
        if not self._root.is_dir():
            return []
        return sorted(int(p.name) for p in self._root.iterdir() if p.name.isdigit() and _whole(p))

    def save(self, state: Snapshot) -> Saved:
        """Write one checkpoint, then remove what is too old.

        Raises:
            StorageError: If the volume is full even without the older checkpoints, or not writable.
        """
        try:
            return self._write(state)
        except (OSError, SafetensorError) as error:
            if not volume.is_full(error) or not self._thin(keep=1, besides=state.cursor.step):
                raise volume.storage_error(error, self._root) from error
        try:
            return self._write(state)
        except (OSError, SafetensorError) as error:
            raise volume.storage_error(error, self._root) from error

    def load(self, step: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The tensors and the rest of one checkpoint."""
        folder = self._root / str(step)
        return load_file(folder / STATE), json.loads((folder / META).read_text())

    def saved(self, step: int) -> Saved:
        """When one checkpoint was complete, and what it took."""
        marker = json.loads((self._root / str(step) / MARKER).read_text())
        return Saved(step, marker["time"], marker["saveSeconds"])

    def clear_rubble(self) -> list[int]:
        """Remove what crashes left half-written; answers which steps."""
        if not self._root.is_dir():
            return []
        broken = [p for p in self._root.iterdir() if p.name.isdigit() and not _whole(p)]
        for folder in broken:
            _remove(folder)
        return sorted(int(folder.name) for folder in broken)

    def path(self, step: int) -> Path:
        """Where the checkpoint of `step` is."""
        return self._root / str(step)

    def _write(self, state: Snapshot) -> Saved:
        began = self._clock()
        folder = self.path(state.cursor.step)
        _remove(folder)
        folder.mkdir(parents=True)
        try:
            save_file(dict(state.tensors), folder / STATE)
            cursor = state.cursor
            progress = {"step": cursor.step, "epoch": cursor.epoch, "consumed": cursor.consumed}
            (folder / META).write_text(json.dumps({**progress, "notes": dict(state.notes)}))
            sizes = {}
            for name in (STATE, META):
                volume.sync(folder / name)
                sizes[name] = (folder / name).stat().st_size
            saved = Saved(cursor.step, volume.iso(self._now()), round(self._clock() - began, 3))
            marker = {
                "step": cursor.step,
                "epoch": cursor.epoch,
                "world": state.world,
                "time": saved.time,
                "saveSeconds": saved.seconds,
                "files": sizes,
            }
            volume.write_whole(folder / MARKER, json.dumps(marker))
            volume.sync(self._root)
        except BaseException:
            _remove(folder)
            raise
        self._thin(keep=self._keep)
        return saved

    def _thin(self, keep: int, besides: int | None = None) -> bool:
        """Keep the newest `keep`; answers whether something went."""
        steps = [step for step in self.complete() if step != besides]
        for step in steps[:-keep]:
            _remove(self.path(step))
        return len(steps) > keep


class Saver:
    """Writes snapshots one at a time in a thread; a new one waits for the one before."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._thread: threading.Thread | None = None
        self._error: BaseException | None = None
        self.last: Saved | None = None

    @property
    def busy(self) -> bool:
        """Whether a save is under way."""
        return self._thread is not None and self._thread.is_alive()

    def start(self, state: Snapshot) -> None:
        """Begin to write `state`.

        Raises:
            StorageError: If an earlier save failed.
        """
        self.wait()
        self._thread = threading.Thread(target=self._run, args=(state,), name="saver")
        self._thread.start()

    @property
    def seconds(self) -> float:
        """What the last save cost, in the thread that wrote it [s]."""
        return self.last.seconds if self.last else 0.0

    def wait(self) -> None:
        """Return when nothing is being written.

        Raises:
            StorageError: If the save failed.
        """
        self.settle()
        self.check()

    def settle(self) -> None:
        """Return when nothing is being written, however that ended."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def check(self) -> None:
        """Raise what a save that has ended raised."""
        if self._error is not None:
            error, self._error = self._error, None
            raise error

    def _run(self, state: Snapshot) -> None:
        try:
            self.last = self._folder.save(state)
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


def _whole(folder: Path) -> bool:
    try:
        marker = json.loads((folder / MARKER).read_text())
        sizes = marker["files"]
        return all((folder / name).stat().st_size == size for name, size in sizes.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _remove(folder: Path) -> None:
    """Take the marker away first, so that no half-removed checkpoint counts as complete."""
    (folder / MARKER).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
