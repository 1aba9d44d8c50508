"""The times in which a whole gang ran together: what its money went into is cut at them."""

from dataclasses import dataclass
from datetime import datetime, timedelta

NO_TIME = timedelta()
MICROSECOND = timedelta(microseconds=1)
"""What times are counted in where money depends on them."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From when the last member of a gang began until the first one ended without success."""

    together: datetime
    """When the last of its members began."""
    stepped: datetime | None = None
    """When the run first told of a step; None where it has not, or never does."""
    saved: datetime | None = None
    """When the newest state that outlives it was saved."""
    stalled: timedelta = NO_TIME
    """How long steps stood still for saves."""
    complete: bool = False
    """Whether that state holds the last step: the run saved because it was told to stop."""
    broken: datetime | None = None
    """When the first member ended without success; None while it runs, and after success."""
    idle: timedelta = NO_TIME
    """For how long its GPUs were seen to compute next to nothing; of a run that has told of a step,
    after that."""
    idle_saved: timedelta = NO_TIME
    """What of that lay before the newest save."""
    looked: datetime | None = None
    """Up to when that was entered; None where nobody counts."""

    @property
    def kept_until(self) -> datetime | None:
        """Up to when its steps count; None: all of them do, as far as is known."""
        if self.broken is None or self.stepped is None:
            return self.broken
        kept = self.stepped if self.saved is None else max(self.saved, self.stepped)
        return min(kept, self.broken)
