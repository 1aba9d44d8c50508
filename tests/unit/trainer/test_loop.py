"""Training in one process: the curve, resuming, and every way to fail."""

import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from qm_trainer import zoo
from qm_trainer.errors import (
    ConfigError,
    Crash,
    DataError,
    Interrupted,
    OutOfMemory,
    StorageError,
    UserError,
)
from qm_trainer.progress import Reporter

pytestmark = pytest.mark.torch

GOLDEN = Path(__file__).parents[2] / "golden/loss/digits-mlp.txt"
Train = Callable[..., Any]
Curve = Callable[[Path], dict[int, float]]


def test_the_loss_follows_the_golden_curve(tmp_path: Path, train: Train, loss_curve: Curve) -> None:
    """To 1e-4: another processor adds up in another order, and the difference grows with steps."""
    train(tmp_path)
    want = [line.split() for line in GOLDEN.read_text().splitlines() if not line.startswith("#")]
    got = loss_curve(tmp_path)
    assert got == pytest.approx({int(step): float(loss) for step, loss in want}, rel=1e-4)


def test_the_artifacts_are_there_and_fit_the_model(tmp_path: Path, train: Train) -> None:
    train(tmp_path)
    weights = load_file(tmp_path / "model/model.safetensors")
    zoo.mlp(width=32).load_state_dict(weights)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["steps"] == 46
    assert summary["metrics"]["accuracy"] > 0.9
    assert all((tmp_path / path).exists() for path in summary["paths"].values())
    config = json.loads((tmp_path / "model/config.json").read_text())
    assert config["trainer"]["learningRate"] == "0.01"


@pytest.mark.parametrize("at", [2, 23, 24, 40])
def test_a_run_that_was_told_to_stop_resumes_as_if_it_had_not(
    tmp_path: Path, train: Train, loss_curve: Curve, at: int
) -> None:
    train(tmp_path / "whole")
    steps = iter(range(10**6))
    with pytest.raises(Interrupted, match="state saved after step"):
        train(tmp_path / "cut", stop=lambda: next(steps) >= at)
    summary = train(tmp_path / "cut")
    assert summary.resumed_from_step
    assert loss_curve(tmp_path / "cut") == loss_curve(tmp_path / "whole")
    assert_same_model(tmp_path / "cut", tmp_path / "whole")


def test_the_last_words_of_a_run_that_was_told_to_stop_name_its_checkpoint(
    tmp_path: Path, train: Train
) -> None:
    """What is charged as lost begins there."""
    steps, reporter = iter(range(10**6)), Reporter(None)
    with pytest.raises(Interrupted):
        train(tmp_path, stop=lambda: next(steps) >= 7, reporter=reporter)
    told = reporter.last
    assert told["checkpoint"]["step"] == told["step"] > 0


def test_a_run_that_goes_on_names_what_it_goes_on_from(tmp_path: Path, train: Train) -> None:
    steps = iter(range(10**6))
    with pytest.raises(Interrupted):
        train(tmp_path, stop=lambda: next(steps) >= 7)
    reporter = Reporter(None)
    with pytest.raises(Interrupted):
        train(tmp_path, stop=lambda: True, reporter=reporter)
    assert 0 < reporter.last["checkpoint"]["step"] <= reporter.last["step"]


@pytest.mark.parametrize("at", [9, 31])
def test_a_run_that_crashed_resumes_as_if_it_had_not(
    tmp_path: Path, train: Train, loss_curve: Curve, at: int
) -> None:
    def failing(at: int) -> dict[str, Any]:
        return {"factory": "tests.unit.trainer.models:failing", "args": {"at": at}}

    train(tmp_path / "whole", **failing(0))
    with pytest.raises(Crash, match="the user's own mistake"):
        train(tmp_path / "cut", periodSeconds=3, **failing(at))
    summary = train(tmp_path / "cut", **failing(0))
    assert 0 < summary.resumed_from_step < at
    assert loss_curve(tmp_path / "cut") == loss_curve(tmp_path / "whole")
    assert_same_model(tmp_path / "cut", tmp_path / "whole")


@pytest.mark.parametrize("before", [True, False], ids=["one before", "none before"])
def test_a_save_that_does_not_fit_into_the_grace_is_given_up_and_said(
    tmp_path: Path, train: Train, before: bool
) -> None:
    wide = {"args": {"numClasses": 10, "width": 1500, "dropout": 0.0}, "epochs": 1}
    period = 5 if before else 10_000
    steps = iter(range(10**6))
    with pytest.raises(Interrupted) as told:
        train(
            tmp_path,
            stop=lambda: next(steps) >= 9,
            grace_left=lambda: 3.5,
            periodSeconds=period,
            **wide,
        )
    for thread in threading.enumerate():
        if thread.name == "saver":
            thread.join()
    said = r"SIGTERM: the state after step (\d+) could not be saved in the 4 s that were left: "
    kept = r"the checkpoint after step \d+ stays" if before else "there is no checkpoint yet"
    assert re.fullmatch(said + kept, str(told.value))


def stopped(run_dir: Path, train: Train, at: int) -> None:
    """A run of which checkpoints are left, the last of them at about step `at`."""
    steps = iter(range(10**6))
    with pytest.raises(Interrupted):
        train(run_dir, stop=lambda: next(steps) >= at, periodSeconds=3)


def spoil(checkpoint: Path) -> None:
    """As a disk does that loses what was written: the size is what it was."""
    file = checkpoint / "state.safetensors"
    file.write_bytes(bytes(file.stat().st_size))


def test_a_damaged_checkpoint_is_named_and_the_one_before_goes_on(
    tmp_path: Path, train: Train, loss_curve: Curve, caplog: pytest.LogCaptureFixture
) -> None:
    train(tmp_path / "whole")
    stopped(tmp_path / "cut", train, at=20)
    steps = sorted(int(path.name) for path in (tmp_path / "cut/checkpoints").iterdir())
    spoil(tmp_path / f"cut/checkpoints/{steps[-1]}")
    with caplog.at_level("INFO", "qm_trainer"):
        summary = train(tmp_path / "cut")
    assert f"removing checkpoint {steps[-1]}: state.safetensors is damaged" in caplog.text
    assert summary.resumed_from_step == steps[-2]
    assert loss_curve(tmp_path / "cut") == loss_curve(tmp_path / "whole")


def test_a_checkpoint_cut_short_is_named_and_the_one_before_goes_on(
    tmp_path: Path, train: Train, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, train, at=20)
    steps = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    file = tmp_path / f"checkpoints/{steps[-1]}/state.safetensors"
    size = file.stat().st_size
    os.truncate(file, 1000)
    with caplog.at_level("INFO", "qm_trainer"):
        summary = train(tmp_path)
    said = f"removed checkpoint {steps[-1]}: state.safetensors has 1000 of {size} bytes"
    assert said in caplog.text
    assert summary.resumed_from_step == steps[-2]


def test_damaged_checkpoints_only_are_no_fresh_start(tmp_path: Path, train: Train) -> None:
    stopped(tmp_path, train, at=20)
    for path in (tmp_path / "checkpoints").iterdir():
        spoil(path)
    with pytest.raises(StorageError, match=r"^all checkpoints are damaged; the last one: state"):
        train(tmp_path)


def test_a_finished_run_that_is_started_again_only_says_so(tmp_path: Path, train: Train) -> None:
    first = train(tmp_path)
    again = train(tmp_path)
    assert again.steps == first.steps == again.resumed_from_step
    assert again.metrics == first.metrics


@pytest.mark.parametrize("parts", [2, 3, 100])
def test_a_step_in_parts_learns_what_a_whole_one_does(
    tmp_path: Path, train: Train, loss_curve: Curve, parts: int
) -> None:
    """To 1e-4 in each step: only the order in which sums are added up differs."""
    args = {"numClasses": 10, "width": 32, "dropout": 0.0}
    train(tmp_path / "whole", args=args, epochs=1)
    train(tmp_path / "parts", args=args, epochs=1, gradientAccumulation=parts)
    got, want = loss_curve(tmp_path / "parts"), loss_curve(tmp_path / "whole")
    assert got == pytest.approx(want, rel=1e-4)


def test_blocks_that_are_computed_again_learn_the_same_and_keep_less(
    tmp_path: Path, train: Train, loss_curve: Curve
) -> None:
    """Chance is the same both times, so the losses are the same to the last bit."""
    model = {"factory": "tests.unit.trainer.models:blocks", "args": {"dropout": 0.2}, "epochs": 1}
    kept = []
    for again in (False, True):
        summary = tmp_path / str(again)
        train(summary, **model, activationCheckpointing=again)
        kept.append(loss_curve(summary))
    assert kept[0] == kept[1]


@pytest.mark.parametrize("precision", ["BF16", "FP16"])
def test_half_precision_learns_as_well(tmp_path: Path, train: Train, precision: str) -> None:
    assert train(tmp_path, precision=precision).metrics["accuracy"] > 0.9


def test_fp16_resumes_with_the_scale_that_it_had(
    tmp_path: Path, train: Train, loss_curve: Curve
) -> None:
    """The first steps have gradients beyond FP16 and are left out, each halving the scale."""
    train(tmp_path / "whole", precision="FP16")
    steps = iter(range(10**6))
    with pytest.raises(Interrupted):
        train(tmp_path / "parts", lambda: next(steps) >= 20, precision="FP16")
    train(tmp_path / "parts", precision="FP16")
    assert loss_curve(tmp_path / "parts") == loss_curve(tmp_path / "whole")


def test_a_data_set_of_ones_own_is_learnt(tmp_path: Path, train: Train) -> None:
    uri = "python://tests.unit.trainer.models:points"
    changes = {"uri": uri, "epochs": 1, "batchSize": 32}
    assert train(tmp_path, **changes).steps == 4


def test_a_loss_that_is_not_a_number_is_explained(tmp_path: Path, train: Train) -> None:
    with pytest.raises(UserError, match=r"loss became (nan|inf) at step \d+ of \d+: lower"):
        train(tmp_path, learningRate="1e30", epochs=5)


FAULTS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"factory": "qm_trainer.zoo:resnett"}, ConfigError, "did you mean resnet"),
    ({"factory": "qm_trainer.zooo:resnet"}, ConfigError, "did you mean qm_trainer.zoo"),
    ({"factory": "nowhere_at_all:build"}, ConfigError, "there is no module 'nowhere_at_all'"),
    ({"args": {"numClases": 3}}, ConfigError, "unexpected keyword argument 'num_clases'; it takes"),
    ({"factory": "tests.unit.trainer.models:not_a_model", "args": {}}, ConfigError, "gave str"),
    ({"uri": "builtin://mnist"}, DataError, "there is builtin://digits"),
    ({"uri": "s3://bucket/key"}, ConfigError, "known: builtin://, file://, python://"),
    ({"uri": "file:///nowhere/data.npz"}, DataError, "there is no /nowhere/data.npz"),
    ({"uri": "python://tests.unit.trainer.models:only_one"}, ConfigError, "must give (train, test"),
]


@pytest.mark.parametrize(
    ("changes", "kind", "words"), FAULTS, ids=[words for _, _, words in FAULTS]
)
def test_a_fault_of_the_specification_is_one_clear_line(
    tmp_path: Path, train: Train, changes: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind) as caught:
        train(tmp_path, **changes)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_code_that_fails_at_once_is_a_user_error(tmp_path: Path, train: Train) -> None:
    failing = {"factory": "tests.unit.trainer.models:failing", "args": {"at": 1}}
    with pytest.raises(
        UserError, match=r"ValueError: the user's own mistake \(.*models.py:\d+, in"
    ):
        train(tmp_path, **failing)


def test_a_gpu_without_memory_is_out_of_memory(tmp_path: Path, train: Train) -> None:
    from qm_trainer import errors

    with pytest.raises(torch.OutOfMemoryError) as caught:
        train(tmp_path, factory="tests.unit.trainer.models:out_of_memory", args={})
    assert isinstance(errors.classify(caught.value, stepped=False), OutOfMemory)


def test_a_volume_that_fills_up_fails_the_job(tmp_path: Path, train: Train) -> None:
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("a volume can only be mounted by root")
    try:
        with pytest.raises(StorageError, match="is full"):
            train(tmp_path, periodSeconds=1)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_directory_that_cannot_be_made_fails_before_training(
    tmp_path: Path, train: Train
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="is not writable"):
        train(tmp_path / "file/run")
    shutil.rmtree(tmp_path, ignore_errors=True)


def assert_same_model(one: Path, other: Path) -> None:
    first, second = (load_file(path / "model/model.safetensors") for path in (one, other))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
