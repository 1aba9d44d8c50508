"""How things look: few colours, one glyph a state, one bar."""

import re
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from kubectl_qm.views import Job
from quartermaster.units import duration

DIM = "dim"
STRONG = "bold"
GOOD = "green"
CARE = "yellow"
BAD = "red"

_TWO_UNITS = re.compile(r"(\d+[a-z])(\d\d)[a-z]")

NOTHING = "-"
"""In a cell that has nothing to say."""

_STATES = {
    "Pending": ("○", "o", CARE),
    "Waiting": ("○", "o", CARE),
    "Starting": ("◐", "~", CARE),
    "Running": ("●", "*", GOOD),
    "Resizing": ("◐", "~", CARE),
    "Suspended": ("‖", "=", DIM),
    "Stalled": ("▲", "!", BAD),
    "Complete": ("✓", "+", GOOD),
    "Failed": ("✗", "x", BAD),
}


@dataclass(frozen=True, slots=True)
class Look:
    """What the terminal can show."""

    width: int
    """Columns of text [count]."""
    plain: bool = False
    """True where only ASCII can be shown."""

    def state(self, state: str) -> Text:
        """A state with its glyph and colour; one that this version does not know stays plain."""
        glyph, plain, style = _STATES.get(state, ("·", ".", ""))
        return Text(f"{plain if self.plain else glyph} {state}", style=style)

    def bar(self, percentage: int, length: int, style: str = GOOD) -> Text:
        """A bar of `length` columns; half columns are shown where the terminal can."""
        halves = percentage * length * 2 // 100
        full, half = divmod(halves, 2)
        if self.plain:
            return Text("#" * full, style=style).append("." * (length - full), style=DIM)
        tip = "╸" if half else ""
        rest = "─" * (length - full - len(tip))
        return Text("━" * full + tip, style=style).append(rest, style=DIM)

    def dot(self) -> str:
        """Between the facts of one line."""
        return " - " if self.plain else " · "


def ago(moment: datetime | None, now: datetime) -> str:
    """How long ago, short; `-` where unknown. What is yet to come reads as 0s."""
    return span((now - moment).total_seconds()) if moment else NOTHING


def span(seconds: float) -> str:
    """A duration as short as it stays useful: `3m20s`, but `12m`, and `2h` rather than `2h00m`."""
    full = duration(seconds)
    found = _TWO_UNITS.fullmatch(full)
    if found is None:
        return full
    return found[1] if int(found[2]) == 0 or len(found[1]) > 2 else full


def remaining(job: Job, now: datetime) -> str:
    """Time to the end as it looks now; `-` when nothing is known or the job is over."""
    if job.progress is None or job.has_ended:
        return NOTHING
    if job.progress.estimated_completion_time is not None:
        left_s = (job.progress.estimated_completion_time - now).total_seconds()
        # An estimate that has passed says nothing about the end.
        return span(left_s) if left_s > 0 else NOTHING
    return job.progress.remaining or NOTHING


def state_style(state: str) -> str:
    """The colour of a state's bar."""
    return _STATES.get(state, ("", "", ""))[2]
