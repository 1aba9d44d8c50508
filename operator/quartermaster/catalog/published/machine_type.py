"""Instance types as clouds print them: memory in GiB, networks in Gbit/s."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from quartermaster.catalog.published.datasheet import GIB
from quartermaster.domain.hardware import InstanceType, Source

_GIGABIT = 1e9 / 8
"""[byte]"""


class Size(NamedTuple):
    """One size of a family."""

    name: str
    gpus: int
    """[count]"""
    vcpus: int
    """[count]"""
    memory_gib: int
    """[GiB]"""
    network_gbit_per_s: float | None
    """All network cards together, without bursts [Gbit/s]; None: not printed."""


@dataclass(frozen=True, slots=True)
class Family:
    """Sizes that differ in number only."""

    cloud: str
    accelerator: str
    """Name of its GPU model."""
    linked: bool
    """Whether the GPUs of a size that has more than one are joined by NVLink or its like."""
    source: Source
    sizes: tuple[Size, ...]

    def types(self) -> Iterator[InstanceType]:
        """Its instance types."""
        for size in self.sizes:
            network = size.network_gbit_per_s
            yield InstanceType(
                name=size.name,
                cloud=self.cloud,
                accelerator=self.accelerator,
                gpus=size.gpus,
                vcpus=size.vcpus,
                memory_bytes=size.memory_gib * GIB,
                network_bandwidth=None if network is None else network * _GIGABIT,
                linked=self.linked and size.gpus > 1,
                source=self.source,
            )
