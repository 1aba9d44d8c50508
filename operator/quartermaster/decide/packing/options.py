"""Every way to put one more pod on a node, for all task classes at once."""

from dataclasses import dataclass

import numpy as np

from quartermaster.decide.packing.fleet import WHOLE, Integers, Room, States, TaskClasses


@dataclass(frozen=True, slots=True)
class Options:
    """S ways to put one pod on one node; a class may have several."""

    task_class: Integers
    """[S]"""
    device: Integers
    """[S], place of the GPU in the room; -1 where a class has but one way, see `tightest`."""
    after: States
    """What the node would have left."""


def options(classes: TaskClasses, room: Room) -> Options:
    """What fits: a share of one GPU may go to any device that has it, of equal ones the first.

    Pods of several devices, or of a whole one, take the fullest that do: for whole GPUs there is no
    difference, and several shares at once are too rare to look at each combination.
    """
    gpu = np.array(room.gpu, dtype=np.int64)
    fits = (classes.cpu <= room.cpu) & (classes.memory <= room.memory)
    fits &= (classes.gpus == 0) | ((classes.models & room.model) > 0)
    share = (classes.gpus == 1) & (classes.milli < WHOLE)
    shared, device, shared_gpu = _shares(np.flatnonzero(fits & share), classes, gpu)
    other, other_gpu = _tightest(np.flatnonzero(fits & ~share), classes, gpu)
    index = np.concatenate([shared, other])
    after = States(
        room.cpu - classes.cpu[index],
        room.memory - classes.memory[index],
        np.concatenate([shared_gpu, other_gpu]),
        room.model,
    )
    return Options(index, np.concatenate([device, np.full(len(other), -1)]), after)


def tightest(room: Room, gpus: int, milli: int) -> tuple[int, ...]:
    """The fullest devices of a room that have `milli` left each [milli-GPU], by place."""
    return tuple(place for place, free in enumerate(room.gpu) if free >= milli)[:gpus]


def _shares(
    index: Integers, classes: TaskClasses, gpu: Integers
) -> tuple[Integers, Integers, Integers]:
    distinct = np.ones(len(gpu), dtype=bool)
    distinct[1:] = gpu[1:] != gpu[:-1]
    row, device = np.nonzero((gpu >= classes.milli[index, np.newaxis]) & distinct)
    after = np.repeat(gpu[np.newaxis], len(row), axis=0)
    after[np.arange(len(row)), device] -= classes.milli[index[row]]
    return index[row], device, after


def _tightest(index: Integers, classes: TaskClasses, gpu: Integers) -> tuple[Integers, Integers]:
    milli = classes.milli[index, np.newaxis]
    fits = gpu >= milli
    index_has = fits.sum(axis=1) >= classes.gpus[index]
    index, fits, milli = index[index_has], fits[index_has], milli[index_has]
    taken = fits & (np.cumsum(fits, axis=1) <= classes.gpus[index, np.newaxis])
    return index, gpu - taken * milli
