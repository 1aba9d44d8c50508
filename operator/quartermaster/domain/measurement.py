"""What a run's first steps have shown: facts, as the process with rank 0 measured them."""

from dataclasses import dataclass
from enum import StrEnum

from quartermaster.domain.hardware import NumberFormat


class MemoryKind(StrEnum):
    """Of which memory a peak was measured."""

    DEVICE = "Device"
    PROCESS = "Process"


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
