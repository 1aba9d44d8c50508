"""What a run leaves behind beside its checkpoints: the curve, the model, the summary."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from qm_trainer.storage.volume import iso, write_whole

CURVE, SUMMARY = "metrics.jsonl", "summary.json"
CURVE_LINES = 2000
"""Of training loss in `metrics.jsonl` at most; a longer run writes every n-th step."""


class Curve:
    """`metrics.jsonl`; lines are held until `flush`: training does not wait for the volume."""

    def __init__(self, path: Path, now: Callable[[], datetime]) -> None:
        self._path, self._now = path, now
        self._lines: list[str] = []
        self._last = 0

    def rewind(self, step: int) -> None:
        """Forget what lies after `step`: it will be trained, and written, again."""
        self._last = step
        if not self._path.exists():
            return
        kept = [line for line in self._path.read_text().splitlines() if _step_of(line) <= step]
        write_whole(self._path, "".join(f"{line}\n" for line in kept))

    def add_loss(self, step: int, epoch: int, loss: float) -> None:
        """The training loss of one step; a step that is there already is not added again."""
        if step > self._last:
            self._last = step
            self._add(step, epoch, loss, {})

    def add_metrics(self, step: int, epoch: int, metrics: Mapping[str, float]) -> None:
        """What evaluation after `epoch` epochs found."""
        self._add(step, epoch, None, metrics)

    def _add(self, step: int, epoch: int, loss: float | None, metrics: Mapping[str, float]) -> None:
        point = {"time": iso(self._now()), "step": step, "epoch": epoch, "loss": loss}
        self._lines.append(json.dumps({**point, "metrics": dict(metrics)}))

    def flush(self) -> None:
        """Write what is held."""
        if self._lines:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as file:
                file.write("".join(f"{line}\n" for line in self._lines))
            self._lines.clear()


@dataclass(frozen=True, slots=True)
class Summary:
    """What a finished run amounts to; `summary.json`."""

    steps: int
    seconds: float
    samples_per_second: float | None
    loss: float | None
    metrics: Mapping[str, float]
    resumed_from_step: int | None
    paths: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """As the contract writes it."""
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "samplesPerSecond": self.samples_per_second,
            "metrics": {**({} if self.loss is None else {"loss": self.loss}), **self.metrics},
            "resumedFromStep": self.resumed_from_step,
            "paths": dict(self.paths),
        }


def write_model(
    weights: Mapping[str, Tensor], configuration: Mapping[str, Any], run_dir: Path
) -> dict[str, str]:
    """Write the weights and where they come from; answers the paths below `run_dir`."""
    folder = run_dir / "model"
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / ".model.safetensors.part"
    save_file(dict(weights), beside, metadata={"format": "pt"})
    beside.replace(folder / "model.safetensors")
    tree = {**configuration, "torch": torch.__version__}
    write_whole(folder / "config.json", json.dumps(tree, indent=2))
    return {"model": "model/model.safetensors", "config": "model/config.json"}


def write_summary(summary: Summary, run_dir: Path) -> None:
    """Write `summary.json`, the last file of a run."""
    write_whole(run_dir / SUMMARY, json.dumps(summary.to_json(), indent=2))


def _step_of(line: str) -> float:
    """The step of one line; a line cut short by a crash lies after everything."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")
