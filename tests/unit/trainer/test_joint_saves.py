"""A checkpoint that several processes write: complete when all parts are, or not at all."""

import json
import os
import random
import signal
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from qm_trainer.data.order import Cursor
from qm_trainer.errors import PeerLost, StorageError
from qm_trainer.parallel.board import Shared
from qm_trainer.storage import snapshots
from qm_trainer.storage.checkpoint import Folder, Saver
from qm_trainer.storage.files import Files
from qm_trainer.storage.snapshots import Snapshot, Writer
from qm_trainer.storage.volume import Volume
from tests.unit.trainer import ranks

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]

THREE = 3
KILLS = int(os.environ.get("QM_KILLS", "10"))


class Small(Files):
    """A volume on which one process finds room for `room` writes of tensors only."""

    def __init__(self, root: Path, room: int) -> None:
        self._inner, self.room = Volume(root), room

    def where(self, path: str) -> str:
        return self._inner.where(path)

    def sizes(self) -> Mapping[str, int]:
        return self._inner.sizes()

    def read(self, path: str) -> str:
        return self._inner.read(path)

    def write(self, path: str, text: str) -> int:
        return self._inner.write(path, text)

    def write_tensors(
        self, path: str, tensors: Mapping[str, Tensor], offsets: Mapping[str, tuple[int, ...]]
    ) -> int:
        if not self.room:
            raise StorageError("the volume is full: ask for a larger one", full=True)
        self.room -= 1
        return self._inner.write_tensors(path, tensors, offsets)

    def open(self, paths: Iterable[str]) -> Any:
        return self._inner.open(paths)

    def remove(self, path: str) -> None:
        self._inner.remove(path)

    def remove_folder(self, path: str) -> None:
        self.room += 1
        self._inner.remove_folder(path)


def part(rank: int, step: int, writers: int = THREE) -> Snapshot:
    """Two rows of a matrix that is filled with its step."""
    tensors = {"model.w": torch.full((2, 4), float(step))}
    offsets = {"model.w": (2 * rank, 0)}
    return Snapshot(Cursor(step, 0, 0), tensors, writers, {}, offsets, Writer(rank, writers))


def folders(files: list[Files], keep: int = 2) -> list[Folder]:
    store = dist.HashStore()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    boards = [Shared(store, rank, len(files), time.monotonic) for rank in range(len(files))]
    return [
        Folder(place, keep, lambda: now, time.monotonic, board)
        for place, board in zip(files, boards, strict=True)
    ]


def together(writers: list[Folder], step: int) -> list[Any]:
    """Each saves its part at once; answers what each got or what it raised."""

    def one(rank: int) -> Any:
        try:
            return writers[rank].save(part(rank, step, len(writers)))
        except (StorageError, PeerLost) as error:
            return error

    with ThreadPoolExecutor(len(writers)) as pool:
        return list(pool.map(one, range(len(writers))))


def assert_sound(folder: Folder, rows: int = 2 * THREE) -> list[int]:
    """Every complete checkpoint holds its own step, everywhere; answers the steps."""
    steps = folder.complete()
    for step in steps:
        with folder.open(step) as stored:
            assert torch.equal(stored.whole("model.w"), torch.full((rows, 4), float(step)))
    return steps


def test_all_writers_hear_of_a_complete_checkpoint(tmp_path: Path) -> None:
    writers = folders([Volume(tmp_path)] * THREE)
    saved = together(writers, 5)
    assert saved == [writers[1].saved(5)] * THREE
    marker = json.loads((tmp_path / "5/COMPLETE").read_text())
    assert sorted(marker["files"]) == [
        *(f"state-{rank:05}-of-00003.safetensors" for rank in range(THREE)),
        "state.json",
    ]
    assert assert_sound(writers[2]) == [5]


def test_it_is_not_complete_before_the_last_part_is_there(tmp_path: Path) -> None:
    writers = folders([Volume(tmp_path)] * THREE)
    savers = [Saver(folder) for folder in writers]
    for rank in range(2):
        savers[rank].start(part(rank, 5))
    time.sleep(0.2)
    assert (savers[0].busy, savers[1].busy) == (True, True)
    assert writers[0].complete() == []
    savers[2].start(part(2, 5))
    for saver in savers:
        saver.wait()
    assert assert_sound(writers[0]) == [5]


def test_a_writer_that_ends_does_not_wait_for_one_that_is_gone(
    tmp_path: Path,
) -> None:
    writers = folders([Volume(tmp_path)] * THREE)
    leaving = threading.Event()
    leaving.set()
    with pytest.raises(PeerLost, match="rank 1, 2 did not say how its save went"):
        writers[0].save(part(0, 5), leaving)
    with pytest.raises(PeerLost, match="rank 0 did not say"):
        folders([Volume(tmp_path)] * THREE)[1].save(part(1, 5), leaving)
    assert writers[0].complete() == []
    assert writers[0].clear_rubble() == {5: "it was not finished"}


def test_one_full_volume_is_told_by_all_and_what_was_there_stays(tmp_path: Path) -> None:
    writers = folders([Volume(tmp_path), Small(tmp_path, room=1), Volume(tmp_path)])
    together(writers, 5)
    for told in together(writers, 6):
        assert isinstance(told, StorageError)
        assert str(told) == "the volume is full: ask for a larger one"
    assert assert_sound(writers[0]) == [5]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["5"]


def test_older_checkpoints_make_room_for_all_parts(tmp_path: Path) -> None:
    narrow = Small(tmp_path, room=2)
    writers = folders([narrow, Volume(tmp_path), Volume(tmp_path)], keep=9)
    for step in (5, 6, 7):
        saved = together(writers, step)
        assert {one.step for one in saved} == {step}
    assert assert_sound(writers[0]) == [6, 7]


def test_what_is_on_the_board_is_taken_away_again(tmp_path: Path) -> None:
    store = dist.HashStore()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    writers = [
        Folder(
            Volume(tmp_path), 2, lambda: now, time.monotonic, Shared(store, rank, 2, time.monotonic)
        )
        for rank in range(2)
    ]
    for step in range(1, 6):
        together(writers, step)
    assert store.num_keys() <= 1


def test_a_run_in_parts_goes_on_whole_and_the_other_way_round(tmp_path: Path) -> None:
    """The optimizer's moments are cut as the weights are; its counts are not."""
    torch.manual_seed(0)
    model = nn.Linear(4, 6)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(2, 4)).sum().backward()
    optimizer.step()
    parts = snapshots.take(model, optimizer)
    writers = folders([Volume(tmp_path)] * 2)

    def half(rank: int) -> Snapshot:
        tensors = {n: t[3 * rank : 3 * rank + 3] for n, t in parts.tensors.items() if t.dim()}
        tensors = {name: value.clone() for name, value in tensors.items()}
        offsets = {n: (3 * rank, *(0,) * (t.dim() - 1)) for n, t in tensors.items()}
        if rank == 0:
            tensors |= {n: t for n, t in parts.tensors.items() if not t.dim()}
        return Snapshot(Cursor(1, 0, 0), tensors, 2, {}, offsets, Writer(rank, 2))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda rank: writers[rank].save(half(rank)), range(2)))
    again = nn.Linear(4, 6)
    its = torch.optim.AdamW(again.parameters(), lr=0.1)
    with writers[0].open(1) as stored:
        snapshots.restore(again, its, stored, "checkpoints/1")
    for name, value in snapshots.take(again, its).tensors.items():
        assert torch.equal(value, parts.tensors[name]), name
    for one, other in ((model, optimizer), (again, its)):
        other.zero_grad()
        one(torch.ones(2, 4)).sum().backward()
        other.step()
    assert torch.equal(model.weight, again.weight)


def test_memory_is_written_over_and_not_taken_anew() -> None:
    model = nn.Linear(4, 6)
    optimizer = torch.optim.AdamW(model.parameters())
    first = snapshots.take(model, optimizer).tensors
    with torch.no_grad():
        model.weight.zero_()
    second = snapshots.take(model, optimizer, onto=first).tensors
    assert {n: t.data_ptr() for n, t in first.items()} == {
        n: t.data_ptr() for n, t in second.items()
    }
    assert not second["model.weight"].any()


def test_kills_at_any_moment_leave_whole_checkpoints_or_none(tmp_path: Path) -> None:
    """As often as QM_KILLS says one of three writers is killed while they save without a pause."""
    chance, last = random.Random(0), 0
    for life in range(KILLS):
        server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        root = str(tmp_path)
        gang = [
            ranks.start(ranks.save_on_and_on, root, server.port, r, THREE) for r in range(THREE)
        ]
        _until_saved(tmp_path, last, gang)
        time.sleep(chance.uniform(0.0, 0.05))
        victim = chance.randrange(THREE)
        os.kill(gang[victim].pid or 0, signal.SIGKILL)
        time.sleep(0.1)
        for process in gang:
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL)
            process.join()
        folder = folders([Volume(tmp_path)])[0]
        steps = assert_sound(folder, rows=ranks.ROWS * THREE)
        assert steps, f"nothing was left in life {life}"
        assert steps[-1] >= last
        last = steps[-1]
        folder.clear_rubble()
        assert assert_sound(folder, rows=ranks.ROWS * THREE) == steps


def _until_saved(root: Path, last: int, gang: list[Any]) -> None:
    """Wait for a checkpoint after `last`."""
    while not any(int(path.parent.name) > last for path in root.glob("*/COMPLETE")):
        assert all(process.is_alive() for process in gang)
        time.sleep(0.01)
