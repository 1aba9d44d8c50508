"""What pods held goes into the ledger before they are let go."""

import logging
from collections.abc import Callable
from dataclasses import replace

from quartermaster.errors import LedgerError
from quartermaster.reconcile.money.accounts import Books, Charging
from quartermaster.reconcile.ports import Ledger

logger = logging.getLogger(__name__)


async def recorded(
    ledger: Ledger | None, close: Callable[[Charging], Books], by: Charging
) -> Books:
    """The books, with the pods charged that the ledger has by now.

    A ledger that cannot be reached stops no job: pods that are over stay, billed as they are, until
    it can be.
    """
    books = close(by)
    if ledger is None or not books.entries:
        return books
    try:
        await ledger.record(books.entries)
    except LedgerError as error:
        logger.warning("pods stay until the ledger can be written: %s", error)
        return close(replace(by, closing=False))
    return books
