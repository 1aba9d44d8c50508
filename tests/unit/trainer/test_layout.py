"""How many processes share what, and layers that are split over some of them."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from qm_trainer import zoo
from qm_trainer.errors import ConfigError
from qm_trainer.parallel import tensors
from qm_trainer.parallel.layout import Layout, lay_out
from tests.unit.trainer.conftest import tree
from tests.unit.trainer.test_launch import Curve, Worker

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

TEXT = b"".join(b"%d and %d make %d\n" % (a, b, a + b) for a in range(40) for b in range(8))
GLOBAL_BATCH = 16
counts = st.integers(1, 64)


@given(counts, counts, counts)
def test_a_grid_has_all_processes_once(copies: int, shards: int, tensor: int) -> None:
    total = copies * shards * tensor
    layout = lay_out(total, sharded=True, shards=shards, tensor=tensor)
    assert layout == Layout(copies, shards, tensor)
    assert (layout.processes, layout.data) == (total, copies * shards)
    assert lay_out(total, sharded=True, shards=None, tensor=tensor).shards == copies * shards
    assert lay_out(total, sharded=False, shards=None, tensor=tensor).shards == 1
    assert layout.plain == (shards == tensor == 1)


@given(counts, st.one_of(st.none(), counts), counts)
def test_what_cannot_be_divided_says_what_can(
    processes: int, shards: int | None, tensor: int
) -> None:
    fits = processes % tensor == 0 and (processes // tensor) % (shards or 1) == 0
    try:
        lay_out(processes, sharded=True, shards=shards, tensor=tensor)
    except ConfigError as error:
        assert not fits
        would = [int(n) for n in str(error).split(": ")[1].removesuffix(" would").split(", ")]
        wrong = processes if processes % tensor else processes // tensor
        assert would == [n for n in range(1, wrong + 1) if wrong % n == 0]
    else:
        assert fits


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "sums.txt"
    path.write_bytes(TEXT)
    return path


def run(run_dir: Path, text: Path, processes: int, name: str = "w", **trainer: Any) -> Worker:
    """A small decoder on so many processes, whose batches together are always the same."""
    own = GLOBAL_BATCH * trainer.get("tensorParallel", 1) // processes
    changed = tree(
        factory="qm_trainer.zoo:decoder",
        args={"context": 16, "width": 32, "heads": 2, "blocks": 2},
        uri=f"file://{text}",
        datasetArgs={"context": 16},
        batchSize=own,
        epochs=3,
        **trainer,
    )
    nproc = {"PET_NPROC_PER_NODE": str(processes)}
    return Worker(run_dir, changed, nproc, name=name).start()


def log_of(worker: Worker) -> str:
    assert worker.end() == 0, worker.log.read_text()
    return worker.log.read_text()


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, text: Path) -> Path:
    """One process, from the first step to the last."""
    run_dir = tmp_path_factory.mktemp("alone")
    log_of(run(run_dir, text, 1))
    return run_dir


def assert_alike(one: Path, other: Path, curve: Curve) -> None:
    """To 1e-4 in each step: only the order in which sums are added up differs."""
    assert curve(one) == pytest.approx(curve(other), rel=1e-4)
    first, second = (load_file(path / "model/model.safetensors") for path in (one, other))
    assert first.keys() == second.keys()
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=1e-3, atol=2e-4)
    metrics = [json.loads((p / "summary.json").read_text())["metrics"] for p in (one, other)]
    assert metrics[0] == pytest.approx(metrics[1], rel=1e-3)


@pytest.mark.parametrize(
    ("processes", "trainer", "said"),
    [
        (2, {"tensorParallel": 2}, "tensor parallel over 2 processes, 12 layers by 2"),
        (
            4,
            {"strategy": "FSDP", "tensorParallel": 2},
            "FSDP x tensor parallel over 4 processes, 12 layers by 2, 3 units by 2",
        ),
        (
            4,
            {"strategy": "DDP", "tensorParallel": 2},
            "DDP x tensor parallel over 4 processes, 12 layers by 2, 3 units by 1",
        ),
        (4, {"strategy": "FSDP", "shards": 2}, "HSDP over 4 processes, 3 units by 2"),
    ],
    ids=["tensor", "FSDP x tensor", "DDP x tensor", "HSDP"],
)
def test_each_layout_learns_what_one_process_does(
    tmp_path: Path,
    text: Path,
    alone: Path,
    loss_curve: Curve,
    processes: int,
    trainer: dict[str, Any],
    said: str,
) -> None:
    assert f"strategy {said}" in log_of(run(tmp_path, text, processes, **trainer))
    assert_alike(tmp_path, alone, loss_curve)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(
            (4, {"strategy": "FSDP", "tensorParallel": 2}), (1, {}), id="FSDP x tensor, then one"
        ),
        pytest.param(
            (1, {}),
            (4, {"strategy": "FSDP", "tensorParallel": 2, "activationCheckpointing": True}),
            id="one, then FSDP x tensor",
        ),
    ],
)
def test_whoever_goes_on_goes_on_from_where_it_was(
    tmp_path: Path,
    text: Path,
    alone: Path,
    loss_curve: Curve,
    first: tuple[int, dict[str, Any]],
    second: tuple[int, dict[str, Any]],
) -> None:
    worker = run(tmp_path, text, first[0], "first", **first[1])
    worker.until("epoch 1/3 done")
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 76, worker.log.read_text()
    assert "resuming after step" in log_of(run(tmp_path, text, second[0], "second", **second[1]))
    assert_alike(tmp_path, alone, loss_curve)


class Mesh:
    """So many processes, of which nobody talks."""

    def __init__(self, processes: int) -> None:
        self._processes = processes

    def size(self) -> int:
        return self._processes


class Named(nn.Module):
    """Two layers, and what it says of them."""

    def __init__(self, plan: Any) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(4, 6), nn.Linear(6, 4)
        self.tensor_parallel = lambda processes: plan


@pytest.mark.parametrize(
    ("model", "processes", "words"),
    [
        (zoo.mlp(), 2, "Sequential does not say how it is cut: give it a method"),
        (zoo.decoder(), 3, "cannot be cut so: its heads, 4, are no multiple of 3"),
        (Named({"wide": "rows", "wdie": "rows"}), 2, "names wdie: no layer is so named"),
        (Named({"wide": "diagonal"}), 2, "'diagonal' is not a valid Split"),
        (Named(None), 2, "answers no layers by name"),
        (Named({"wide": "columns"}), 4, "does not divide the 6 columns of wide"),
        (Named({"wide": "rows"}), 3, "does not divide the 4 rows of wide"),
    ],
    ids=["no plan", "heads", "a name", "a word", "nothing", "columns", "rows"],
)
def test_a_model_that_cannot_be_cut_is_told_why(
    model: nn.Module, processes: int, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        tensors.split(model, Mesh(processes))  # type: ignore[arg-type]


def test_processes_that_cannot_be_divided_end_the_run_with_a_sentence(
    tmp_path: Path, text: Path, loss_curve: Callable[..., Any]
) -> None:
    worker = run(tmp_path, text, 2, tensorParallel=3, strategy="DDP")
    assert worker.end() == 64
    assert worker.told()["class"] == "ConfigError"
    assert "does not divide the 2 processes of the gang: 1, 2 would" in worker.told()["message"]
