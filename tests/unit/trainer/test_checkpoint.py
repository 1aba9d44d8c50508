"""Checkpoints: whole or not there, thinned, and never taken from another model."""

import itertools
import json
import os
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from qm_trainer.data.order import Cursor
from qm_trainer.errors import ConfigError, StorageError
from qm_trainer.storage import checkpoint, shards, snapshots
from qm_trainer.storage.checkpoint import Folder, Saver
from qm_trainer.storage.shards import Stored
from qm_trainer.storage.snapshots import Snapshot
from qm_trainer.storage.volume import Volume

pytestmark = pytest.mark.torch


def folder(root: Path, keep: int = 3) -> Folder:
    seconds = itertools.count()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Folder(Volume(root / "checkpoints"), keep, lambda: now, lambda: float(next(seconds)))


def state(step: int, numbers: int = 8) -> Snapshot:
    tensors = {"model.weight": torch.full((numbers,), float(step))}
    return Snapshot(Cursor(step, 1, 5), tensors, 2, {"loss": 0.5, "metrics": {}})


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    folder(tmp_path).save(state(7))
    with folder(tmp_path).open(7) as stored:
        assert stored.whole("model.weight").tolist() == [7.0] * 8
    assert folder(tmp_path).meta(7) == {
        "step": 7,
        "epoch": 1,
        "consumed": 5,
        "notes": {"loss": 0.5, "metrics": {}},
    }


def test_the_marker_holds_what_the_contract_says(tmp_path: Path) -> None:
    folder(tmp_path).save(state(7))
    marker = json.loads((tmp_path / "checkpoints/7/COMPLETE").read_text())
    wanted = {"step": 7, "epoch": 1, "world": 2, "time": "2026-01-01T00:00:00Z"}
    assert wanted.items() <= marker.items()
    assert marker["saveSeconds"] > 0


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    kept = folder(tmp_path, keep=2)
    for step in (3, 20, 100):
        kept.save(state(step))
    assert kept.complete() == [20, 100]
    assert not (tmp_path / "checkpoints/3").exists()


# Each example waits for the disk, for as long as that takes.
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(
    name=st.sampled_from(["state.safetensors", "state.json", "COMPLETE"]),
    part=st.floats(0, 1, exclude_max=True),
    gone=st.booleans(),
)
def test_a_checkpoint_with_a_file_cut_short_or_gone_is_rubble(
    tmp_path: Path, name: str, part: float, gone: bool
) -> None:
    kept = folder(tmp_path)
    kept.save(state(1))
    kept.save(state(2))
    file = tmp_path / "checkpoints/2" / name
    if gone:
        file.unlink()
    else:
        os.truncate(file, int(file.stat().st_size * part))
    assert kept.complete() == [1]
    ((step, why),) = kept.clear_rubble().items()
    assert step == 2
    assert name in why or why == "it was not finished"
    assert not (tmp_path / "checkpoints/2").exists()


def test_a_step_that_was_left_half_written_is_written_again(tmp_path: Path) -> None:
    half = tmp_path / "checkpoints/4"
    half.mkdir(parents=True)
    (half / "state.safetensors").write_bytes(b"rubbish")
    folder(tmp_path).save(state(4))
    with folder(tmp_path).open(4) as stored:
        assert stored.whole("model.weight").tolist() == [4.0] * 8


def test_a_checkpoint_of_another_model_is_refused_in_one_sentence(tmp_path: Path) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.AdamW(model.parameters())
    shards.write({"model.weight": torch.zeros(9, 9)}, {}, tmp_path / "some.safetensors")
    with (
        Stored([tmp_path / "some.safetensors"]) as stored,
        pytest.raises(ConfigError, match=r"does not fit the model: .*name of its own$"),
    ):
        snapshots.restore(model, optimizer, stored, "checkpoints/7")


def test_a_snapshot_does_not_change_with_the_model() -> None:
    model = torch.nn.Linear(2, 1)
    taken = snapshots.take(model, torch.optim.AdamW(model.parameters()))
    with torch.no_grad():
        model.weight.add_(1.0)
    assert not torch.equal(taken.tensors["model.weight"], model.weight)


def test_a_period_that_is_asked_for_is_kept_and_else_follows_the_cost() -> None:
    assert checkpoint.period(7.5, save_seconds=100.0) == 7.5
    assert checkpoint.period(None, save_seconds=0.0) == 15.0
    assert checkpoint.period(None, save_seconds=0.5) == 60.0
    assert checkpoint.period(None, save_seconds=1e4) == 600.0
    assert checkpoint.period(None, save_seconds=0.5, mean_seconds=10_000.0) == 100.0
    assert checkpoint.period(None, save_seconds=0.5, mean_seconds=100.0) == 15.0
    assert checkpoint.period(7.5, save_seconds=0.5, mean_seconds=100.0) == 7.5


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one mebibyte."""
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a volume can only be mounted by root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_volume_is_named_with_what_is_free(small_volume: Path) -> None:
    with pytest.raises(StorageError, match=r"is full: \d+ MiB of 1 MiB are free; ask for a larger"):
        folder(small_volume).save(state(1, numbers=400_000))
    assert folder(small_volume).complete() == []


def test_older_checkpoints_make_room_for_a_new_one(small_volume: Path) -> None:
    kept = folder(small_volume, keep=9)
    for step in range(1, 7):
        kept.save(state(step, numbers=60_000))
    assert 6 in kept.complete()
    assert len(kept.complete()) < 6
    with kept.open(6) as stored:
        assert stored.whole("model.weight")[0] == 6.0


def test_the_thread_that_trains_hears_of_a_failed_save(small_volume: Path) -> None:
    saver = Saver(folder(small_volume))
    saver.start(state(1, numbers=400_000))
    with pytest.raises(StorageError):
        saver.wait()
    saver.wait()
