"""A model split over processes learns what a whole one does, and is whole where it is kept."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from qm_trainer import zoo
from qm_trainer.parallel import sharding
from qm_trainer.parallel.recomputation import recompute
from tests.unit.trainer.conftest import tree
from tests.unit.trainer.test_launch import PAIR, Curve, Worker

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

TWO = {"PET_NPROC_PER_NODE": "2"}
Train = Callable[..., Any]


def split(run_dir: Path, name: str = "worker", **changes: Any) -> Worker:
    """Two processes, each with a half of the model."""
    return Worker(run_dir, tree(**{**PAIR, "strategy": "FSDP", **changes}), TWO, name=name).start()


def log_of(worker: Worker) -> str:
    assert worker.end() == 0, worker.log.read_text()
    return worker.log.read_text()


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run by two processes that each hold all of it."""
    run_dir = tmp_path_factory.mktemp("ddp")
    log_of(Worker(run_dir, tree(**PAIR), TWO).start())
    return run_dir


def same_weights(one: Path, other: Path) -> None:
    first, second = (load_file(path / "model/model.safetensors") for path in (one, other))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-3, atol=1e-5)


def test_it_learns_what_whole_processes_do_and_says_how(
    tmp_path: Path, whole_run: Path, loss_curve: Curve
) -> None:
    """To 1e-4 in each step: only the order in which sums are added up differs."""
    said = log_of(split(tmp_path))
    assert "strategy FSDP over 2 processes, 4 units by 2 (as asked)" in said
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole_run), rel=1e-4)
    same_weights(tmp_path, whole_run)
    summaries = [json.loads((it / "summary.json").read_text()) for it in (tmp_path, whole_run)]
    assert summaries[0]["metrics"] == pytest.approx(summaries[1]["metrics"], rel=1e-3)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("FSDP", 2), ("FSDP", 2), id="split, and split again"),
        pytest.param(("FSDP", 2), ("DDP", 2), id="split, then whole"),
        pytest.param(("DDP", 2), ("FSDP", 2), id="whole, then split"),
        pytest.param(("FSDP", 2), ("FSDP", 1), id="by two, then by one"),
    ],
)
def test_whoever_goes_on_goes_on_from_where_it_was(
    tmp_path: Path,
    whole_run: Path,
    loss_curve: Curve,
    first: tuple[str, int],
    second: tuple[str, int],
) -> None:
    def run(kind: tuple[str, int], name: str) -> Worker:
        batch = PAIR["batchSize"] * 2 // kind[1]  # type: ignore[operator]
        changed = tree(**{**PAIR, "strategy": kind[0], "batchSize": batch})
        return Worker(tmp_path, changed, {"PET_NPROC_PER_NODE": str(kind[1])}, name=name).start()

    worker = run(first, "first")
    worker.until("epoch 1/4 done")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 76, worker.log.read_text()
    said = log_of(run(second, "second"))
    assert "resuming after step" in said
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole_run), rel=1e-4)
    same_weights(tmp_path, whole_run)


def test_a_run_goes_from_three_processes_to_two_to_one(
    tmp_path: Path, train: Train, loss_curve: Curve
) -> None:
    """Sixty-six samples in a step, whoever trains; the reference is one undisturbed process."""
    for number, (strategy, count) in enumerate([("FSDP", 3), ("FSDP", 2), ("DDP", 1)]):
        changed = tree(**{**PAIR, "strategy": strategy, "batchSize": 66 // count})
        processes = {"PET_NPROC_PER_NODE": str(count)}
        worker = Worker(tmp_path, changed, processes, name=f"run-{number}").start()
        if count > 1:
            worker.until(f"epoch {number + 1}/4 done")
            worker.process.send_signal(signal.SIGTERM)
            assert worker.end() == 76, worker.log.read_text()
            step = max(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
            assert len(list((tmp_path / f"checkpoints/{step}").glob("state-*"))) == count
    assert "resuming after step" in log_of(worker)
    whole = tmp_path / "whole"
    train(whole, **{**PAIR, "batchSize": 66, "args": {"seconds": 0.0}})
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole), rel=1e-4)
    same_weights(tmp_path, whole)


def test_it_saves_in_the_middle_and_a_kill_loses_no_more(
    tmp_path: Path, whole_run: Path, loss_curve: Curve
) -> None:
    worker = split(tmp_path, "first", periodSeconds=1)
    saved = tmp_path / "checkpoints"
    while not list(saved.glob("*/COMPLETE")):
        assert worker.process.poll() is None, worker.log.read_text()
    worker.kill()
    assert "resuming after step" in log_of(split(tmp_path, "second", periodSeconds=1))
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole_run), rel=1e-4)


def test_a_step_in_parts_exchanges_once_and_learns_the_same(
    tmp_path: Path, whole_run: Path, loss_curve: Curve
) -> None:
    log_of(split(tmp_path, gradientAccumulation=3, activationCheckpointing=True))
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole_run), rel=1e-4)


def test_whole_processes_exchange_the_last_part_only(
    tmp_path: Path, whole_run: Path, loss_curve: Curve
) -> None:
    log_of(split(tmp_path, strategy="DDP", gradientAccumulation=3))
    assert loss_curve(tmp_path) == pytest.approx(loss_curve(whole_run), rel=1e-4)


def test_fp16_is_scaled_alike_in_all_parts(tmp_path: Path) -> None:
    log_of(split(tmp_path, precision="FP16"))
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["metrics"]["accuracy"] > 0.8


def test_blocks_are_what_is_split_as_one() -> None:
    assert [type(it).__name__ for it in sharding.units(zoo.resnet(blocks=1))] == [
        "Conv2d",
        "Residual",
        "Residual",
        "Residual",
        "GroupNorm",
        "Linear",
    ]
    assert list(sharding.units(nn.Linear(2, 2))) == []

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(10, 4)
            self.body = nn.ModuleDict({"layers": nn.ModuleList([zoo.mlp(4, 4, 4)])})
            self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(4, 1) for _ in range(3)])

    kinds = [type(it).__name__ for it in sharding.units(Decoder())]
    assert kinds.count("TransformerEncoderLayer") == 3
    assert "Embedding" not in kinds


def test_blocks_that_are_computed_again_keep_their_inputs_only() -> None:
    def kept(*, again: bool) -> int:
        torch.manual_seed(0)
        model = nn.Sequential(*(nn.Sequential(Block(), nn.ReLU()) for _ in range(4)))
        if again:
            assert recompute(model) == 4
        found: dict[int, int] = {}
        known = {p.untyped_storage().data_ptr() for p in model.parameters()}

        def keep(saved: torch.Tensor) -> torch.Tensor:
            where = saved.untyped_storage().data_ptr()
            if where not in known:
                found[where] = saved.nbytes
            return saved

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda saved: saved):
            model(torch.ones(8, 64, requires_grad=True)).sum()
        return sum(found.values())

    assert kept(again=True) < kept(again=False) / 2


class Block(nn.Module):
    """Wide inside: what it keeps is mostly of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(64, 512), nn.GELU(), nn.Linear(512, 64))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)
