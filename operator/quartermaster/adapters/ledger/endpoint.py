"""`/ledger` on the metrics port: sums as JSON, single entries as CSV."""

from collections.abc import Callable
from datetime import date

from aiohttp import web

from quartermaster.adapters.ledger import export
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.domain.money.spending import Dimension
from quartermaster.errors import LedgerError


class LedgerEndpoint:
    """Answers what is asked of the ledger; the leader's is the one that is written."""

    def __init__(self, ledger: SqlLedger | None, leading: Callable[[], bool]) -> None:
        self._ledger = ledger
        self._leading = leading

    async def sums(self, request: web.Request) -> web.Response:
        """`?since=2026-11-01&until=2026-12-01&by=namespace,part`: sums of whole days in UTC."""
        ledger = self._there()
        since, until = _days(request)
        by = [_dimension(name) for name in request.query.get("by", "").split(",") if name]
        try:
            found = await ledger.spent(since, until, by)
        except LedgerError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
        return web.json_response(export.document(found, since, until, by))

    async def entries(self, request: web.Request) -> web.StreamResponse:
        """`?since=&until=&format=focus`: CSV, streamed."""
        ledger = self._there()
        since, until = _days(request)
        form = request.query.get("format", "csv")
        if form not in export.FORMATS:
            raise _bad(f"format={form} should be one of {', '.join(export.FORMATS)}")
        response = web.StreamResponse(headers={"Content-Type": "text/csv; charset=utf-8"})
        rows = export.lines(ledger, since, until, form)
        try:
            first = await anext(rows, "")
        except LedgerError as error:
            raise web.HTTPServiceUnavailable(text=f"{error}\n") from error
        await response.prepare(request)
        await response.write(first.encode())
        async for row in rows:
            await response.write(row.encode())
        await response.write_eof()
        return response

    def _there(self) -> SqlLedger:
        if self._ledger is None:
            raise web.HTTPNotFound(text="no ledger is kept: QM_LEDGER_URL is not set\n")
        if not self._leading():
            raise web.HTTPServiceUnavailable(text="this replica is a standby; ask again\n")
        return self._ledger


def _days(request: web.Request) -> tuple[date, date]:
    try:
        since, until = (date.fromisoformat(request.query.get(n, "")) for n in ("since", "until"))
    except ValueError:
        raise _bad("since and until should be days, as 2026-11-01") from None
    return since, until


def _dimension(name: str) -> Dimension:
    try:
        return Dimension(name)
    except ValueError:
        raise _bad(f"by={name} should be of {', '.join(Dimension)}") from None


def _bad(text: str) -> web.HTTPBadRequest:
    return web.HTTPBadRequest(text=f"{text}\n")
