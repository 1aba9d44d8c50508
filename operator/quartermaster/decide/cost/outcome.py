"""Prediction against outcome: what a job was predicted to take and to cost, and what came of it."""

from datetime import timedelta
from fractions import Fraction

from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.outcome import Basis, Cause, Comparison, Prediction, Run
from quartermaster.domain.money.stretch import MICROSECOND

LONGEST_S = 10**9
"""A prediction of more is none: no job runs for 30 years [s]."""
LEAST_SHARE = Fraction(1, 10)
"""Of the time that it took longer: what is less explains nothing."""


def steps_alone(
    step_seconds: Fraction, steps: int | None, usd_per_hour: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """What so many steps take [s] and cost [USD]; None where unknown, or beyond all measure.

    Args:
        step_seconds: One step [s].
        steps: [count]
        usd_per_hour: Of all places together [USD/h].
    """
    seconds = None if steps is None else step_seconds * steps
    if seconds is None or seconds > LONGEST_S:
        return None, None
    return seconds, None if usd_per_hour is None else usd_per_hour * seconds / 3600


def compare(predicted: Prediction, run: Run) -> Comparison:
    """What came of a job, beside what was predicted."""
    return Comparison(
        duration=_ratio(Fraction(run.seconds), predicted.seconds),
        usd=_ratio(run.usd, predicted.usd),
        step=_ratio(run.step_seconds, predicted.step_seconds),
        causes=_causes(predicted, run),
    )


def _ratio(came: Fraction | None, predicted: Fraction | None) -> Fraction | None:
    return None if came is None or not predicted else came / predicted


def _causes(predicted: Prediction, run: Run) -> tuple[tuple[Cause, int], ...]:
    if predicted.seconds is None or not run.workers:
        return ()
    longer = run.seconds - predicted.seconds
    each = {part: _of_one(time, run.workers) for part, time in run.times.items()}
    lost = sum((each.get(part, Fraction(0)) for part in NOT_NEEDED_ON_DEMAND), Fraction(0))
    held = sum(each.values(), Fraction(0))
    found = {Cause.INTERRUPTIONS: lost - _of_one(predicted.lost, run.workers)}
    # A forecast has most of the others in it: how much, nobody can tell afterwards.
    if predicted.basis is Basis.FORECAST:
        held -= _of_one(predicted.held, run.workers)
        found |= {Cause.WAITING: run.seconds - predicted.after - held}
    else:
        away = max(Fraction(0), run.seconds - held)
        found |= {
            Cause.WAITING: away + each.get(Part.GANG_WAIT, Fraction(0)),
            Cause.STARTING: each.get(Part.OTHER, Fraction(0)),
            Cause.SAVING: each.get(Part.CHECKPOINT, Fraction(0)),
            Cause.IDLE: each.get(Part.IDLE, Fraction(0)),
            Cause.STEPS: each.get(Part.USEFUL, Fraction(0)) - predicted.seconds,
        }
    telling = [
        (cause, round(seconds))
        for cause, seconds in found.items()
        if longer > 0 and seconds >= longer * LEAST_SHARE and round(seconds) > 0
    ]
    return tuple(sorted(telling, key=lambda it: -it[1]))


def _of_one(time: timedelta, workers: int) -> Fraction:
    """Pod time of all as time of one worker [s]."""
    return Fraction(time // MICROSECOND, 10**6 * workers)
