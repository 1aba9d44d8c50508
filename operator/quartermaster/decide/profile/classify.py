"""What bounds a step, and how much a job would lose by lying apart."""

from quartermaster.domain.profile import Bound, StepTime

SENSITIVE = 0.7
"""A job that keeps less of its speed than this when spread wants to be packed: below it, three of
ten hours of its GPUs are spent waiting for the network."""


INDIFFERENCE = 0.05
"""Predictions that differ by less than this are not told apart: measured steps scatter by more."""


def classify(step: StepTime) -> Bound:
    """The part that takes the longest; at a tie the one that is named first in Bound."""
    parts = step.parts()
    return max(parts, key=lambda bound: parts[bound])


def shares(step: StepTime) -> dict[Bound, float]:
    """The share of each part in the step, 0 to 1. Parts overlap, so they may add up to more."""
    return {
        bound: min(1.0, seconds / step.total) if step.total > 0 else 0.0
        for bound, seconds in step.parts().items()
    }


def kept(packed: StepTime, spread: StepTime) -> float:
    """The share of its packed speed that a job keeps when spread; above 1 where it gains."""
    return packed.total / spread.total


def wants_packing(packed: StepTime, spread: StepTime) -> bool:
    """Whether the place decides how fast the job is."""
    return kept(packed, spread) < SENSITIVE
