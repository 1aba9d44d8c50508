"""The only clock."""

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What other adapters need of it."""

    def now(self) -> datetime:
        """The time now, in UTC."""
        ...


class SystemClock:
    """Wall-clock time in UTC."""

    def now(self) -> datetime:
        """The time now."""
        return datetime.now(UTC)  # noqa: TID251 - this is the adapter that the rule sends you to
