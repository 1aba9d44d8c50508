"""What a node has and a worker needs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self

Amounts = tuple[tuple[str, int], ...]
"""Amounts by the resource's name, sorted, none of them zero [count]."""


class GpuResource(StrEnum):
    """What the makers' device plugins offer GPUs as."""

    NVIDIA = "nvidia.com/gpu"
    AMD = "amd.com/gpu"
    GAUDI = "habana.ai/gaudi"


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of CPU, memory, GPUs, pod places, and parts of GPUs."""

    cpu_m: int = 0
    """[millicores]"""
    memory: int = 0
    """[bytes]"""
    gpus: int = 0
    """Whole ones [count]."""
    pods: int = 0
    """[count]"""
    parts: Amounts = ()
    """Parts of GPUs, by the extended resource that a pod asks for; absent is none [count]."""

    @property
    def devices(self) -> int:
        """GPUs and parts of GPUs, each counted as one [count]."""
        return self.gpus + sum(count for _, count in self.parts) if self.parts else self.gpus

    def __add__(self, other: Self) -> "Resources":
        return Resources(
            self.cpu_m + other.cpu_m,
            self.memory + other.memory,
            self.gpus + other.gpus,
            self.pods + other.pods,
            _added(self.parts, other.parts, 1),
        )

    def __sub__(self, other: Self) -> "Resources":
        return Resources(
            self.cpu_m - other.cpu_m,
            self.memory - other.memory,
            self.gpus - other.gpus,
            self.pods - other.pods,
            _added(self.parts, other.parts, -1),
        )

    def times(self, count: int) -> "Resources":
        """So many times this."""
        return Resources(
            self.cpu_m * count,
            self.memory * count,
            self.gpus * count,
            self.pods * count,
            tuple((name, amount * count) for name, amount in self.parts) if count else (),
        )

    def larger(self, other: Self) -> "Resources":
        """Of each amount the larger one."""
        mine, others = dict(self.parts), dict(other.parts)
        largest = {
            name: max(mine.get(name, 0), others.get(name, 0)) for name in mine.keys() | others
        }
        return Resources(
            max(self.cpu_m, other.cpu_m),
            max(self.memory, other.memory),
            max(self.gpus, other.gpus),
            max(self.pods, other.pods),
            amounts(largest),
        )

    def times_within(self, room: Self) -> int:
        """How many of this fit into `room` [count]; 0 where the room is overdrawn."""
        have_parts = dict(room.parts) if self.parts else {}
        counts = [
            have // need
            for have, need in (
                (room.cpu_m, self.cpu_m),
                (room.memory, self.memory),
                (room.gpus, self.gpus),
                (room.pods, self.pods),
                *((have_parts.get(name, 0), need) for name, need in self.parts),
            )
            if need > 0
        ]
        return max(0, min(counts, default=0))


def amounts(by_name: dict[str, int]) -> Amounts:
    """Amounts by name in their one form."""
    return tuple(sorted((name, count) for name, count in by_name.items() if count))


def _added(mine: Amounts, others: Amounts, sign: int) -> Amounts:
    if not others:
        return mine
    total = dict(mine)
    for name, count in others:
        total[name] = total.get(name, 0) + sign * count
    return amounts(total)


NOTHING = Resources()
