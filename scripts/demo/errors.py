"""What can go wrong with the demonstration.

DemoError
└── StepError    one step failed: its words, its log, what to do
"""

from pathlib import Path


class DemoError(Exception):
    """Base of everything that is shown to the user in a line."""


class StepError(DemoError):
    """A step ended with a failure."""

    def __init__(self, title: str, words: str, log: Path, advice: str) -> None:
        super().__init__(f"{title} failed: {words}\n  log: {log}\n  what to do: {advice}")
