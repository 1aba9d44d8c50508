"""The ledger as reconciling sees it, on any database that SQLAlchemy speaks to."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.ledger import engine as engines
from quartermaster.adapters.ledger import queries
from quartermaster.adapters.ledger.tables import microseconds
from quartermaster.decide.cost.ledger.pieces import within
from quartermaster.domain.money.ledger import Entry
from quartermaster.domain.money.spending import Dimension, Line, Sums
from quartermaster.errors import LedgerError

logger = logging.getLogger(__name__)

Result = TypeVar("Result")


class SqlLedger:
    """A ledger in a database.

    It opens when it is first used, and again after whatever went wrong: a database that is away
    stops nothing but its own calls. One thread writes; readers have their own.
    """

    def __init__(self, url: str, clock: Clock) -> None:
        """Remember where it is.

        Raises:
            ValueError: The URL is neither SQLite's nor PostgreSQL's.
        """
        self._url = engines.address(url)
        self._clock = clock
        self._path = (
            Path(str(self._url.database)) if self._url.get_backend_name() == "sqlite" else None
        )
        self._file: int | None = None
        """Inode of the file that is open: one that is gone would still take what is written."""
        self._writer: sa.Engine | None = None
        self._reader = engines.connect(self._url, writes=False)
        self._sums = Sums()
        self.up: bool | None = None
        """Whether the last attempt at it succeeded; None before the first one."""
        self._writing = ThreadPoolExecutor(1, "ledger")

    async def open(self) -> None:
        """Make or migrate the tables, and read what `sums` has to know."""
        await self._in_turn(lambda _: None)

    async def close(self) -> None:
        """Leave the database."""
        await asyncio.to_thread(self._writing.shutdown)
        self._leave()
        self._reader.dispose()

    async def record(
        self, entries: Sequence[Entry], cursors: Mapping[str, datetime] | None = None
    ) -> None:
        """Keep entries, and how far some account has come: all or nothing, and once by id."""
        await self._in_turn(lambda engine: self._record(engine, entries, cursors or {}))

    async def forget(self, before: datetime) -> int:
        """Drop single entries that ended before; their sums stay. Returns how many [count]."""

        def drop(engine: sa.Engine) -> int:
            with engine.begin() as connection:
                engines.take_turn(connection)
                return queries.forget(connection, before)

        return await self._in_turn(drop)

    async def cursor(self, name: str) -> datetime | None:
        """How far an account has come; None where it has not begun."""
        return await self._read(lambda connection: queries.cursor(connection, name))

    async def spent(self, since: date, until: date, by: Sequence[Dimension]) -> list[Line]:
        """Sums over the days [since, until) in UTC, by these dimensions, the lowest key first."""
        return await self._read(lambda connection: queries.spent(connection, since, until, by))

    async def entries(self, since: datetime, until: datetime) -> AsyncIterator[Entry]:
        """Single entries, cut to [since, until), by their end; those that were dropped are not."""
        after = microseconds(since), ""
        while True:
            page = await self._read(partial(queries.page, after=after, until=until))
            for kept in page:
                piece = within(kept, since, until)
                if piece is not None:
                    yield piece
            if len(page) < queries.PAGE:
                return
            after = microseconds(page[-1].ended), page[-1].id

    def sums(self) -> Sums:
        """Everything since the ledger began; kept in memory."""
        return self._sums

    async def _in_turn(self, work: Callable[[sa.Engine], Result]) -> Result:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._writing, lambda: self._guarded(work))

    async def _read(self, work: Callable[[sa.Connection], Result]) -> Result:
        if self._writer is None:
            await self.open()

        def reading() -> Result:
            with self._reader.begin() as connection:
                return work(connection)

        try:
            found = await asyncio.to_thread(reading)
        except sa.exc.SQLAlchemyError as error:
            raise self._told(error) from error
        self.up = True
        return found

    def _guarded(self, work: Callable[[sa.Engine], Result]) -> Result:
        """Work on the open database; what is damaged is set aside, and begun anew once."""
        for attempt in _ATTEMPTS:
            try:
                done = work(self._ready())
            except (sa.exc.SQLAlchemyError, OSError) as error:
                self._leave()
                if self._path is None or not engines.is_damage(error) or attempt == _ATTEMPTS[-1]:
                    raise self._told(error) from error
                self._begin_anew(self._path)
            else:
                self.up = True
                return done
        raise LedgerError("the ledger cannot be opened")

    def _ready(self) -> sa.Engine:
        if self._writer is not None and self._file != self._inode():
            logger.error("the ledger's file %s is gone; a new one is begun", self._path)
            self._leave()
        if self._writer is None:
            if self._path is not None:
                self._path.parent.mkdir(parents=True, exist_ok=True)
            writer = engines.connect(self._url, writes=True)
            if self._path is not None:
                engines.check(writer)
            engines.migrate(writer)
            with writer.begin() as connection:
                self._sums = queries.sums(connection)
            self._writer, self._file = writer, self._inode()
        return self._writer

    def _record(
        self, engine: sa.Engine, entries: Sequence[Entry], cursors: Mapping[str, datetime]
    ) -> None:
        with engine.begin() as connection:
            engines.take_turn(connection)
            fresh = queries.record(connection, entries, cursors)
        self._sums = queries.with_more(self._sums, fresh)

    def _begin_anew(self, path: Path) -> None:
        aside = engines.set_aside(path, self._clock.now())
        logger.error("the ledger's file %s is damaged: kept as %s, a new one is begun", path, aside)

    def _leave(self) -> None:
        if self._writer is not None:
            self._writer.dispose()
        self._reader.dispose()
        self._writer = None

    def _inode(self) -> int | None:
        if self._path is None:
            return None
        return self._path.stat().st_ino if self._path.exists() else -1

    def _told(self, error: Exception) -> LedgerError:
        """The failure of an attempt, in one line that names no password."""
        self.up = False
        cause = getattr(error, "orig", None) or error
        first = next(iter(str(cause).splitlines()), type(cause).__name__)
        return LedgerError(f"ledger {engines.spoken(self._url)}: {first}")


_ATTEMPTS: Sequence[int] = (1, 2)
