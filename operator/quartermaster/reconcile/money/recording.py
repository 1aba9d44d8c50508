"""What pods held goes into the ledger before they are let go, and comes back when it was lost.

A ledger is told of a job's pods only after it was told of what the job's status holds already. So
what stands in it of a job is what its status holds and is about to hold, whenever the ledger began.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from quartermaster.api.record import JobRecord
from quartermaster.decide.cost import postings
from quartermaster.decide.cost.ledger import rebuild
from quartermaster.domain.money.ledger import Entry
from quartermaster.errors import LedgerError
from quartermaster.reconcile.money import accounts
from quartermaster.reconcile.money.accounts import Books, Charging
from quartermaster.reconcile.money.held_sums import postings_of
from quartermaster.reconcile.ports import Ledger

logger = logging.getLogger(__name__)

Close = Callable[[Charging], Books]


async def recorded(ledger: Ledger | None, job: JobRecord, close: Close, by: Charging) -> Books:
    """The books, with the pods charged that the ledger has by now, and as it has them.

    Raises:
        LedgerError: It cannot be reached.
    """
    books = close(by)
    if ledger is None or not books.entries:
        return books
    standing = await ledger.book(job.uid, opening(job, by.now), books.entries)
    return close(replace(by, standing=tuple(standing))) if standing else books


async def recorded_if_possible(
    ledger: Ledger | None, job: JobRecord, close: Close, by: Charging
) -> Books:
    """The same of a job that goes on: a ledger that cannot be reached stops it not.

    Pods that are over stay, billed as they are, until it can be.
    """
    try:
        return await recorded(ledger, job, close, by)
    except LedgerError as error:
        logger.warning("pods stay until the ledger can be written: %s", error)
        return close(replace(by, closing=False))


async def brought_back(ledger: Ledger | None, job: JobRecord, now: datetime) -> None:
    """See to it that the ledger has what a job's status holds; one that is away is asked later."""
    if ledger is None or not _has_books(job):
        return
    try:
        await ledger.book(job.uid, opening(job, now), ())
    except LedgerError as error:
        logger.info("%s: not known whether the ledger has its books: %s", job.key, error)


def to_bring_back(ledger: Ledger, jobs: Iterable[JobRecord]) -> list[str]:
    """Uids of the jobs whose books this ledger may have lost."""
    return [job.uid for job in jobs if _has_books(job) and not ledger.knows(job.uid)]


def opening(job: JobRecord, now: datetime) -> list[Entry]:
    """What a job's status holds, as entries for a ledger that knows nothing of the job."""
    cost = job.status.cost
    if cost is None:
        return []
    account = accounts.account_of(cost)
    day = (job.status.completion_time or now).date()
    books = postings.balanced(postings_of(cost.exact.held), account.parts, account.times, day)
    return rebuild.entries(books, accounts.owner(job))


def _has_books(job: JobRecord) -> bool:
    return job.status.cost is not None and job.status.cost.segments > 0
