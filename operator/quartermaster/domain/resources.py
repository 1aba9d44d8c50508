"""What a node has and a worker needs."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class GpuResource(StrEnum):
    """What the makers' device plugins offer GPUs as."""

    NVIDIA = "nvidia.com/gpu"
    AMD = "amd.com/gpu"
    GAUDI = "habana.ai/gaudi"


@dataclass(frozen=True, slots=True)
class Resources:
    """An amount of CPU, memory, GPUs and pod places."""

    cpu_m: int = 0
    """[millicores]"""
    memory: int = 0
    """[bytes]"""
    gpus: int = 0
    """[count]"""
    pods: int = 0
    """[count]"""

    def __add__(self, other: Self) -> "Resources":
        return Resources(
            self.cpu_m + other.cpu_m,
            self.memory + other.memory,
            self.gpus + other.gpus,
            self.pods + other.pods,
        )

    def __sub__(self, other: Self) -> "Resources":
        return Resources(
            self.cpu_m - other.cpu_m,
            self.memory - other.memory,
            self.gpus - other.gpus,
            self.pods - other.pods,
        )

    def times_within(self, room: Self) -> int:
        """How many of this fit into `room` [count]; 0 where the room is overdrawn."""
        counts = [
            have // need
            for have, need in (
                (room.cpu_m, self.cpu_m),
                (room.memory, self.memory),
                (room.gpus, self.gpus),
                (room.pods, self.pods),
            )
            if need > 0
        ]
        return max(0, min(counts, default=0))


NOTHING = Resources()
