"""Text for a decoder: windows of bytes, and that a decoder learns from them."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qm_trainer import zoo
from qm_trainer.config import Dataset
from qm_trainer.data import sources, text
from qm_trainer.errors import ConfigError, DataError

pytestmark = pytest.mark.torch


@given(st.binary(max_size=200), st.integers(1, 40))
def test_each_byte_is_in_one_window_and_followed_by_the_next(data: bytes, context: int) -> None:
    inputs, targets = text.windows(data, context)
    assert inputs.shape == targets.shape == (max(0, (len(data) - 1) // context), context)
    flat = inputs.flatten()
    assert bytes(flat.astype(np.uint8)) == data[: len(flat)]
    assert bytes(targets.flatten().astype(np.uint8)) == data[1 : len(flat) + 1]


@given(st.binary(min_size=400, max_size=2000), st.integers(1, 30))
def test_what_is_tested_is_not_trained_on(data: bytes, context: int) -> None:
    found = text.read(data, context, "here")
    seen = len(found["x_train"]) * context + 1
    tested = int(len(data) * text.TEST_FRACTION)
    assert seen <= len(data) - tested
    assert bytes(found["x_test"].flatten().astype(np.uint8)) in data[len(data) - tested :]


def test_a_text_of_ones_own_is_read_from_its_file(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_bytes(b"a rose is " * 100)
    data = sources.open_data(Dataset(f"file://{path}", {"context": 9}))
    inputs, targets = data.train.take([0])
    assert bytes(inputs[0].tolist()) == b"a rose is"
    assert bytes(targets[0].tolist()) == b" rose is "
    assert data.test is not None
    assert len(data.test) == 99 // 9


def test_the_librarys_sources_are_there_and_always_the_same() -> None:
    first, second = (
        sources.open_data(Dataset("builtin://python-source", {"context": 64})) for _ in range(2)
    )
    assert 64 * len(first.train) > 2**20
    assert torch.equal(first.train.take([7])[0], second.train.take([7])[0])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"contxt": 3}, "takes context, the bytes in a window, not contxt"),
        ({"context": 0}, "must be a whole number from 1 to 1048576, not 0"),
        ({"context": True}, "must be a whole number"),
        ({"context": "8"}, "not '8'"),
    ],
)
def test_arguments_that_are_wrong_are_named(args: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sources.open_data(Dataset("builtin://python-source", args))


def test_a_text_that_is_too_short_says_how_long_it_has_to_be(tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    for size in (0, 1, 1289):
        path.write_bytes(b"x" * size)
        with pytest.raises(DataError, match=f"has {size} bytes: windows of 128 need at least 1291"):
            sources.open_data(Dataset(f"file://{path}", {}))
    path.write_bytes(b"x" * 1291)
    sources.open_data(Dataset(f"file://{path}", {}))


def test_a_text_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no .*nowhere\.txt"):
        sources.open_data(Dataset(f"file://{tmp_path}/nowhere.txt", {}))


def test_a_token_sees_those_before_it_and_none_after() -> None:
    torch.manual_seed(0)
    model = zoo.decoder(context=16, width=32, heads=4, blocks=2)
    tokens = torch.randint(256, (2, 16))
    changed = tokens.clone()
    changed[:, 9] = (changed[:, 9] + 1) % 256
    one, other = model(tokens), model(changed)
    assert one.shape == (2, 256, 16)
    assert torch.equal(one[:, :, :9], other[:, :, :9])
    assert not torch.allclose(one[:, :, 9:], other[:, :, 9:])


def test_an_untrained_decoder_knows_nothing_and_a_trained_one_knows_its_text(
    tmp_path: Path, train: Callable[..., Any]
) -> None:
    path = tmp_path / "rose.txt"
    path.write_bytes(b"a rose is a rose; " * 500)
    torch.manual_seed(0)
    model = zoo.decoder(context=18, width=32, heads=2, blocks=1)
    tokens = torch.randint(256, (8, 18))
    loss = torch.nn.functional.cross_entropy(model(tokens), tokens)
    assert float(loss.detach()) == pytest.approx(math.log(256), rel=0.02)
    summary = train(
        tmp_path / "run",
        factory="qm_trainer.zoo:decoder",
        args={"context": 18, "width": 32, "heads": 2, "blocks": 1},
        uri=f"file://{path}",
        epochs=8,
        batchSize=16,
        datasetArgs={"context": 18},
    )
    assert summary.metrics["accuracy"] > 0.9


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="width must be a multiple of heads, 4, not 30"):
        zoo.decoder(width=30)
