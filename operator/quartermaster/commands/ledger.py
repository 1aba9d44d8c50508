"""`quartermaster ledger export`: the ledger's entries as FOCUS 1.2 or plain CSV."""

import argparse
import asyncio
import os
import sys

from quartermaster.errors import SpecError
from quartermaster.settings import from_environment


def run(arguments: argparse.Namespace) -> int:
    """Write the days that were asked for to standard output."""
    url = from_environment(os.environ).ledger_url
    if not url:
        raise SpecError("no ledger is named: set QM_LEDGER_URL to the operator's")
    return asyncio.run(_export(url, arguments))


async def _export(url: str, arguments: argparse.Namespace) -> int:
    # Only now: SQLAlchemy takes a while to import, and no other command needs it.
    from quartermaster.adapters.clock import SystemClock  # noqa: PLC0415
    from quartermaster.adapters.ledger import export  # noqa: PLC0415
    from quartermaster.adapters.ledger.store import SqlLedger  # noqa: PLC0415

    ledger = SqlLedger(url, SystemClock())
    try:
        async for line in export.lines(ledger, arguments.since, arguments.until, arguments.format):
            sys.stdout.write(line)
    finally:
        await ledger.close()
    return 0
