"""What is simulated: jobs that come at a time and have so much to do, and what stopping costs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from quartermaster.domain.decision import Placed
from quartermaster.domain.workload import Gang

ORIGIN = datetime(2000, 1, 1, tzinfo=UTC)
"""When simulated time begins; nothing depends on the day."""
_MICROSECONDS_PER_HOUR = 3_600_000_000


def moment(seconds: float) -> datetime:
    """A simulated time as a date."""
    return ORIGIN + timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True)
class Submission:
    """A job of a trace."""

    gang: Gang
    """As it will ask for its place; its runtime is its deadline."""
    submit_s: float
    """When it comes [s]."""
    duration_s: float
    """What it takes, start to end, where its speed is not known [s]."""
    steps: float | None = None
    """Training steps [count]; with them, a place whose step time is known takes as long as those
    take there."""

    def whole_s(self, placed: Placed) -> float:
        """What the job takes from its first step to its last on these places [s]."""
        each = placed.predicted_step_seconds
        return self.duration_s if self.steps is None or each is None else self.steps * each


@dataclass(frozen=True, slots=True)
class Terms:
    """What stopping and starting take, and what the operator knows."""

    stop_s: float = 30.0
    """A job that is stopped holds its places for this long, to save [s]: the workers' grace."""
    restart_s: float = 0.0
    """A job that was stopped does nothing for this long when it has a place again [s]."""
    checkpoint_s: float = 600.0
    """Time between checkpoints [s]: by the last one it is judged who loses least."""
    claim_s: float = 180.0
    """A stopped job waits for the one that it made room for at most this long [s]."""
    half_life_s: float = 86_400.0
    """What a queue used this long ago counts half in its share [s]; 0 counts only what runs."""
    ends_known: bool = True
    """Whether running jobs report when they will end; else only deadlines are known."""


@dataclass(frozen=True, slots=True)
class Stay:
    """One stretch of a job on its places."""

    placed: Placed
    start_s: float
    """[s]"""
    end_s: float
    """When the places were free again [s]."""
    gpus: int
    """[count]"""
    worked_s: float
    """Of it, what was work that is kept [s]."""

    @property
    def usd(self) -> Fraction | None:
        """What the places cost [USD], exact; None where a price is unknown."""
        total = Fraction(0)
        for one in self.placed.assignments:
            if one.usd_per_hour is None:
                return None
            total += one.usd_per_hour
        held = Fraction(round((self.end_s - self.start_s) * 1e6), _MICROSECONDS_PER_HOUR)
        return total * held
