"""Reads the measured profiles and the workloads of Sia's artifact (data/sia in the data folder)."""

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quartermaster.decide.elastic.configurations import Capacity, PoolRoom
from quartermaster.simulate.application import Application, Steps, StepTable
from quartermaster.simulate.run import Pool

ROOT = Path(__file__).resolve().parents[1]
POOLS = (Pool("aws", 6, 4), Pool("dgx-ext", 2, 8), Pool("rtx", 3, 8))
"""The cluster of the paper's Table 3: T4, A100, 2080 Ti."""

EPOCHS = {"bert": 2, "cifar10": 100, "deepspeech2": 80, "imagenet": 90, "yolov3": 50}
RESTART_SECONDS = {"bert": 120, "cifar10": 50, "deepspeech2": 25, "imagenet": 250, "yolov3": 80}
"""Measured by the authors on their cluster [s]."""
SLOWDOWN = {"bert": 1.2, "cifar10": 1.8, "deepspeech2": 1.2, "imagenet": 1.2, "yolov3": 1.2}
"""Real training beside the measured steps, by the authors [1]."""
LOCAL_CAPS = {("deepspeech2", "rtx"): 57}
"""Most samples at once where fewer than were measured hold in training [sample]."""


class DataMissingError(Exception):
    """The profiles or workloads are not where they should be."""


def folder() -> Path:
    """Where the data lies: QM_BENCH_DATA, else ../shared/data beside the checkout."""
    return Path(os.environ.get("QM_BENCH_DATA", ROOT.parent / "shared/data")) / "sia"


def _rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        raise DataMissingError(
            f"{path} is not there: set QM_BENCH_DATA to the folder that has sia/traces and "
            "sia/workloads"
        )
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _steps(root: Path, kind: str) -> list[Steps]:
    placed = [
        Steps(
            shape=tuple(int(digit) for digit in row["placement"]),
            nodes=len(row["placement"]),
            workers=sum(int(digit) for digit in row["placement"]),
            local_batch=float(row["local_bsz"]),
            step_seconds=float(row["step_time"]),
            sync_seconds=float(row["sync_time"]),
        )
        for row in _rows(root / f"placements-{kind}.csv")
    ]
    scaled = [
        Steps(
            shape=None,
            nodes=int(row["num_nodes"]),
            workers=int(row["num_replicas"]),
            local_batch=float(row["local_bsz"]),
            step_seconds=float(row["step_time"]),
            sync_seconds=float(row["sync_time"]),
        )
        for row in _rows(root / f"scalability-{kind}.csv")
    ]
    return placed + scaled


def application(name: str) -> Application:
    """One application with its steps on the three GPU models.

    Raises:
        DataMissingError: A file is not there.
    """
    root = folder() / "traces" / name
    recorded = {int(path.stem.split("-")[1]): _rows(path) for path in root.glob("validation-*.csv")}
    if not recorded:
        raise DataMissingError(
            f"{root} has no validation-*.csv: set QM_BENCH_DATA to the folder that has sia/traces"
        )
    epochs = EPOCHS[name]

    def column(key: str) -> np.ndarray:
        return np.array(
            [[float(row[key]) for row in recorded[size][:epochs]] for size in sorted(recorded)]
        )

    return Application(
        name=name,
        tables={
            pool.name: StepTable(_steps(root, pool.name), LOCAL_CAPS.get((name, pool.name)))
            for pool in POOLS
        },
        batches=np.array(sorted(recorded), dtype=np.float64),
        progress=column("progress"),
        gradient_square=column("grad_sqr"),
        gradient_variance=column("grad_var"),
        epochs=epochs,
        restart_seconds=RESTART_SECONDS[name],
        slowdown=SLOWDOWN[name],
    )


def workload(number: int) -> Sequence[tuple[str, float, str, int, int]]:
    """Jobs of a workload: name, time of submission [s], application, workers, batch [sample].

    Raises:
        DataMissingError: The file is not there.
    """
    return [
        (
            row["name"],
            float(row["time"]),
            row["application"],
            int(row["num_replicas"]),
            int(row["batch_size"]),
        )
        for row in _rows(folder() / "workloads/philly" / f"workload-{number}.csv")
    ]


def capacity() -> Capacity:
    """The cluster as a round sees it."""
    return Capacity(
        tuple(
            PoolRoom(
                pool.name,
                pool.name,
                tuple((f"{pool.name}-{i}", pool.gpus_per_node) for i in range(pool.nodes)),
                pool.gpus_per_node,
            )
            for pool in POOLS
        )
    )
