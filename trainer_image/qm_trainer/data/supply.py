"""Batches made ahead of the step that needs them, in processes of their own.

The order is given (`order.shares`), so a batch that is made early is the batch that would have been
made in time: nothing about a run depends on how many processes make it. PyTorch's DataLoader
starts the processes, keeps their results in order, and sees to it that they end with this one.

Processes and not threads: two threads that decode JPEGs with Pillow wait for each other's turn at
the interpreter (on two cores they were no faster than one, and two processes 1.5 times as fast),
and what a user's data set does in Python would take its turns from training.
"""

import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset
from typing_extensions import override

from qm_trainer import errors
from qm_trainer.data import order
from qm_trainer.data.order import Cursor, Plan, Share
from qm_trainer.data.tuning import Tuner
from qm_trainer.errors import Crash, TrainerError, UserError

Batch = tuple[Tensor, Tensor]

AHEAD_BYTES = 512 * 2**20
"""Batches that wait for their step take at most this much of a process's memory [byte]."""
AHEAD_EACH = 2
"""Batches that each process makes ahead, where they fit [count]."""

_log = logging.getLogger("qm_trainer")


class Split(Protocol):
    """Samples that can be taken by their indices."""

    costly: bool
    """Whether taking them can be worth processes of its own."""

    def __len__(self) -> int:
        """[sample]."""
        ...

    def take(self, indices: Sequence[int] | NDArray[np.int64]) -> Batch:
        """Inputs and targets of these samples."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One batch to be made."""

    indices: Sequence[int] | NDArray[np.int64]
    seed: int
    """Of the chance that a user's own data set draws from [0, 2^32)."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How making a batch failed, such that it can leave its process."""

    kind: str
    message: str


def seed_host(seed: int) -> None:
    """Seed torch's, NumPy's and Python's chance on the CPU; the GPU's is not touched."""
    torch.default_generator.manual_seed(seed)
    np.random.seed(seed)  # what users' augmentations draw from
    random.seed(seed)


class Requests(TorchDataset[Batch | Fault]):
    """Requests as a data set whose samples are batches, for DataLoader."""

    def __init__(self, split: Split, requests: Sequence[Request]) -> None:
        self._split, self._requests = split, requests

    def __len__(self) -> int:
        return len(self._requests)

    @override
    def __getitem__(self, number: int) -> Batch | Fault:
        request = self._requests[number]
        seed_host(request.seed)
        try:
            return self._split.take(request.indices)
        except Exception as error:  # noqa: BLE001 - it is raised again in the process that trains
            told = errors.classify(error, stepped=False)
            return Fault(told.kind, str(told))


class Supply:
    """The batches of a run's steps, in their order."""

    def __init__(
        self,
        split: Split,
        tuner: Tuner,
        *,
        pinned: bool,
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._split, self._tuner, self._pinned, self._now = split, tuner, pinned, now
        self._requests: Sequence[Request] = ()
        self._position = 0
        self._loader: Any = None
        self._ended: float | None = None
        self._taken = 0
        self._bytes = 0

    def shares(self, plan: Plan, cursor: Cursor, rank: int) -> Iterator[Share]:
        """What `rank` trains on to the end of the epoch; `batch` then gives each one's samples."""
        shares = list(order.shares(plan, cursor, rank))
        self.begin(
            Request(share.indices, order.chance(plan.seed, cursor.step + number, rank))
            for number, share in enumerate(shares)
        )
        yield from shares

    def begin(self, requests: Iterator[Request]) -> None:
        """From here on, `batch` answers these, one after the other."""
        self.close()
        self._requests, self._position, self._ended = list(requests), 0, None

    def batch(self) -> Batch:
        """The next batch; waits for it if it is not made yet.

        Raises:
            TrainerError: It cannot be made; what the data set raised, or `Crash` where one of the
                processes ended by itself.
        """
        if not self._split.costly:
            request, self._position = self._requests[self._position], self._position + 1
            return self._split.take(request.indices)
        began = self._now()
        made = self._next()
        ended = self._now()
        if self._ended is not None:
            self._retune(ended - began, ended - self._ended)
        self._ended = ended
        return made

    def close(self) -> None:
        """End the processes; batches that nobody took are dropped."""
        loader, self._loader = self._loader, None
        if loader is not None and hasattr(loader, "_shutdown_workers"):
            # Without this they live until the garbage collector comes by. One that was killed is
            # told of here too, and again: whoever waited for its batch has heard of it.
            with contextlib.suppress(RuntimeError):
                loader._shutdown_workers()  # noqa: SLF001 - DataLoader has no public name for it

    def _next(self) -> Batch:
        workers = self._workers()
        # The first batch is made here: its size says how many there may be at once.
        if not workers or not self._bytes:
            made = self._made_here()
            self._bytes = sum(part.nbytes for part in made)
            return made
        if self._loader is None:
            self._loader = self._start(workers)
        try:
            made = next(self._loader)
        except (RuntimeError, OSError, EOFError) as error:
            # Which of them depends on what the process was at: computing, or handing over.
            raise Crash(errors.data_process_ended(error)) from error
        return self._counted(made)

    def _made_here(self) -> Batch:
        requests = Requests(self._split, self._requests[self._position : self._position + 1])
        return self._counted(requests[0])

    def _counted(self, made: Batch | Fault) -> Batch:
        if isinstance(made, Fault):
            raise self._explained(made)
        self._position += 1
        self._taken += 1
        return made

    def _explained(self, fault: Fault) -> TrainerError:
        error = errors.of_name(fault.kind, fault.message)
        return Crash(fault.message) if self._taken and isinstance(error, UserError) else error

    def _workers(self) -> int:
        fitting = AHEAD_BYTES // max(1, self._bytes)
        return min(self._tuner.workers, max(1, fitting), len(self._requests) - self._position)

    def _start(self, workers: int) -> Iterator[Batch | Fault]:
        fitting = AHEAD_BYTES // max(1, self._bytes * workers)
        return iter(
            DataLoader(
                Requests(self._split, self._requests[self._position :]),
                batch_size=None,
                num_workers=workers,
                prefetch_factor=max(1, min(AHEAD_EACH, fitting)),
                multiprocessing_context="fork",
                pin_memory=self._pinned,
            )
        )

    def _retune(self, waited: float, step: float) -> None:
        said = self._tuner.after(waited, step)
        if said:
            _log.info("data: %s", said)
            self.close()
