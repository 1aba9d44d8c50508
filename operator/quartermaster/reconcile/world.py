"""What passes over jobs work with."""

from collections.abc import Mapping
from dataclasses import dataclass

from quartermaster.domain.decision import Decision
from quartermaster.reconcile.ports import (
    Clock,
    Counters,
    Funding,
    Ledger,
    Recorder,
    Reports,
    Spot,
    Telemetry,
    View,
    Writer,
)
from quartermaster.settings import Settings


@dataclass(frozen=True, slots=True)
class World:
    """What a pass works with."""

    view: View
    writer: Writer
    recorder: Recorder
    reports: Reports
    telemetry: Telemetry
    clock: Clock
    settings: Settings
    ledger: Ledger | None
    """Where what pods held is kept; None: nowhere but in the statuses."""
    decisions: Mapping[str, Decision]
    """The placement cycle's last answers by job uid."""
    counters: Counters
    funding: Funding
    spot: Spot
