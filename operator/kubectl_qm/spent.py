"""What a job's money went into, and what spot has saved, as its status tells it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from kubectl_qm.access.document import Document

PARTS = {
    "Useful": "useful",
    "Rework": "rework",
    "Recovery": "recovery",
    "Checkpoint": "checkpoints",
    "GangWait": "waiting for the gang",
    "Idle": "idle",
    "Other": "other",
}
"""In the order in which they are shown, and how they are called there."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Each amount is None where it is unknown, which is not zero."""

    parts: Mapping[str, Decimal] = field(default_factory=dict)
    """What it went into, those above zero."""
    lost: Decimal | None = None
    """Rework and recovery."""
    on_demand: Decimal | None = None
    """What the same work would have cost on demand, undisturbed."""
    saved: Decimal | None = None
    """By spot nodes, net of what their interruptions cost."""
    forecast: Decimal | None = None
    """At the end, at today's rate and pace."""


NOTHING_TOLD = Spent()


def spent(cost: Document) -> Spent:
    """Read from `status.cost`."""
    known = ((name, cost.decimal("parts", key)) for key, name in PARTS.items())
    return Spent(
        parts={name: amount for name, amount in known if amount},
        lost=cost.decimal("lostWork"),
        on_demand=cost.decimal("onDemandEquivalent"),
        saved=cost.decimal("netSpotSavings"),
        forecast=cost.decimal("forecast"),
    )
