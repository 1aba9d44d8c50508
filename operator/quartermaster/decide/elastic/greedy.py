"""A good choice fast: always the step that adds the most value for what it takes.

What answers when the programme does not within its limits. As long as any job can be given a first
or a better option within the room that is left, the one with the most value a GPU is taken (by
worker, so does Optimus: Peng et al., EuroSys 2018). It never takes back, so it may end below the
best; it never goes beyond the room.
"""

import numpy as np
from numpy.typing import NDArray

from quartermaster.decide.elastic.programme import Options
from quartermaster.decide.elastic.throughput import Vector


def choose(options: Options) -> list[int]:
    """The chosen columns, ascending."""
    held = np.full(options.jobs, -1, dtype=np.intp)
    left = options.capacity
    while (step := _best_step(options, held, left)) is not None:
        job = options.job[step]
        if held[job] >= 0:
            left = left + options.usage[:, held[job]]
        left = left - options.usage[:, step]
        held[job] = step
    return sorted(int(column) for column in held if column >= 0)


def _best_step(options: Options, held: NDArray[np.intp], left: Vector) -> int | None:
    """The column to go to next; None when nothing that fits adds value."""
    if not len(options.job):
        return None
    before = held[options.job]
    has = before >= 0
    value = options.value - np.where(has, options.value[before], 0.0)
    usage = options.usage - np.where(has, options.usage[:, before], 0.0)
    possible = (value > 1e-12) & (usage <= left[:, None] + 1e-9).all(axis=0)
    if not possible.any():
        return None
    # A step that takes nothing more and is worth more comes before all others.
    taken = np.maximum(usage.max(axis=0), 1e-3)
    return int(np.argmax(np.where(possible, value / taken, -np.inf)))
