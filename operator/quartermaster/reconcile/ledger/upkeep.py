"""Keeps the ledger while the operator leads: a store that is away is tried again, and told once."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta

from quartermaster.errors import LedgerError
from quartermaster.reconcile.ledger.nodes import NodeAccounts
from quartermaster.reconcile.ports import Clock, Ledger

logger = logging.getLogger(__name__)

ROUND_SECONDS = 60.0


async def keep(
    ledger: Ledger,
    accounts: NodeAccounts,
    clock: Clock,
    retention_days: int,
    opened: Callable[[], None],
) -> None:
    """Look at the nodes every minute, and drop old entries; for ever.

    Args:
        ledger: What is kept.
        accounts: Of the nodes.
        clock: The time.
        retention_days: Single entries older than this are dropped; 0 keeps all [days].
        opened: Called while the store can be reached: it may be a new one that knows nothing.
    """
    away = ""
    while True:
        try:
            await ledger.open()
            opened()
            await accounts.keep()
            if retention_days:
                await ledger.forget(clock.now() - timedelta(days=retention_days))
            if away:
                logger.warning("the ledger can be written again")
            away = ""
        except LedgerError as error:
            if str(error) != away:
                logger.warning("not recorded, tried again every minute: %s", error)
            away = str(error)
        await asyncio.sleep(ROUND_SECONDS)
