"""From the units that datasheets print to those that the core counts.

Datasheets count memory in GB and mean 2^30 bytes: DRAM comes in powers of two. They print links in
both directions together, and many print tensor cores with 2:4 sparsity, which is twice the dense
peak. The functions here take what is printed, so that a row can be held against its source.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

from quartermaster.domain.hardware import Accelerator, NumberFormat, Source

GIB = 2**30
"""[byte]"""
READ = date(2026, 11, 24)
"""When the figures were last held against a published copy, or against pages that quote it."""
_GIGA = 1e9
_TERA = 1e12


@dataclass(frozen=True, slots=True)
class Chip:
    """The peak of one piece of silicon, which several products may share."""

    peak_flops: Mapping[NumberFormat, float]
    """[FLOP/s]"""
    halved: frozenset[NumberFormat] = frozenset()

    def with_sparsity(self, **tera: float) -> "Chip":
        """The same chip with peaks that are printed with 2:4 sparsity only [TFLOP/s]."""
        halves = _peaks({name: printed / 2 for name, printed in tera.items()})
        return Chip(MappingProxyType({**self.peak_flops, **halves}), self.halved | halves.keys())


class Memory(NamedTuple):
    """Memory as printed."""

    gb: int
    """What the datasheet calls GB [2^30 byte]."""
    gb_per_s: float
    """[10^9 byte/s]"""


def chip(**tera: float) -> Chip:
    """A chip by its dense peaks [TFLOP/s]."""
    return Chip(MappingProxyType(_peaks(tera)))


def _peaks(tera: Mapping[str, float]) -> dict[NumberFormat, float]:
    return {NumberFormat(name): printed * _TERA for name, printed in tera.items()}


def one_way(gb_per_s: float) -> float:
    """One direction of a link that is printed with both together [byte/s]."""
    return gb_per_s * _GIGA / 2


def pcie(generation: int) -> float:
    """One direction of sixteen lanes [byte/s].

    Source: PCI Express base specification: 8 GT/s a lane in generation 3, twice that in each
    later one, and 128 of 130 bits are data.
    """
    return 16 * 8e9 * (1 << (generation - 3)) * 128 / 130 / 8


def row(
    name: str, silicon: Chip, memory: Memory, *, link: float | None, bus: float | None, title: str
) -> Accelerator:
    """One GPU model, from what its datasheet prints."""
    return Accelerator(
        name=name,
        peak_flops=silicon.peak_flops,
        memory_bytes=memory.gb * GIB,
        memory_bandwidth=memory.gb_per_s * _GIGA,
        link_bandwidth=link,
        bus_bandwidth=bus,
        source=Source(title, READ),
        halved=silicon.halved,
    )
