"""Keeping the ledger: whoever may have lost something is asked whenever it can be reached."""

import asyncio

from quartermaster.reconcile.ledger import upkeep
from quartermaster.reconcile.ledger.nodes import NodeAccounts
from tests.support.ledger import MemoryLedger, MemoryOccupancy
from tests.support.memory import FakeClock


async def rounds(ledger: MemoryLedger) -> list[str]:
    """What the first round has asked."""
    asked: list[str] = []
    clock = FakeClock()
    accounts = NodeAccounts(MemoryOccupancy(), ledger, clock)
    keeping = asyncio.create_task(
        upkeep.keep(ledger, accounts, clock, 0, lambda: asked.append("jobs"))
    )
    for _ in range(10):
        await asyncio.sleep(0)
    keeping.cancel()
    return asked


async def test_jobs_are_asked_for_their_books_once_the_ledger_is_open() -> None:
    ledger = MemoryLedger()
    assert await rounds(ledger) == ["jobs"]
    assert "nodes" in ledger.cursors


async def test_while_it_is_away_nobody_is_asked() -> None:
    assert await rounds(MemoryLedger(away=True)) == []
