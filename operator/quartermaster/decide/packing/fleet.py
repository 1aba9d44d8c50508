"""What pods ask for and what nodes have left, in arrays.

Shapes: C task classes, N nodes, G devices of the largest node, S states of a node.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

WHOLE = 1000
"""A whole GPU [milli-GPU]."""
ABSENT = -1
"""Fills the row of a node that has fewer devices than the largest."""
ANY_MODEL = -1
"""All bits set: a class that runs on every GPU model."""


@dataclass(frozen=True, slots=True)
class TaskClasses:
    """Pods that ask for the same are one class; a row each."""

    cpu: Integers
    """[C], [milli-CPU]"""
    memory: Integers
    """[C], [MiB]"""
    gpus: Integers
    """[C], devices [count]; 0 for a pod without GPUs."""
    milli: Integers
    """[C], of each device [milli-GPU]: 1000 is a whole one; 0 for a pod without GPUs."""
    models: Integers
    """[C], GPU models that it may use, a bit each; `ANY_MODEL` for all of them."""

    def __post_init__(self) -> None:
        """Raise `ValueError` where a request is none."""
        if np.any((self.milli < 0) | (self.milli > WHOLE)):
            raise ValueError(f"milli: a share of one GPU is 0 to {WHOLE}")
        if np.any((self.gpus > 0) != (self.milli > 0)):
            raise ValueError("gpus, milli: both are 0, or none is")
        if np.any((self.cpu < 0) | (self.memory < 0)):
            raise ValueError("cpu, memory: a request is not negative")

    def __len__(self) -> int:
        return len(self.cpu)

    @property
    def demand(self) -> Integers:
        """[C], GPU asked for in all [milli-GPU]."""
        demand: Integers = self.gpus * self.milli
        return demand

    def at(self, index: Integers) -> "TaskClasses":
        """Some of the classes, in the order of `index`."""
        return TaskClasses(
            self.cpu[index],
            self.memory[index],
            self.gpus[index],
            self.milli[index],
            self.models[index],
        )


@dataclass(frozen=True, slots=True)
class States:
    """What a node of one GPU model has left, in each of S cases."""

    cpu: Integers
    """[S], [milli-CPU]"""
    memory: Integers
    """[S], [MiB]"""
    gpu: Integers
    """[S, devices], [milli-GPU]"""
    model: int
    """The one bit of its GPU model; 0 without GPUs."""

    @property
    def idle(self) -> Integers:
        """[S], GPU left in all [milli-GPU]."""
        idle: Integers = self.gpu.sum(axis=1)
        return idle


class Room(NamedTuple):
    """What one node has left, without its name: nodes of equal rooms are equal to a scorer."""

    cpu: int
    """[milli-CPU]"""
    memory: int
    """[MiB]"""
    gpu: tuple[int, ...]
    """Each device's, the fullest first [milli-GPU]."""
    model: int
    """The one bit of its GPU model; 0 without GPUs."""

    @property
    def state(self) -> States:
        """As the one state of a batch."""
        gpu = np.array([self.gpu], dtype=np.int64).reshape(1, len(self.gpu))
        return States(np.array([self.cpu]), np.array([self.memory]), gpu, self.model)


@dataclass(frozen=True, slots=True)
class Placement:
    """A pod on a node."""

    node: int
    """Row of the fleet."""
    task_class: int
    """Row of the task classes."""
    devices: tuple[int, ...]
    """Its GPUs, by their number on the node."""


@dataclass(frozen=True, slots=True)
class Fleet:
    """What every node has left. The rows' order is what decides between equals.

    The arrays are changed in place by `take` and `give_back`, and by nothing else.
    """

    cpu: Integers
    """[N], [milli-CPU]"""
    memory: Integers
    """[N], [MiB]"""
    gpu: Integers
    """[N, G], each device's [milli-GPU]; `ABSENT` where the node has no such device."""
    model: Integers
    """[N], the one bit of the node's GPU model; 0 without GPUs."""

    def __len__(self) -> int:
        return len(self.cpu)

    @property
    def idle(self) -> int:
        """GPU left in all [milli-GPU]."""
        return int(self.gpu.clip(min=0).sum())

    def copy(self) -> "Fleet":
        """A fleet of its own with the same contents."""
        return Fleet(self.cpu.copy(), self.memory.copy(), self.gpu.copy(), self.model.copy())

    def reordered(self, order: Integers) -> "Fleet":
        """The same nodes in another order."""
        return Fleet(self.cpu[order], self.memory[order], self.gpu[order], self.model[order])

    def devices(self, node: int) -> Integers:
        """The node's devices, the fullest first, then by number."""
        order = np.argsort(self.gpu[node], kind="stable")
        return order[np.count_nonzero(self.gpu[node] == ABSENT) :]

    def room(self, node: int) -> Room:
        """What one node has left."""
        return Room(
            int(self.cpu[node]),
            int(self.memory[node]),
            tuple(self.gpu[node, self.devices(node)].tolist()),
            int(self.model[node]),
        )

    def take(self, placement: Placement, classes: TaskClasses) -> None:
        """Book a pod.

        Raises:
            ValueError: The node has not got what the pod asks for; nothing is booked then.
        """
        node, row, devices = placement.node, placement.task_class, list(placement.devices)
        short = (
            self.cpu[node] < classes.cpu[row]
            or self.memory[node] < classes.memory[row]
            or len(set(devices)) != classes.gpus[row]
            or np.any(self.gpu[node, devices] < classes.milli[row])
            or not (classes.gpus[row] == 0 or self.model[node] & classes.models[row])
        )
        if short:
            raise ValueError(f"node {node} has no room for a pod of class {row}")
        self._move(placement, classes, -1)

    def give_back(self, placement: Placement, classes: TaskClasses) -> None:
        """Undo `take`."""
        self._move(placement, classes, 1)

    def _move(self, placement: Placement, classes: TaskClasses, sign: int) -> None:
        node, row = placement.node, placement.task_class
        self.cpu[node] += sign * classes.cpu[row]
        self.memory[node] += sign * classes.memory[row]
        self.gpu[node, list(placement.devices)] += sign * classes.milli[row]
