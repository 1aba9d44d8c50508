"""The ledger as CSV, line by line, and its sums as JSON."""

import csv
import io
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from datetime import date

from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.decide.cost.ledger import focus
from quartermaster.decide.cost.ledger.focus import decimal
from quartermaster.decide.cost.ledger.pieces import midnight
from quartermaster.domain.money.ledger import Entry
from quartermaster.domain.money.spending import Line

FORMATS = ("focus", "csv")


async def lines(ledger: SqlLedger, since: date, until: date, form: str) -> AsyncIterator[str]:
    """CSV of the days [since, until), a header first, a line at a time; without entries nothing.

    Raises:
        LedgerError: The store cannot be reached.
    """
    header = True
    async for entry in ledger.entries(midnight(since), midnight(until)):
        for row in _rows(entry, form):
            if header:
                yield _line(list(row))
                header = False
            yield _line(list(row.values()))


def document(lines: Iterable[Line], since: date, until: date, by: Sequence[str]) -> object:
    """Sums as JSON: amounts as decimal strings [USD], times in ms."""
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "by": list(by),
        "lines": [
            {
                "key": list(line.key),
                "usd": decimal(line.amounts.usd),
                "onDemandUsd": decimal(line.amounts.on_demand_usd),
                "heldMs": line.amounts.held_ms,
                "gpuMs": line.amounts.gpu_ms,
                "unpricedMs": line.amounts.unpriced_ms,
            }
            for line in lines
        ],
    }


def _rows(entry: Entry, form: str) -> Iterable[Mapping[str, str]]:
    return focus.rows(entry) if form == "focus" else (focus.plain(entry),)


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow([_inert(cell) for cell in cells])
    return out.getvalue()


def _inert(cell: str) -> str:
    """A cell that no spreadsheet takes for a formula; names of users come in here."""
    return f"'{cell}" if cell[:1] in "=+@" and cell else cell
