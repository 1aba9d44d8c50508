"""Text as samples for a decoder: windows of bytes, and for each byte the one that follows.

Bytes are tokens: 256 of them say any text in any language, and there is no vocabulary to train.
"""

import sysconfig
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qm_trainer.config import Json
from qm_trainer.errors import ConfigError, DataError

CONTEXT = 128
"""Bytes in a window, where nothing else is asked for [byte]."""
TEST_FRACTION = 0.1
"""The end of a text is kept for testing [1]: what lies beside a window is almost in it."""
SOURCE_BYTES = 2 * 2**20
"""Of the standard library's sources that are taken [byte]."""

Arrays = dict[str, NDArray[Any]]


def read(text: bytes, context: int, where: str) -> Arrays:
    """`x_train`, `y_train`, `x_test` and `y_test` of a text, each of shape [windows, context].

    Raises:
        DataError: It is shorter than a window for each.
    """
    kept = int(len(text) * TEST_FRACTION)
    parts = {"test": text[len(text) - kept :], "train": text[: len(text) - kept]}
    found: Arrays = {}
    for name, part in parts.items():
        found[f"x_{name}"], found[f"y_{name}"] = windows(part, context)
        if not len(found[f"x_{name}"]):
            raise DataError(
                f"{where} has {len(text)} bytes: windows of {context} need at least "
                f"{int((context + 1) / TEST_FRACTION) + 1}, or a smaller dataset.args.context"
            )
    return found


def windows(text: bytes, context: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """All whole windows that do not overlap, and what follows each of their bytes.

    Args:
        text: Of at least one byte more than a window, or there is none.
        context: Bytes in a window [byte].
    """
    count = max(0, (len(text) - 1) // context)
    tokens = np.frombuffer(text, np.uint8).astype(np.int64)
    shape = (count, context)
    return tokens[: count * context].reshape(shape), tokens[1 : count * context + 1].reshape(shape)


def python_source(context: int, uri: str) -> Arrays:
    """The sources of Python's standard library, which every image with Python has.

    Modules in the order of their names, so that one image always gives the same text.

    Raises:
        DataError: They are not in the image.
    """
    folder = Path(sysconfig.get_path("stdlib"))
    text = bytearray()
    for path in sorted(folder.glob("*.py")):
        text += path.read_bytes()
        if len(text) >= SOURCE_BYTES:
            break
    if not text:
        raise DataError(f"dataset.uri {uri}: the sources of Python's library are not in {folder}")
    return read(bytes(text[:SOURCE_BYTES]), context, f"dataset.uri {uri}")


def context_of(args: Mapping[str, Json], uri: str) -> int:
    """How long windows are to be, by `dataset.args` [byte].

    Raises:
        ConfigError: There is another argument, or it is not a whole number above 0.
    """
    unknown = set(args) - {"context"}
    if unknown:
        raise ConfigError(
            f"dataset.args: {uri} takes context, the bytes in a window, not "
            f"{', '.join(sorted(unknown))}"
        )
    context = args.get("context", CONTEXT)
    if isinstance(context, bool) or not isinstance(context, int) or not 1 <= context <= 2**20:
        raise ConfigError(
            f"dataset.args.context must be a whole number from 1 to {2**20}, not {context!r}"
        )
    return context
