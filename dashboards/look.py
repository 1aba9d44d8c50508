"""Colours that mean the same on every dashboard, and from where on a number is a worry."""

from collections.abc import Mapping

from grafana_foundation_sdk.models.dashboard import Threshold

Steps = tuple[tuple[float, str], ...]
"""From which value on which colour; below the first one it is green, unless that is for all."""

ALL = float("-inf")
"""The lowest step's value, for another colour than green."""
GOOD, DOUBTFUL, BAD = "green", "orange", "red"
_GREY = "#8F8F8F"
SERIES: Mapping[str, Mapping[str, str]] = {
    "kind": {"Job": "blue", "Service": "purple", "System": _GREY, "Idle": "orange"},
    "capacity_type": {"Spot": "green", "OnDemand": "blue", "Reserved": "purple", "Mixed": "yellow"},
    "part": {
        "Useful": "green",
        "Rework": "red",
        "Recovery": "purple",
        "Checkpoint": "yellow",
        "GangWait": "blue",
        "Idle": "orange",
        "Other": _GREY,
        "compute": "green",
        "communication": "purple",
        "data_wait": "orange",
    },
    "state": {
        "wanted": _GREY,
        "bound": "orange",
        "running": "green",
        "Running": "green",
        "Waiting": "orange",
        "Starting": "yellow",
        "Resizing": "purple",
        "Pending": _GREY,
        "Suspended": "blue",
        "Stalled": "red",
    },
}
"""Colour by label and value, of series that are told apart by that label alone."""

MUST_BE_ZERO: Steps = ((1e-9, BAD),)
WASTED_SHARE: Steps = ((0.2, DOUBTFUL), (0.4, BAD))
"""Shares of money that nobody used: clusters that nobody looks after waste far more."""
USEFUL_SHARE: Steps = ((ALL, BAD), (0.6, DOUBTFUL), (0.8, GOOD))
USED_SHARE: Steps = ((0.75, DOUBTFUL), (1.0, BAD))
"""Shares of a budget: where a Budget without thresholds of its own notifies, and where it is
spent."""
PAYS: Steps = ((ALL, BAD), (0.0, GOOD))
"""Red below zero."""


def thresholds(steps: Steps) -> list[Threshold]:
    """As Grafana has them; the lowest step has no value."""
    first, *others = steps if steps[0][0] == ALL else ((ALL, GOOD), *steps)
    lowest = Threshold(value=None, color=first[1])
    return [lowest, *(Threshold(value=value, color=colour) for value, colour in others)]
