"""Where samples come from, by the scheme of `dataset.uri`.

    builtin://NAME              a real data set that the image holds: digits, fashion-mnist, and
                                python-source, text for a decoder
    file:///path/data.npz       arrays x and y, or x_train, y_train, x_test, y_test
    file:///path/text.txt       text for a decoder, in windows of dataset.args.context bytes
    file:///path/folder         a folder, for example a mounted volume, that holds data.npz
    python://package.module:fn  the user's own: fn(**args) gives (train, test), map-style data
                                sets of (x, y); test may be None

Adding a source adds a function to `SOURCES` and touches nothing else.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import default_collate

from qm_trainer import factory
from qm_trainer.config import Dataset, Json
from qm_trainer.data import builtin, text
from qm_trainer.data.supply import Batch, Split, seed_host
from qm_trainer.errors import ConfigError, DataError

TEST_FRACTION = 0.2
"""What is kept for testing where a source brings no test data of its own [1]."""
SPLIT_SEED = 0
"""The split must not change with the run's seed, or runs could not be compared."""


@dataclass(frozen=True, slots=True)
class Data:
    """A data set, opened."""

    train: Split
    test: Split | None


class Arrays:
    """Samples that lie in memory."""

    costly = False

    def __init__(self, inputs: NDArray[Any], targets: NDArray[Any]) -> None:
        self._inputs = torch.from_numpy(np.ascontiguousarray(inputs))
        self._targets = torch.from_numpy(np.ascontiguousarray(targets))

    def __len__(self) -> int:
        return len(self._targets)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """Inputs and targets of these samples; 8-bit inputs become fractions of 255."""
        index = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        inputs = self._inputs.index_select(0, index)
        if inputs.dtype == torch.uint8:
            inputs = inputs.float().div_(255.0)
        return inputs, self._targets.index_select(0, index)


class Mapped:
    """A map-style data set of the user's, whose samples are `(x, y)`."""

    costly = True

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """Fetch one by one, or at once where the data set has `__getitems__`, and stack."""
        wanted = [int(index) for index in indices]
        many = getattr(self._dataset, "__getitems__", None)
        samples = many(wanted) if many else [self._dataset[index] for index in wanted]
        inputs, targets = default_collate(samples)
        return inputs, targets


def seed_all(seed: int) -> None:
    """Seed torch's, NumPy's and Python's chance in this process."""
    seed_host(seed)
    if torch.cuda.is_available():
        torch.cuda.manual_seed(seed)


def open_data(dataset: Dataset) -> Data:
    """Open what `dataset.uri` names.

    Raises:
        ConfigError: If there is no such scheme.
        DataError: If it is missing, unreadable, or empty.
    """
    scheme = urlsplit(dataset.uri).scheme
    source = SOURCES.get(scheme)
    if source is None:
        known = ", ".join(f"{name}://" for name in SOURCES)
        raise ConfigError(f"dataset.uri {dataset.uri!r} has no scheme known here; known: {known}")
    data = source(dataset.uri, dataset.args)
    if not len(data.train):
        raise DataError(f"dataset.uri {dataset.uri} holds no training samples")
    return data


def _builtin(uri: str, args: Mapping[str, Json]) -> Data:
    name = urlsplit(uri).netloc
    return _named(builtin.read(name, uri, args), uri)


def _file(uri: str, args: Mapping[str, Json]) -> Data:
    parts = urlsplit(uri)
    written = Path(unquote(parts.path)).suffix == ".txt"
    if args and not written:
        raise ConfigError(f"dataset.args: file:// takes none, not {', '.join(args)}")
    path = Path(unquote(parts.path))
    if parts.netloc:
        raise ConfigError(
            f"dataset.uri {uri}: write three slashes, file:///{parts.netloc}{parts.path}"
        )
    if path.is_dir():
        path = path / "data.npz"
    if not path.exists():
        raise DataError(f"dataset.uri {uri}: there is no {path}; {_nearest(path)}")
    if written:
        return _named(text.read(_bytes_of(path, uri), text.context_of(args, uri), str(path)), path)
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _named({name: arrays[name] for name in arrays.files}, path)
    except (OSError, ValueError) as error:
        raise DataError(
            f"dataset.uri {uri}: {path} is not a readable .npz file: {error}"
        ) from error


def _bytes_of(path: Path, uri: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"dataset.uri {uri}: {path} cannot be read: {error.strerror}") from error


def _named(arrays: dict[str, NDArray[Any]], where: str | Path) -> Data:
    if {"x_train", "y_train"} <= arrays.keys():
        train = _arrays(arrays["x_train"], arrays["y_train"], where)
        has_test = {"x_test", "y_test"} <= arrays.keys()
        return Data(train, _arrays(arrays["x_test"], arrays["y_test"], where) if has_test else None)
    if {"x", "y"} <= arrays.keys():
        _arrays(arrays["x"], arrays["y"], where)
        return _split(arrays["x"], arrays["y"])
    names = ", ".join(sorted(arrays)) or "nothing"
    raise DataError(f"{where} must hold x and y, or x_train and y_train; it holds {names}")


def _arrays(inputs: NDArray[Any], targets: NDArray[Any], where: str | Path) -> Arrays:
    if len(inputs) != len(targets):
        raise DataError(f"{where}: {len(inputs)} inputs but {len(targets)} targets")
    inputs = inputs.astype(np.float32) if inputs.dtype == np.float64 else inputs
    kind = np.int64 if np.issubdtype(targets.dtype, np.integer) else np.float32
    return Arrays(inputs, targets.astype(kind))


def _split(inputs: NDArray[Any], targets: NDArray[Any]) -> Data:
    order = np.random.default_rng(SPLIT_SEED).permutation(len(inputs))
    kept = math.ceil(len(order) * TEST_FRACTION)
    test, train = order[:kept], order[kept:]
    path = Path()
    return Data(
        _arrays(inputs[train], targets[train], path), _arrays(inputs[test], targets[test], path)
    )


def _python(uri: str, args: Mapping[str, Json]) -> Data:
    made = factory.call(uri.removeprefix("python://"), args, "dataset.uri")
    if not isinstance(made, tuple) or len(made) != 2:
        raise ConfigError(f"dataset.uri {uri} must give (train, test), not {type(made).__name__}")
    train, test = made
    for split in (train, test):
        if split is not None and not (hasattr(split, "__len__") and hasattr(split, "__getitem__")):
            kind = type(split).__name__
            raise ConfigError(f"dataset.uri {uri}: {kind} has no __len__ and __getitem__")
    return Data(Mapped(train), Mapped(test) if test is not None else None)


def _nearest(path: Path) -> str:
    """What is there instead: the deepest folder that exists, and its first names."""
    folder = next(parent for parent in path.parents if parent.exists())
    names = sorted(child.name for child in folder.iterdir())[:8]
    return f"{folder} holds {', '.join(names) if names else 'nothing; is its volume mounted?'}"


SOURCES: dict[str, Callable[[str, Mapping[str, Json]], Data]] = {
    "builtin": _builtin,
    "file": _file,
    "python": _python,
}
