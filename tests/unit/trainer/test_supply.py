"""Batches made ahead are the batches that would have been made in time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from qm_trainer.data import supply
from qm_trainer.data.order import Cursor, Plan
from qm_trainer.data.supply import Batch, Request, Supply
from qm_trainer.data.tuning import SETTLING, WINDOW, Tuner
from qm_trainer.errors import Crash, DataError, OutOfMemory, UserError, classify

pytestmark = pytest.mark.torch


class Drawing:
    """Samples that say which they are, with chance of every kind beside them."""

    costly = True

    def __len__(self) -> int:
        return 40

    def take(self, indices: Any) -> Batch:
        index = torch.as_tensor(np.asarray(indices, dtype=np.int64))
        chance = np.random.random() + float(torch.rand(()))
        return index.double() + chance, index


class Broken(Drawing):
    """Raises for one of the samples."""

    def __init__(self, error: Callable[[], Exception], at: int) -> None:
        self.error, self.at = error, at

    def take(self, indices: Any) -> Batch:
        if self.at in indices:
            raise self.error()
        return super().take(indices)


class Dying(Drawing):
    """Ends its process for one of the samples, as the kernel does where memory is short."""

    def take(self, indices: Any) -> Batch:
        if 5 in indices:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().take(indices)


def drained(source: Supply) -> list[Batch]:
    """All batches of 40 requests."""
    return [source.batch() for _ in range(40)]


def made(workers: int, plan: Plan, cursor: Cursor, split: Any = None) -> list[Batch]:
    source = Supply(split or Drawing(), Tuner(workers, workers), pinned=False)
    try:
        return [source.batch() for _ in source.shares(plan, cursor, 0)]
    finally:
        source.close()


def same(one: Sequence[Batch], other: Sequence[Batch]) -> bool:
    return len(one) == len(other) and all(
        torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True)
    )


@settings(max_examples=8, deadline=None)
@given(
    workers=st.integers(1, 2),
    batch=st.integers(1, 17),
    seed=st.integers(0, 99),
    consumed=st.integers(0, 39),
)
def test_ahead_and_in_time_are_the_same_batches(
    workers: int, batch: int, seed: int, consumed: int
) -> None:
    plan, cursor = Plan(40, batch, 1, 2, seed), Cursor(7, 1, consumed)
    assert same(made(workers, plan, cursor), made(0, plan, cursor))


@pytest.mark.parametrize("stop", [1, 2, 5])
def test_an_epoch_that_is_left_and_taken_up_gives_the_same_batches(stop: int) -> None:
    plan = Plan(40, 6, 1, 1, 3)
    source = Supply(Drawing(), Tuner(2, 2), pinned=False)
    first = [source.batch() for _, _ in zip(range(stop), source.shares(plan, Cursor(), 0))]  # noqa: B905
    source.close()
    rest = made(2, plan, Cursor(stop, 0, 6 * stop))
    assert same(first + rest, made(0, plan, Cursor()))


def test_a_change_of_the_number_of_processes_changes_no_batch() -> None:
    """Steps that wait for half their time: the tuner doubles, and the batches go on."""
    clock = iter(0.5 * n for n in range(10**6))
    plan = Plan(40, 1, 1, 1, 0)
    tuner = Tuner(1, 2)
    source = Supply(Drawing(), tuner, pinned=False, now=lambda: next(clock))
    got = [source.batch() for _ in source.shares(plan, Cursor(), 0)]
    source.close()
    assert tuner.workers == 2
    assert same(got, made(0, plan, Cursor()))


def data_error() -> Exception:
    return DataError("train.tar at byte 512: the image is cut off")


def users_error() -> Exception:
    return ValueError("the user's own mistake")


def memory_error() -> Exception:
    return MemoryError("no")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    ("error", "at", "kind", "words"),
    [
        (data_error, 30, DataError, r"^train\.tar at byte 512: the image is cut off$"),
        (users_error, 0, UserError, r"ValueError: the user's own mistake \(.*test_supply\.py:"),
        (users_error, 30, Crash, r"ValueError: the user's own mistake \(.*test_supply\.py:"),
        (memory_error, 30, OutOfMemory, "no"),
    ],
)
def test_what_a_data_set_raises_arrives_as_it_is(
    workers: int, error: Callable[[], Exception], at: int, kind: type[Exception], words: str
) -> None:
    source = Supply(Broken(error, at), Tuner(workers, workers), pinned=False)
    source.begin(Request([i], 0) for i in range(40))
    with pytest.raises(kind, match=words):
        drained(source)
    source.close()


def test_a_process_that_is_killed_is_told_and_not_waited_for() -> None:
    """By a signal handler of torch's, which may speak before the batch is asked for."""
    with pytest.raises((Crash, RuntimeError)) as caught:
        made(2, Plan(40, 4, 1, 1, 0), Cursor(), Dying())
    told = classify(caught.value, stepped=False)
    assert isinstance(told, Crash)
    assert "ended by itself" in str(told)


def test_batches_that_do_not_fit_are_not_made_ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """One process and one batch ahead are the least."""
    monkeypatch.setattr(supply, "AHEAD_BYTES", 1)
    source = Supply(Drawing(), Tuner(2, 2), pinned=False)
    plan, others = Plan(40, 4, 1, 1, 0), children(os.getpid())
    for _ in source.shares(plan, Cursor(), 0):
        source.batch()
        assert len(set(children(os.getpid())) - set(others)) <= 1
    source.close()


def test_the_processes_end_when_they_are_closed() -> None:
    source, others = Supply(Drawing(), Tuner(2, 2), pinned=False), set(children(os.getpid()))
    steps: Iterator[Any] = source.shares(Plan(40, 2, 1, 1, 0), Cursor(), 0)
    for _ in range(3):
        next(steps)
        source.batch()
    assert len(set(children(os.getpid())) - others) == 2
    source.close()
    assert set(children(os.getpid())) <= others


LIVES = """
import sys
from tests.unit.trainer.test_supply import Cursor, Drawing, Plan, Supply, Tuner
source = Supply(Drawing(), Tuner(2, 2), pinned=False)
for number, _ in enumerate(source.shares(Plan(40, 2, 1, 1, 0), Cursor(), 0)):
    source.batch()
    if number == 3:
        print("ready", flush=True)
        sys.stdin.read()
"""


@pytest.mark.timeout(60)
def test_a_parent_that_is_killed_leaves_no_process() -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", LIVES], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"ready\n"
    left = children(parent.pid)
    assert len(left) == 2
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in left) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert [pid for pid in left if alive(pid)] == []


def children(pid: int) -> list[int]:
    """Of all threads of a process, those that live."""
    found = [
        int(child)
        for path in Path(f"/proc/{pid}/task").glob("*/children")
        for child in path.read_text().split()
    ]
    return [child for child in found if alive(child)]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def told(tuner: Tuner, waited: float, step: float) -> list[str]:
    return [said for _ in range(SETTLING + WINDOW) if (said := tuner.after(waited, step))]


def test_processes_double_while_steps_wait_and_get_shorter() -> None:
    tuner = Tuner(1, 6)
    assert told(tuner, 0.5, 1.0) == ["steps wait 50 % of their time: 2 process(es) make batches"]
    told(tuner, 0.3, 0.8)
    assert tuner.workers == 4
    told(tuner, 0.1, 0.6)
    assert tuner.workers == 6
    told(tuner, 0.05, 0.55)
    assert told(tuner, 0.3, 0.9) == []
    assert tuner.workers == 6


def test_more_processes_that_do_not_help_are_taken_back_for_good() -> None:
    tuner = Tuner(1, 8)
    told(tuner, 0.5, 1.0)
    assert told(tuner, 0.5, 0.99) == ["2 processes make steps no shorter: back to 1"]
    assert told(tuner, 0.9, 1.0) == []
    assert tuner.workers == 1


def test_steps_that_do_not_wait_are_left_alone() -> None:
    tuner = Tuner(1, 8)
    assert told(tuner, 0.01, 1.0) == []
    assert tuner.workers == 1


@given(
    st.integers(0, 4),
    st.integers(0, 9),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=300),
)
def test_there_are_never_more_processes_than_cores(
    least: int, most: int, steps: list[tuple[float, float]]
) -> None:
    tuner = Tuner(least, most)
    for waited, rest in steps:
        tuner.after(waited, waited + rest)
        assert 0 <= tuner.workers <= most
