"""What jobs have spent in a period, counted job by job so that nothing counts twice.

A job tells what it has cost in all. Of that a sheet keeps what was seen last and what of it counts:
the next look adds the difference. When a job is gone, what counted of it is carried on in one sum.
A look that is repeated, after a crash for example, adds nothing.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from fractions import Fraction

NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Tally:
    """One job."""

    counted: Fraction
    """Of its cost, what counts for the period [USD]."""
    total: Fraction
    """What it had cost in all when it was looked at last [USD]."""
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """All jobs of one budget in one period."""

    start: datetime
    """When the period began."""
    carried: Fraction = NOTHING
    """What those that are gone have spent [USD]."""
    jobs: Mapping[str, Tally] = field(default_factory=dict)
    """Those that are there, by uid."""

    @property
    def spent(self) -> Fraction:
        """In the period so far [USD], exact."""
        return self.carried + sum((one.counted for one in self.jobs.values()), NOTHING)


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at a job has found."""

    uid: str
    total: Fraction
    """What it has cost in all [USD]."""
    before: Fraction = NOTHING
    """What of that was before the period [USD]; asked of a job that is new to the sheet."""
    selected: bool = True
    """Whether what it spends counts."""
    final: bool = False
    """Whether it will never cost more."""
    name: str = ""
    whole: bool = True
    """Whether `total` is all that it has cost: the prices of all its nodes were known."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was spent in a period."""

    sheet: Sheet
    closed: Fraction | None = None
    """What was spent in the period before [USD], where that has just ended."""
    unpriced: int = 0
    """Jobs that count, and of which a part of the cost is unknown [count]."""


def recount(
    sheet: Sheet, seen: Iterable[Seen], gone: Collection[str] = (), most: int | None = None
) -> Sheet:
    """The sheet after a look.

    Args:
        sheet: As it was.
        seen: The jobs that are there; one that is neither here nor gone stays as it was.
        gone: Uids of jobs that are certainly gone.
        most: Jobs that the sheet may hold [count]; those that have no room are not counted.
    """
    carried, jobs = sheet.carried, dict(sheet.jobs)
    for uid in gone:
        carried += jobs.pop(uid).counted if uid in jobs else NOTHING
    for one in seen:
        old = jobs.get(one.uid)
        if old is not None:
            more = one.total - old.total if one.selected else NOTHING
            jobs[one.uid] = Tally(old.counted + more, one.total, one.name)
        elif _is_news(one) and (most is None or len(jobs) < most):
            jobs[one.uid] = Tally(one.total - one.before, one.total, one.name)
    return replace(sheet, carried=carried, jobs=jobs)


def _is_news(one: Seen) -> bool:
    """Whether a job that is new to the sheet has to be kept in mind."""
    return one.selected and one.total != 0 and not (one.final and one.total == one.before)


def turned(sheet: Sheet, start: datetime, final: Collection[str] = ()) -> Sheet:
    """The next period's sheet: nobody has spent anything, and what each job had cost is kept.

    Args:
        sheet: The old one, counted up to the boundary.
        start: The boundary.
        final: Uids of jobs that will never cost more: they are not kept.
    """
    kept = {
        uid: replace(one, counted=NOTHING) for uid, one in sheet.jobs.items() if uid not in final
    }
    return Sheet(start, NOTHING, kept)
