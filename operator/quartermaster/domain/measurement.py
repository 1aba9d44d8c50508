"""What a run's first steps have shown: facts, as the process with rank 0 measured them."""

from dataclasses import dataclass
from enum import StrEnum

from quartermaster.domain.hardware import NumberFormat


class MemoryKind(StrEnum):
    """Of which memory a peak was measured."""

    DEVICE = "Device"
    PROCESS = "Process"


class CounterSource(StrEnum):
    """Who counted."""

    GPM = "GPM"
    """The trainer, by NVML's GPU performance monitoring, during the steps that it timed."""
    DCGM = "DCGM"
    """A DCGM exporter, over its last interval, whatever the process did meanwhile."""


class Busy(StrEnum):
    """What a GPU's counters say that it is mostly busy with."""

    COMPUTE = "Compute"
    MEMORY = "Memory"
    LINKS = "Links"
    IDLE = "Idle"


@dataclass(frozen=True, slots=True)
class DeviceCounters:
    """What the GPU itself counted; fractions are 0 to 1. What is not known is None.

    Source: NVIDIA DCGM user guide, feature overview, profiling metrics; NVIDIA NVML API reference,
    GPM enums. Read 2026-11-25.
    """

    source: CounterSource
    sm_active: float | None = None
    """Cycles in which a multiprocessor had at least one warp, over all of them."""
    engine_active: float | None = None
    """Time in which anything ran, however little of the GPU it used."""
    utilisation: float | None = None
    """The same, as NVML samples it."""
    tensor_active: float | None = None
    """Cycles in which the tensor cores were busy."""
    dram_active: float | None = None
    """Cycles in which the memory interface was busy."""
    nvlink_bytes_per_second: float | None = None
    """In the busier direction, headers included [byte/s]."""
    pcie_bytes_per_second: float | None = None
    """In the busier direction, headers included [byte/s]."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One step of one process. What is not known is None."""

    step_seconds: float
    """Above zero [s]."""
    data_wait_seconds: float | None = None
    """Until the samples are on the device [s]."""
    communication_seconds: float | None = None
    """Waiting for other processes while nothing is computed [s]."""
    checkpoint_stall_seconds: float | None = None
    """How long training stands still for one checkpoint [s]."""
    samples_per_second: float | None = None
    """Of all processes together [sample/s]."""
    flops: float | None = None
    """[FLOP]"""
    memory_traffic_bytes: float | None = None
    """Between memory and arithmetic, estimated from below [byte]."""
    synchronised_bytes: float | None = None
    """Sent for the gradients [byte]."""
    parameters: int | None = None
    """[count]"""
    peak_memory_bytes: int | None = None
    """The most that the process held [byte]."""
    memory_kind: MemoryKind | None = None
    processes: int | None = None
    """That trained together [count]."""
    precision: NumberFormat | None = None
    device: DeviceCounters | None = None
    """What its GPU counted meanwhile."""
