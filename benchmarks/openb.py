"""The OpenB cluster and its pod lists (Weng et al., ATC 2023), and pods that arrive one by one."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quartermaster.decide.packing.fleet import (
    ABSENT,
    ANY_MODEL,
    WHOLE,
    Fleet,
    Integers,
    TaskClasses,
)

FOLDER = "openb-fgd"
NODES = "openb_node_list_gpu_node.csv"
PODS = "openb_pod_list_{}.csv"
LISTS = (
    "default",
    "cpu050",
    "cpu100",
    "gpushare20",
    "gpushare40",
    "gpuspec10",
    "gpuspec20",
    "multigpu20",
    "multigpu30",
)


class DataError(Exception):
    """The data folder has not got what a run needs; one line says what and where."""


@dataclass(frozen=True, slots=True)
class PodList:
    """The pods of one list, by class."""

    name: str
    classes: TaskClasses
    pods: Integers
    """[pods], the class of each."""


def data_folder() -> Path:
    """Where the lists lie: QM_BENCH_DATA, or else `shared/data` beside the checkout."""
    root = os.environ.get("QM_BENCH_DATA") or Path(__file__).resolve().parents[2] / "shared/data"
    return Path(root) / FOLDER


def read_fleet(folder: Path) -> tuple[Fleet, dict[str, int]]:
    """The GPU nodes, empty, in the file's order, and the bit of each GPU model.

    Raises:
        DataError: The list is missing or is none.
    """
    rows = _rows(folder / NODES, {"cpu_milli", "memory_mib", "gpu", "model"})
    bits = {model: 1 << n for n, model in enumerate(sorted({row["model"] for row in rows}))}
    count = np.array([int(row["gpu"]) for row in rows])
    fleet = Fleet(
        cpu=np.array([int(row["cpu_milli"]) for row in rows]),
        memory=np.array([int(row["memory_mib"]) for row in rows]),
        gpu=np.where(np.arange(count.max()) < count[:, np.newaxis], WHOLE, ABSENT),
        model=np.array([bits[row["model"]] for row in rows]),
    )
    return fleet, bits


def read_pods(folder: Path, name: str, bits: dict[str, int]) -> PodList:
    """One list. Lists without a column `gpu_spec` let each pod run on every model.

    Raises:
        DataError: The list is missing or is none.
    """
    path = folder / PODS.format(name)
    rows = _rows(path, {"cpu_milli", "memory_mib", "num_gpu", "gpu_milli"})
    try:
        asked = np.array([_request(row, bits) for row in rows])
    except (KeyError, ValueError) as error:
        raise DataError(f"{path}: {error}: neither a number nor a GPU model of {NODES}") from error
    classes, pods = np.unique(asked, axis=0, return_inverse=True)
    return PodList(name, TaskClasses(*classes.T), pods.ravel())


def arrivals(pods: PodList, until: int, chance: np.random.Generator) -> Integers:
    """All pods of the list in a random order, then random ones of it until enough is asked for.

    Args:
        pods: The list.
        until: GPU that all arrivals together ask for at least [milli-GPU].
        chance: The shuffle and the draws.

    Returns:
        [arrivals], the class of each pod.
    """
    order = chance.permutation(pods.pods)
    demand = pods.classes.demand
    asked = int(demand[order].sum())
    more: list[int] = []
    while asked < until:
        drawn = int(chance.choice(pods.pods))
        more.append(drawn)
        asked += int(demand[drawn])
    return np.concatenate([order, np.array(more, dtype=np.int64)])


def _request(row: dict[str, str], bits: dict[str, int]) -> tuple[int, int, int, int, int]:
    gpus = int(row["num_gpu"])
    models = [bits[model] for model in set((row.get("gpu_spec") or "").split("|")) if model]
    mask = int(np.bitwise_or.reduce(models)) if models else ANY_MODEL
    milli = int(row["gpu_milli"]) if gpus else 0
    return int(row["cpu_milli"]), int(row["memory_mib"]), gpus, milli, mask


def _rows(path: Path, columns: set[str]) -> list[dict[str, str]]:
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise DataError(
            f"{path}: {error.strerror}: QM_BENCH_DATA has to name the folder that holds {FOLDER}"
        ) from error
    missing = columns - set(rows[0] if rows else ())
    if missing:
        raise DataError(f"{path}: no column {', '.join(sorted(missing))}: take the published list")
    return rows
