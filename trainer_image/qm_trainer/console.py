"""What a person reads in `kubectl logs`: one line a fact, only from the rank that leads."""

import logging
import sys
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

SMOOTHING = 0.7
"""Weight of the past in the smoothed step time; higher is steadier and slower to notice [1]."""
KEPT_LINES = 20
"""Last lines that go into the termination message [count]."""


class Tail(logging.Handler):
    """Remembers the last lines."""

    def __init__(self, count: int = KEPT_LINES) -> None:
        super().__init__()
        self._lines: deque[str] = deque(maxlen=count)

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._lines.append(self.format(record))

    def text(self) -> str:
        """The lines, the oldest first."""
        return "\n".join(self._lines)


@dataclass
class Pace:
    """How fast steps go by, in windows that leave out what is not a step."""

    since: float
    """When the present window began [s]."""
    steps: int = 0
    samples: int = 0
    step_seconds: float | None = None
    """Smoothed [s/step]."""
    samples_per_second: float | None = None
    """Of the last window [sample/s]."""
    total_samples: int = 0
    total_seconds: float = 0.0

    def count(self, samples: int) -> None:
        """One more step is done."""
        self.steps += 1
        self.samples += samples

    def close(self, now: float) -> None:
        """End the present window and begin another."""
        elapsed = now - self.since
        if self.steps and elapsed > 0:
            fresh, past = elapsed / self.steps, self.step_seconds
            kept = SMOOTHING if past is not None else 0.0
            self.step_seconds = kept * (past or 0.0) + (1.0 - kept) * fresh
            self.samples_per_second = self.samples / elapsed
            self.total_samples += self.samples
            self.total_seconds += elapsed
        self.since, self.steps, self.samples = now, 0, 0

    def remaining(self, steps: int) -> float | None:
        """How long `steps` will take [s]; None before the first window has closed."""
        return None if self.step_seconds is None else steps * self.step_seconds


def set_up(rank: int = 0, size: int = 1) -> Tail:
    """Log to standard output; ranks other than 0 speak only of trouble, and say who they are."""
    prefix = f"[rank {rank}] " if size > 1 and rank else ""
    formatter = logging.Formatter(f"%(asctime)s {prefix}%(message)s", datefmt="%H:%M:%S")
    out, tail = logging.StreamHandler(sys.stdout), Tail()
    logger = logging.getLogger("qm_trainer")
    logger.handlers.clear()
    for handler in (out, tail):
        handler.setFormatter(formatter)
        logger.addHandler(handler)
    logger.setLevel(logging.INFO if rank == 0 else logging.WARNING)
    logger.propagate = False
    return tail


def tree_lines(tree: Mapping[str, Any], indent: str = "  ") -> list[str]:
    """The configuration, one line a value."""
    lines: list[str] = []
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{key}:", *tree_lines(value, indent + "  ")]
        else:
            lines.append(f"{indent}{key}: {_shown(value)}")
    return lines


def duration(seconds: float | None) -> str:
    """`1 h 02 min`, `3 min 05 s`, `12 s`; a dash for the unknown."""
    if seconds is None:
        return "-"
    whole = round(seconds)
    if whole >= 3600:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    if whole >= 60:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole} s"


def number(value: float | None) -> str:
    """Four digits that count."""
    return "-" if value is None else f"{value:.4g}"


def _shown(value: object) -> str:
    if value is None:
        return "chosen by the trainer"
    if isinstance(value, Mapping):
        return "-"
    return str(value)
