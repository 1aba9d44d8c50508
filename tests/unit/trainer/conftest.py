"""Builders for the trainer's tests; without torch only those that need none are collected."""

import importlib.util
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

if importlib.util.find_spec("torch") is None:
    collect_ignore = [
        path.name
        for path in Path(__file__).parent.glob("test_*.py")
        if "pytest.mark.torch" in path.read_text()
    ]

MODELS = "tests.unit.trainer.models"


def tree(**changes: Any) -> dict[str, Any]:
    """A small run on the digits, with `trainer` and `checkpoint` fields changed by name."""
    trainer = {"epochs": 2, "batchSize": 64, "learningRate": "0.01", "seed": 0}
    checkpoint: dict[str, Any] = {"periodSeconds": None, "keep": 3}
    args = {"numClasses": 10, "width": 32, "dropout": 0.1}
    model: dict[str, Any] = {"factory": "qm_trainer.zoo:mlp", "args": args}
    dataset: dict[str, Any] = {"uri": "builtin://digits", "args": {}}
    dataset["args"] = changes.pop("datasetArgs", {})
    uri = changes.pop("checkpoint_uri", None)
    for name, value in changes.items():
        homes = [s for s in (checkpoint, model, dataset) if name in s]
        (homes[0] if homes else trainer)[name] = value
    checkpoint["uri"] = uri
    return {"model": model, "dataset": dataset, "trainer": trainer, "checkpoint": checkpoint}


def curve(run_dir: Path) -> dict[int, float]:
    """Training loss by step."""
    lines = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    losses = [(line["step"], line["loss"]) for line in lines if line["loss"] is not None]
    assert len(losses) == len(dict(losses)), "a step is there twice"
    return dict(losses)


@pytest.fixture
def config_tree() -> Callable[..., dict[str, Any]]:
    return tree


@pytest.fixture
def loss_curve() -> Callable[[Path], dict[int, float]]:
    return curve


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums are added up in one order only when one thread adds them."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def train(one_thread: None) -> Callable[..., Any]:
    """Train in this process, alone; each look at the clock takes a second."""
    import torch

    from qm_trainer import config, loop, progress, session
    from qm_trainer.parallel import processes

    def run(
        run_dir: Path,
        stop: Callable[[], bool] = lambda: False,
        *,
        profiling: bool = True,
        grace_left: Callable[[], float] = lambda: 30.0,
        environment: Mapping[str, str] | None = None,
        reporter: progress.Reporter | None = None,
        **changes: Any,
    ) -> Any:
        seconds = itertools.count()
        out = session.Surroundings(
            run_dir=run_dir,
            world=processes.World(0, 1, 0, torch.device("cpu")),
            reporter=reporter or progress.Reporter(None),
            now=lambda: datetime(2026, 1, 1, tzinfo=UTC),
            clock=lambda: float(next(seconds)),
            stop=stop,
            grace_left=grace_left,
            environment=environment or {},
            profiling=profiling,
        )
        return loop.train(config.parse(json.dumps(tree(**changes))), out)

    return run
