"""What is predicted of a job, and what came of it, between a status and the deciding code."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

from quartermaster.api.money.cost import Cost
from quartermaster.api.status.outcome import CauseStatus, OutcomeStatus, PredictionStatus
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import State, TrainingJobStatus
from quartermaster.decide import workers as facts
from quartermaster.decide.cost import accrual
from quartermaster.decide.cost.ledger.focus import decimal
from quartermaster.decide.cost.outcome import LONGEST_S, compare, steps_alone
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.outcome import Basis, Prediction, Run
from quartermaster.domain.money.stretch import MICROSECOND
from quartermaster.domain.profile import ProfileSource
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Worker
from quartermaster.reconcile.profile.step_costs import job_profile
from quartermaster.units import usd

RATE_DIGITS = 9
"""A price by the hour is a whole number of billionths [count]."""
RATIO_DIGITS = 3
LARGEST = 10**12
"""A ratio [1] or a price [USD/h] that is not below has no room in a decimal string of the API, and
no meaning."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass knows that a prediction is made from."""

    spec: TrainingJobSpec
    before: TrainingJobStatus
    """The status that is written."""
    workers: Sequence[Worker]
    wanted: int
    """Workers of the gang [count]."""
    report: Report | None
    earlier_steps: int | None
    """Steps of the earlier job that its profile comes from [count]."""
    now: datetime


def predicted(status: TrainingJobStatus, seen: Seen) -> PredictionStatus | None:
    """The job's prediction: once made it stays, but for the number of steps, which the run tells.

    Args:
        status: The new status, as far as it is known.
        seen: What it was made from.
    """
    made = seen.before.prediction
    if made is None:
        made = _at_placement(status, seen)
    if made is None:
        return _forecast(status, seen)
    total = seen.report.total_steps if seen.report is not None else 0
    return _with_steps(made, total) if made.steps is None and total else made


def _at_placement(status: TrainingJobStatus, seen: Seen) -> PredictionStatus | None:
    """At the first placement; None where nothing is known of a step, or it has begun before."""
    step = status.placement.predicted_step_seconds if status.placement is not None else None
    newest = {w.index: w for w in seen.workers}
    placed = [w for w in newest.values() if w.node and not w.gates and w.index < seen.wanted]
    if step is None or seen.before.start_time is not None or len(placed) < seen.wanted:
        return None
    # In the pass that sees its first report, the new profile is its own, and says nothing of then.
    known = next((p for p in (seen.before.profile, status.profile) if p and p.from_job), None)
    weighed = job_profile(seen.spec, known)
    if weighed is None:
        return None
    measured = weighed.source is ProfileSource.MEASURED
    rate = accrual.rate(placed)
    made = PredictionStatus(
        time=seen.now.replace(microsecond=0),
        basis=Basis.PROFILE if measured else Basis.STEP_COSTS,
        from_job=known.from_job if measured and known is not None else "",
        step_seconds=step,
        usd_per_hour=None if rate is None or rate >= LARGEST else decimal(rate, RATE_DIGITS),
    )
    return _with_steps(made, seen.earlier_steps) if seen.earlier_steps else made


def _with_steps(made: PredictionStatus, steps: int) -> PredictionStatus:
    rate = _fraction(made.usd_per_hour)
    seconds, cost = steps_alone(Fraction(made.step_seconds), steps, rate)
    told = {
        "steps": steps,
        "duration_seconds": None if seconds is None else round(seconds),
        "cost": None if cost is None else usd(cost),
    }
    return made.model_copy(update=told)


def _forecast(status: TrainingJobStatus, seen: Seen) -> PredictionStatus | None:
    """After its own first steps were measured; None before, and where no end is told."""
    profile, cost, goodput = status.own_profile, status.cost, status.goodput
    left = seen.report.seconds_remaining if seen.report is not None else None
    if profile is None or left is None or status.start_time is None:
        return None
    seconds = (seen.now - status.start_time).total_seconds() + left
    if status.completion_time is not None or seconds > LONGEST_S:
        return None
    return PredictionStatus(
        time=seen.now.replace(microsecond=0),
        basis=Basis.FORECAST,
        step_seconds=profile.step_seconds,
        steps=seen.report.total_steps or None if seen.report is not None else None,
        duration_seconds=max(0, round(seconds)),
        usd_per_hour=cost.rate_per_hour if cost is not None else None,
        cost=cost.forecast if cost is not None else None,
        lost_seconds=goodput.lost_seconds if goodput is not None else 0,
        held_seconds=max(0, _held(cost or Cost(), seen) // timedelta(seconds=1)),
    )


def _held(cost: Cost, seen: Seen) -> timedelta:
    """Pod time up to now: what is charged, and what the pods that are not charged yet show."""
    open_ones = [
        worker
        for worker in seen.workers
        if worker.uid not in cost.closing and (worker.accounted or not worker.settled)
    ]
    times = [(facts.released(w) or seen.now) - w.bound for w in open_ones if w.bound is not None]
    return sum(times, sum(cost.exact.microseconds.values()) * MICROSECOND)


def outcome(status: TrainingJobStatus, spec: TrainingJobSpec) -> OutcomeStatus | None:
    """What came of a job that is complete; None of any other, and without a prediction.

    Args:
        status: With all of its pods charged, as far as they are over.
        spec: The job's.
    """
    made, end = status.prediction, status.completion_time
    if made is None or end is None or status.start_time is None:
        return None
    if status.state is not State.COMPLETE:
        return None
    took = max(0, int((end - status.start_time).total_seconds()))
    cost, profile = status.cost or Cost(), status.own_profile
    elastic = spec.trainer.min_workers is not None
    run = Run(
        seconds=took,
        usd=_fraction(cost.total),
        step_seconds=None if profile is None else Fraction(profile.step_seconds),
        times={Part(name): us * MICROSECOND for name, us in cost.exact.microseconds.items()},
        workers=None if elastic else spec.trainer.workers,
    )
    told = Prediction(
        basis=made.basis,
        seconds=None if made.duration_seconds is None else Fraction(made.duration_seconds),
        usd=_fraction(made.cost),
        step_seconds=Fraction(made.step_seconds),
        lost=timedelta(seconds=made.lost_seconds),
        held=timedelta(seconds=made.held_seconds),
        after=int((made.time - status.start_time).total_seconds()),
    )
    found = compare(told, run)
    return OutcomeStatus(
        duration_seconds=took,
        cost=cost.total,
        step_seconds=None if profile is None else profile.step_seconds,
        duration_ratio=_ratio(found.duration),
        cost_ratio=_ratio(found.usd),
        step_ratio=_ratio(found.step),
        causes=[CauseStatus(cause=cause, seconds=seconds) for cause, seconds in found.causes],
    )


def _fraction(amount: str | None) -> Fraction | None:
    return None if amount is None else Fraction(amount)


def _ratio(ratio: Fraction | None) -> str | None:
    return None if ratio is None or ratio >= LARGEST else decimal(ratio, RATIO_DIGITS)
