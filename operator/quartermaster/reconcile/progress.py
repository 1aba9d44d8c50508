"""Progress reports as they come from a worker: untrusted, so everything is checked and bounded."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from math import isfinite
from typing import TypeVar

from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import CounterSource, DeviceCounters, Measurement, MemoryKind
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Worker

SHORTEST_STEP_S = 1e-6
"""A step that is said to be shorter was not measured [s]."""
MOST = 1e21
"""FLOPs or bytes of one step from here on are nobody's: the largest machines do 1e18 a second."""

Member = TypeVar("Member", bound=StrEnum)


def last_words(workers: Sequence[Worker], now: datetime) -> Report | None:
    """The report that a worker left when it was done: it is known even if nobody listened."""
    for worker in workers:
        if worker.exit is None or worker.exit.code != 0 or not worker.exit.message:
            continue
        try:
            note = json.loads(worker.exit.message)
        except ValueError:
            continue
        if isinstance(note, dict) and note.get("class") == "Done":
            return read_report(note.get("report"), worker.ended or now)
    return None


def read_report(body: object, received: datetime) -> Report | None:
    """A report from its JSON; None where it is not one. Numbers that are not finite are unknown."""
    if not isinstance(body, dict):
        return None
    checkpoint = body.get("checkpoint")
    point = checkpoint if isinstance(checkpoint, dict) else {}
    metrics = body.get("metrics")
    numbers = metrics.items() if isinstance(metrics, dict) else ()
    model = body.get("model")
    step, total = _count(body.get("step")), _count(body.get("totalSteps"))
    if step is None or body.get("schemaVersion") != 1:
        return None
    return Report(
        received=received,
        state=plain(body.get("state"))[:32],
        step=step,
        total_steps=total or 0,
        epoch=_count(body.get("epoch")),
        loss=_real(body.get("loss")),
        samples_per_second=_positive(body.get("samplesPerSecond")),
        seconds_remaining=_positive(body.get("secondsRemaining")),
        stepping_seconds=_positive(body.get("steppingSeconds")),
        metrics={plain(k): v for k, raw in numbers if (v := _real(raw)) is not None},
        checkpoint_step=_count(point.get("step")),
        checkpoint_time=_time(point.get("time")),
        model=_path(model),
        measured=_measurement(body.get("profile")),
    )


def _measurement(told: object) -> Measurement | None:
    """What a step is made of; None where not even its time is told."""
    if not isinstance(told, dict):
        return None
    step = _positive(told.get("stepSeconds"))
    if step is None or step < SHORTEST_STEP_S:
        return None
    return Measurement(
        step_seconds=step,
        data_wait_seconds=_positive(told.get("dataWaitSeconds")),
        communication_seconds=_positive(told.get("communicationSeconds")),
        checkpoint_stall_seconds=_positive(told.get("checkpointStallSeconds")),
        samples_per_second=_positive(told.get("samplesPerSecond")),
        flops=_positive(told.get("flops"), MOST),
        memory_traffic_bytes=_positive(told.get("memoryTrafficBytes"), MOST),
        synchronised_bytes=_positive(told.get("synchronisedBytes"), MOST),
        parameters=_count(told.get("parameters")),
        peak_memory_bytes=_count(told.get("peakMemoryBytes")),
        memory_kind=_member(MemoryKind, told.get("memoryKind")),
        processes=_count(told.get("processes")),
        precision=_member(NumberFormat, told.get("precision")),
        device=_counters(told),
    )


def _counters(told: Mapping[str, object]) -> DeviceCounters | None:
    """What the GPU counted; None where nothing of it is told."""
    counters = DeviceCounters(
        CounterSource.GPM,
        sm_active=_fraction(told.get("smActive")),
        tensor_active=_fraction(told.get("tensorActive")),
        dram_active=_fraction(told.get("dramActive")),
        nvlink_bytes_per_second=_positive(told.get("nvlinkBytesPerSecond"), MOST),
        pcie_bytes_per_second=_positive(told.get("pcieBytesPerSecond"), MOST),
    )
    return None if counters == DeviceCounters(CounterSource.GPM) else counters


def _fraction(value: object) -> float | None:
    number = _positive(value)
    return number if number is not None and number <= 1 else None


def _member(kind: type[Member], value: object) -> Member | None:
    return next((member for member in kind if member.value == value), None)


def plain(value: object) -> str:
    """Text that can be stored: half of a surrogate pair, which JSON can write, becomes `?`."""
    return "" if value is None else str(value).encode(errors="replace").decode()


def _count(value: object) -> int | None:
    ok = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53
    return value if ok and isinstance(value, int) else None


def _real(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def _positive(value: object, below: float = 1e9) -> float | None:
    number = _real(value)
    return abs(number) if number is not None and 0 <= number < below else None  # -0.0 is 0


def _time(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(value))
        return moment.astimezone(UTC) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _path(value: object) -> str | None:
    if not isinstance(value, str) or not value or ".." in value or len(value) > 256:
        return None
    return plain(value).lstrip("/")
