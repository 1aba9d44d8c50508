"""Progress reports as they come from a worker: untrusted, so everything is checked and bounded."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from math import isfinite

from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Worker


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
        metrics={plain(k): v for k, raw in numbers if (v := _real(raw)) is not None},
        checkpoint_step=_count(point.get("step")),
        checkpoint_time=_time(point.get("time")),
        model=_path(model),
    )


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


def _positive(value: object) -> float | None:
    number = _real(value)
    return abs(number) if number is not None and 0 <= number < 1e9 else None  # -0.0 is 0


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
