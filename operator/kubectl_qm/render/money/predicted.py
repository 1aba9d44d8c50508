"""Prediction against outcome, in a few lines of a job's page."""

from collections.abc import Iterable
from decimal import Decimal

from kubectl_qm import money
from kubectl_qm.render.look import span
from kubectl_qm.spending.predicted import Outcome, Prediction

CAUSES = {
    "Interruptions": "lost to interruptions",
    "Waiting": "waiting for places or members",
    "Starting": "starting",
    "Saving": "standing still for checkpoints",
    "Idle": "idle",
    "Steps": "in longer steps, and between them",
}
"""How causes read; one that this version does not know stays as it is."""
BASES = {
    "Profile": "as in job ",
    "StepCosts": "by spec.stepCosts",
    "Forecast": "by its own first steps: nothing was known of them when it was placed",
}
"""How it reads from what it was predicted."""
MOST_CAUSES = 3
"""In a line [count]; the document has all."""


def prediction_lines(made: Prediction, came: Outcome | None, currency: str) -> Iterable[str]:
    """What was predicted and what came of it, what the step took, and why it took longer.

    Args:
        made: The prediction.
        came: The outcome; None while the job is not complete.
        currency: Of costs.
    """
    yield _totals(made, came, currency)
    yield _step(made, came)
    if came is not None and came.causes and made.duration_seconds is not None:
        causes = ", ".join(
            f"{span(each.seconds)} {CAUSES.get(each.cause, each.cause)}"
            for each in came.causes[:MOST_CAUSES]
        )
        yield f"{span(came.duration_seconds - made.duration_seconds)} longer: {causes}"


def _totals(made: Prediction, came: Outcome | None, currency: str) -> str:
    seconds = made.duration_seconds
    text = "predicted no end" if seconds is None else f"predicted {span(seconds)}"
    text += f", {money.amount(made.cost)} {currency}" if made.cost is not None else ""
    if came is None:
        return text
    text += f"; took {span(came.duration_seconds)}{_percent(came.duration_ratio)}"
    if came.cost is not None:
        text += f", {money.amount(came.cost)} {currency}{_percent(came.cost_ratio)}"
    return text


def _step(made: Prediction, came: Outcome | None) -> str:
    parts = [
        f"a step {made.step_seconds:f} s" if made.step_seconds is not None else "",
        f"{made.steps} of them" if made.steps else "",
        BASES.get(made.basis, "") + made.from_job,
    ]
    text = ", ".join(part for part in parts if part)
    if came is not None and came.step_seconds is not None:
        text += f"; measured {came.step_seconds:f} s{_percent(came.step_ratio)}"
    return text


def _percent(ratio: Decimal | None) -> str:
    return "" if ratio is None else f" ({round(100 * (ratio - 1)):+d} %)"
