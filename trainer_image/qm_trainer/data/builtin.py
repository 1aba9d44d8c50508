"""Real data sets that are there without a network: `builtin://NAME`.

    digits           scikit-learn's handwritten digits, 1,797 images of 8 x 8, in its package
    fashion-mnist    Zalando's articles of clothing, 70,000 images of 28 x 28, in Debian's package
                     dataset-fashion-mnist, which the trainer's image holds
    python-source    text: the standard library's own modules; see `text.py`

Adding one adds a function to `BUILTIN` and touches nothing else.
"""

import gzip
import importlib.util
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qm_trainer.config import Json
from qm_trainer.data import text
from qm_trainer.errors import ConfigError, DataError

ArraysByName = dict[str, NDArray[Any]]
"""`x` and `y`, or `x_train`, `y_train`, `x_test` and `y_test`."""

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package puts it."""


def read(name: str, uri: str, args: Mapping[str, Json]) -> ArraysByName:
    """The arrays of a data set.

    Raises:
        ConfigError: It does not take these arguments.
        DataError: There is none of that name, or it is not in the image.
    """
    if name not in BUILTIN:
        known = ", ".join(f"builtin://{known}" for known in BUILTIN)
        raise DataError(f"dataset.uri {uri}: there is no built-in {name!r}; there is {known}")
    if args and name not in WITH_ARGUMENTS:
        raise ConfigError(f"dataset.args: builtin://{name} takes none, not {', '.join(args)}")
    return BUILTIN[name](uri, args)


def _digits(uri: str, _: Mapping[str, Json]) -> ArraysByName:
    # Read where scikit-learn keeps it: importing it takes two seconds more.
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise DataError(
            f"dataset.uri {uri}: scikit-learn, which ships the digits, is not in the image"
        )
    table = np.loadtxt(Path(package.origin).parent / "datasets/data/digits.csv.gz", delimiter=",")
    # Pixels count 0..16; mean and deviation over all of them are 4.88 and 6.02.
    images = ((table[:, :-1] - 4.88) / 6.02).astype(np.float32)
    return {"x": images.reshape(-1, 1, 8, 8), "y": table[:, -1].astype(np.int64)}


def _fashion_mnist(uri: str, _: Mapping[str, Json]) -> ArraysByName:
    files = {
        "x_train": "train-images-idx3-ubyte.gz",
        "y_train": "train-labels-idx1-ubyte.gz",
        "x_test": "t10k-images-idx3-ubyte.gz",
        "y_test": "t10k-labels-idx1-ubyte.gz",
    }
    try:
        found = {name: idx((FASHION_MNIST / file).read_bytes()) for name, file in files.items()}
    except FileNotFoundError as error:
        raise DataError(
            f"dataset.uri {uri}: there is no {error.filename}; Debian's package "
            "dataset-fashion-mnist brings it, and the trainer's own image has it"
        ) from error
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"dataset.uri {uri}: {FASHION_MNIST} is damaged: {error}") from error
    # Grey images have one channel; labels are class numbers, not bytes.
    images = {name: x[:, np.newaxis] for name, x in found.items() if name.startswith("x")}
    labels = {name: y.astype(np.int64) for name, y in found.items() if name.startswith("y")}
    return images | labels


def idx(compressed: bytes) -> NDArray[np.uint8]:
    """An array of bytes in the IDX format of the MNIST files, gzipped.

    Two zero bytes, 8 for unsigned bytes, the number of dimensions, each dimension as a big-endian
    32-bit number, then the elements, the last dimension fastest.

    Raises:
        OSError: It is not gzipped.
        EOFError: It ends too early.
        ValueError: It is not an IDX file of bytes, or not of the length that it claims.
    """
    raw = gzip.decompress(compressed)
    if len(raw) < 4 or raw[:3] != b"\0\0\x08":
        raise ValueError("not an IDX file of unsigned bytes")
    rank = raw[3]
    if len(raw) < 4 + 4 * rank:
        raise ValueError("the IDX header is cut off")
    shape = tuple(int(n) for n in np.frombuffer(raw, ">u4", count=rank, offset=4))
    body = len(raw) - 4 - 4 * rank
    if math.prod(shape) != body:
        raise ValueError(f"the IDX header promises {math.prod(shape)} bytes, there are {body}")
    # A copy: torch wants arrays that may be written to.
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape).copy()


def _python_source(uri: str, args: Mapping[str, Json]) -> ArraysByName:
    return text.python_source(text.context_of(args, uri), uri)


BUILTIN: dict[str, Callable[[str, Mapping[str, Json]], ArraysByName]] = {
    "digits": _digits,
    "fashion-mnist": _fashion_mnist,
    "python-source": _python_source,
}
WITH_ARGUMENTS = {"python-source"}
