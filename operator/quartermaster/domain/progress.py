"""What rank 0 last said of its run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from quartermaster.domain.measurement import Measurement


@dataclass(frozen=True, slots=True)
class Report:
    """A progress report; totals, so the last one stands for all."""

    received: datetime
    state: str
    step: int = 0
    total_steps: int = 0
    epoch: int | None = None
    loss: float | None = None
    samples_per_second: float | None = None
    seconds_remaining: float | None = None
    stepping_seconds: float | None = None
    """Time since the first step of this life of the run, when this was told [s]."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    checkpoint_step: int | None = None
    checkpoint_time: datetime | None = None
    model: str | None = None
    """Path of the trained model below the run's directory."""
    measured: Measurement | None = None
    """What a step is made of."""
