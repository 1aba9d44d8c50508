"""What a job was predicted to take and to cost, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction

from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.stretch import NO_TIME


class Basis(StrEnum):
    """From what it was predicted."""

    PROFILE = "Profile"
    """The measured steps of an earlier job of equal steps."""
    STEP_COSTS = "StepCosts"
    """`spec.stepCosts`."""
    FORECAST = "Forecast"
    """Its own first steps: nothing was known of them at its first placement."""


class Cause(StrEnum):
    """What makes a job take longer than its steps were predicted to take."""

    INTERRUPTIONS = "Interruptions"
    """Rework and recovery."""
    WAITING = "Waiting"
    """Without places, or for members of the gang."""
    STARTING = "Starting"
    """Up to the first step; all of it where the run tells of no step."""
    SAVING = "Saving"
    """Steps that stood still for checkpoints."""
    IDLE = "Idle"
    """GPUs that computed next to nothing."""
    STEPS = "Steps"
    """Steps that took longer, or were more, and what lies between them: evaluation."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What was predicted. None is unknown."""

    basis: Basis
    seconds: Fraction | None
    """From the start to the end [s]; at a placement the steps alone."""
    usd: Fraction | None
    """At the end [USD]."""
    step_seconds: Fraction
    """One step [s]."""
    lost: timedelta = NO_TIME
    """Pod time that was lost before it, and that it knew of."""
    held: timedelta = NO_TIME
    """Pod time in all before it. Of a forecast, as the next one."""
    after: int = 0
    """From the first worker's start to when it was made [s]."""


@dataclass(frozen=True, slots=True)
class Run:
    """A job that is complete. None is unknown."""

    seconds: int
    """From the first worker's start to the end [s]."""
    usd: Fraction | None
    """[USD]"""
    step_seconds: Fraction | None
    """One step as it was measured [s]."""
    times: Mapping[Part, timedelta] = field(default_factory=dict)
    """Pod time by what it went into."""
    workers: int | None = None
    """Of its gang [count]; None where that changed: then times of one worker mean nothing."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Outcome by prediction [1]; None where one of them is unknown."""

    duration: Fraction | None
    usd: Fraction | None
    step: Fraction | None
    causes: tuple[tuple[Cause, int], ...] = ()
    """Why it took longer, and how much of one worker's time each was [s], the most first."""
