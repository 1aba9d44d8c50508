"""What a job with a deadline is decided from, and what is decided."""

from dataclasses import dataclass
from enum import StrEnum


class Move(StrEnum):
    """What a job runs on until it is decided again."""

    SPOT = "Spot"
    ON_DEMAND = "OnDemand"
    WAIT = "Wait"


@dataclass(frozen=True, slots=True)
class Terms:
    """What does not change while a job runs."""

    spot_usd_per_hour: float
    on_demand_usd_per_hour: float
    restart_s: float
    """From the start of a worker until it makes new steps [s]."""
    step_s: float
    """Longest time until it is decided again [s]."""
    holds: bool = False
    """Whether spot that is there at a decision stays until the next one.

    Recorded traces say so by the step. In a cluster it may go at any moment, with all that was done
    since the decision, so that the guarantee counts on nothing.
    """


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands when it is decided."""

    work_s: float
    """What is left to do after the last checkpoint [s of running]."""
    time_s: float
    """Until the deadline [s]."""
    running: Move = Move.WAIT
    """What it runs on; a job whose spot was taken back waits."""
    starting_s: float = 0.0
    """What its last start still needs until it makes steps [s]; 0 where it does not run."""
    spot: bool = False
    """Whether spot can be had now."""

    @property
    def slack_s(self) -> float:
        """Time that need not be worked in [s]; negative where the deadline is lost."""
        return self.time_s - self.work_s


@dataclass(frozen=True, slots=True)
class Choice:
    """What to run on, and why in one sentence."""

    move: Move
    reason: str
