"""The built-in data sets: real ones, and files that are damaged."""

import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from qm_trainer.data import builtin
from qm_trainer.errors import DataError

pytestmark = pytest.mark.torch

shapes = arrays.array_shapes(min_dims=1, max_dims=3, max_side=5)
images = arrays.arrays(np.uint8, shapes)


def written(array: np.ndarray) -> bytes:
    """As the MNIST files are written."""
    head = b"\0\0\x08" + bytes([array.ndim])
    return gzip.compress(head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes())


@given(images)
def test_what_is_written_as_idx_is_read_back(array: np.ndarray) -> None:
    read = builtin.idx(written(array))
    assert read.shape == array.shape
    assert (read == array).all()
    assert read.flags.writeable


@given(images, st.data())
def test_a_file_of_another_length_is_refused(array: np.ndarray, data: st.DataObject) -> None:
    raw = gzip.decompress(written(array))
    kept = data.draw(st.integers(0, len(raw) - 1))
    for wrong in (raw[:kept], raw + b"\0"):
        with pytest.raises(ValueError, match="IDX"):
            builtin.idx(gzip.compress(wrong))


def test_half_a_download_is_refused() -> None:
    whole = written(np.arange(200, dtype=np.uint8))
    with pytest.raises(EOFError):
        builtin.idx(whole[: len(whole) // 2])


def test_the_digits_are_all_there() -> None:
    found = builtin.read("digits", "builtin://digits", {})
    assert found["x"].shape == (1797, 1, 8, 8)
    assert np.bincount(found["y"]).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert abs(float(found["x"].mean())) < 0.01
    assert abs(float(found["x"].std()) - 1) < 0.01


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(DataError, match="there is builtin://digits, builtin://fashion-mnist"):
        builtin.read("cifar", "builtin://cifar", {})
