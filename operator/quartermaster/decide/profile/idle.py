"""Whether a gang holds its GPUs and computes next to nothing, by what GPUs count."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from quartermaster.decide.profile.counters import busy
from quartermaster.domain.measurement import DeviceCounters
from quartermaster.domain.progress import Report

NEXT_TO_NOTHING = 0.05
"""Of the time; what is busier computes, if not well [1]."""
FRESH = timedelta(seconds=60)
"""A report that is older says nothing of now: a trainer tells every few seconds."""
ELSEWHERE = frozenset({"Starting", "Saving"})
"""States of a run whose time is a part of its own."""


def is_idle(
    counted: Iterable[DeviceCounters | None], report: Report | None, now: datetime
) -> bool | None:
    """Whether a gang's GPUs compute next to nothing at present; None where nobody knows.

    Exporters count all the time, so they go before what the trainer counted in the steps that it
    timed; that stands for as long as it reports.

    Args:
        counted: Of each worker, what an exporter tells; None where it tells nothing.
        report: The newest report of the run.
        now: The time.
    """
    if report is not None and report.state in ELSEWHERE:
        return False
    shares = [None if it is None else busy(it) for it in counted]
    known = [share for share in shares if share is not None]
    if shares and len(known) == len(shares):
        return sum(known) / len(known) < NEXT_TO_NOTHING
    measured = report.measured if report is not None else None
    if report is None or measured is None or measured.device is None:
        return None
    share = busy(measured.device)
    if share is None or now - report.received > FRESH:
        return None
    return share < NEXT_TO_NOTHING
