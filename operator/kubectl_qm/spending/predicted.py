"""What a job was predicted to take and to cost, and what came of it, as its status tells it."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from kubectl_qm.access.document import Document


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted first; None is unknown."""

    time: datetime | None
    basis: str
    """`Profile`, `StepCosts` or `Forecast`."""
    from_job: str
    step_seconds: Decimal | None
    steps: int | None
    duration_seconds: int | None
    cost: Decimal | None


@dataclass(frozen=True, slots=True)
class Cause:
    """Why it took longer."""

    cause: str
    seconds: int
    """Of one worker [s]."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it; ratios are by what was predicted, None where one of both is unknown."""

    duration_seconds: int
    cost: Decimal | None
    step_seconds: Decimal | None
    duration_ratio: Decimal | None
    cost_ratio: Decimal | None
    step_ratio: Decimal | None
    causes: tuple[Cause, ...]


def prediction(part: Document) -> Prediction | None:
    """Read from `status.prediction`."""
    if not part:
        return None
    seconds = "durationSeconds"
    return Prediction(
        time=part.moment("time"),
        basis=part.text("basis"),
        from_job=part.text("fromJob"),
        step_seconds=part.decimal("stepSeconds"),
        steps=part.number("steps") or None,
        duration_seconds=part.number(seconds) if part.has(seconds) else None,
        cost=part.decimal("cost"),
    )


def outcome(part: Document) -> Outcome | None:
    """Read from `status.outcome`."""
    if not part:
        return None
    return Outcome(
        duration_seconds=part.number("durationSeconds"),
        cost=part.decimal("cost"),
        step_seconds=part.decimal("stepSeconds"),
        duration_ratio=part.decimal("durationRatio"),
        cost_ratio=part.decimal("costRatio"),
        step_ratio=part.decimal("stepRatio"),
        causes=tuple(
            Cause(each.text("cause"), each.number("seconds")) for each in part.items("causes")
        ),
    )
