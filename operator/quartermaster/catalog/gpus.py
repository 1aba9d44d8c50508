"""GPU models with their dense peaks, memory and links.

A figure is here when the maker prints it and the silicon agrees: units times clock times operations
a clock, and bus width times rate, are within 2.5 % of it where both are known. The rest is unknown,
and `UNSETTLED` says why.
"""

from collections.abc import Mapping
from types import MappingProxyType

from quartermaster.catalog.published import (
    ada_to_blackwell,
    amd_intel,
    ampere,
    kepler_to_turing,
)
from quartermaster.domain.hardware import Accelerator

ACCELERATORS: tuple[Accelerator, ...] = (
    *kepler_to_turing.ROWS,
    *ampere.ROWS,
    *ada_to_blackwell.ROWS,
    *amd_intel.ROWS,
)
"""By maker, then age."""

UNSETTLED: Mapping[str, str] = MappingProxyType(
    {
        "Intel-Gaudi3": "no peak: Intel prints 1,835 TFLOP/s, which takes 1.75 GHz, and ships "
        "chips at 1.6 GHz, which make 1,678",
        "NVIDIA-H20": "no FP32, no FP64: 44 TFLOP/s are printed, 78 SMs at 1.98 GHz make 39.5; "
        "NVIDIA has no public datasheet",
        "NVIDIA-H800": "no FP64: how much of it is cut is not agreed on",
        "NVIDIA-H800-PCIe": "no FP64: how much of it is cut is not agreed on",
        "NVIDIA-GB200": "no bus: what one GPU has of the NVLink-C2C of its board is not printed",
        "NVIDIA-A16": "no bus: four GPUs share the sixteen lanes of a board",
        "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": "no tensor peaks: they are printed "
        "rounded to one digit, sparse or not left open",
    }
)
"""By GPU model: what is left unknown on purpose, and why."""

LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "B300, GB300": "tables of NVIDIA and of the clouds disagree on the dense FP4 peak and on "
        "the memory",
        "AMD MI250, MI250X": "a node counts each of the two dies; the links of one die are not "
        "printed",
        "NVIDIA T4G, M60, RTX PRO 4500, AMD V520, V620, V710": "no datasheet was at hand that "
        "the silicon could be held against",
    }
)
"""Models that are not here, and why."""
