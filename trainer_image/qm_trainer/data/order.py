"""In which order samples are seen, by which process: a function of seed, epoch and cursor.

Nothing here is a stream with a hidden state: give the cursor and the rest follows. So a run resumes
in the middle of an epoch, with any number of processes, and no sample is lost or seen twice.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a run is."""

    step: int = 0
    """Optimizer steps done [count]."""
    epoch: int = 0
    """Epochs done [count]."""
    consumed: int = 0
    """Samples of the present epoch that all processes together have trained on [sample]."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a whole run amounts to."""

    samples: int
    """In the data set [sample]."""
    batch: int
    """One step of one process [sample]."""
    world: int
    """Processes [count]."""
    epochs: int
    seed: int

    @property
    def global_batch(self) -> int:
        """One step of all processes [sample]."""
        return self.batch * self.world

    def total_steps(self, cursor: Cursor) -> int:
        """Steps of the whole run: those done, and those still to do at the present world size."""
        if cursor.epoch >= self.epochs:
            return cursor.step
        rest = _steps(self.samples - cursor.consumed, self.global_batch)
        later = self.epochs - cursor.epoch - 1
        return cursor.step + rest + later * _steps(self.samples, self.global_batch)


@dataclass(frozen=True, slots=True)
class Share:
    """One process's part of one step."""

    indices: NDArray[np.int64]
    """Of samples in the data set; one stand-in where this process has none."""
    own: int
    """How many of them count: 0 for a stand-in [sample]."""
    total: int
    """In the step, over all processes [sample]."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of a share, computed at once."""

    begin: int
    end: int
    """Of the share's samples, one stand-in where it has none [sample]."""
    own: int
    """How many of them count [sample]."""


def slices(share: Share, count: int) -> list[Slice]:
    """A share in `count` parts, as even as can be; every process has as many."""
    cuts = [share.own * part // count for part in range(count + 1)]
    return [
        Slice(begin, end, end - begin) if end > begin else Slice(0, 1, 0)
        for begin, end in itertools.pairwise(cuts)
    ]


def permutation(samples: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The order of one epoch."""
    return np.random.default_rng([seed, epoch]).permutation(samples)


def shares(plan: Plan, cursor: Cursor, rank: int) -> Iterator[Share]:
    """What `rank` trains on, step by step, from `cursor` to the end of its epoch.

    The last step of an epoch may be smaller; it is split as evenly as can be, and every sample
    counts once. A process left without a sample gets a stand-in, since it must still take part in
    the step.
    """
    order = permutation(plan.samples, plan.seed, cursor.epoch)
    for start in range(cursor.consumed, plan.samples, plan.global_batch):
        total = min(plan.global_batch, plan.samples - start)
        begin, end = start + total * rank // plan.world, start + total * (rank + 1) // plan.world
        own = order[begin:end]
        yield Share(own if len(own) else order[start : start + 1], len(own), total)


def batches(samples: int, batch: int, world: int, rank: int) -> Iterator[range]:
    """`rank`'s part of data that is only read, batch by batch: evaluation.

    Every process gets as many batches; the last ones may be empty.
    """
    mine = range(samples * rank // world, samples * (rank + 1) // world)
    most = -(-samples // world)
    for start in range(0, most, batch):
        yield mine[start : start + batch]


def chance(seed: int, step: int, rank: int) -> int:
    """The seed of all chance in one step of one process: dropout, augmentation [0, 2^32).

    It depends on the step alone, so nothing is saved: a resumed run draws what the first one did.

    Source: Steele et al. 2014, "Fast splittable pseudorandom number generators", figure 5 (mix64).
    """
    mask = (1 << 64) - 1
    value = (seed * 0x9E3779B97F4A7C15 + (step << 20) + rank + 1) & mask
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & mask
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & mask
    return (value ^ (value >> 31)) & 0xFFFFFFFF


def _steps(samples: int, global_batch: int) -> int:
    return -(-samples // global_batch)
