"""Connections to the ledger's database: one that writes, others that read."""

import logging
import sqlite3
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import make_url
from sqlalchemy.pool import ConnectionPoolEntry

from quartermaster.errors import LedgerError

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK = 0x51_4D_4C
"""Number of the advisory lock in PostgreSQL under which the ledger is written; QML."""
BUSY_SECONDS = 10
"""So long a writer waits for another one [s]."""
_PAUSE_S = 0.01
"""Between two attempts at what SQLite does not wait for."""
_PRIMARY = 0xFF
"""What of a result code says what went wrong; https://www.sqlite.org/rescode.html."""
_SIDE_FILES = ("", "-wal", "-shm")
"""What SQLite keeps beside a database in WAL mode; https://www.sqlite.org/wal.html."""


def address(url: str) -> sa.URL:
    """Where the ledger is kept.

    Raises:
        ValueError: It is neither SQLite nor PostgreSQL; the password is not in the message.
    """
    wanted = "sqlite:////path/to/file or postgresql://user:password@host/name"
    try:
        read = make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        raise ValueError(f"QM_LEDGER_URL is no URL; it should be {wanted}") from None
    name = read.get_backend_name()
    if name == "sqlite" and read.database:
        return read.set(drivername="sqlite+pysqlite")
    if name in ("postgresql", "postgres"):
        return read.set(drivername="postgresql+psycopg")
    raise ValueError(f"QM_LEDGER_URL begins with {name!r}; it should be {wanted}")


def spoken(url: sa.URL) -> str:
    """It as it may be printed."""
    return url.render_as_string(hide_password=True)


def connect(url: sa.URL, *, writes: bool) -> sa.Engine:
    """An engine; of SQLite, with transactions that begin as what they are."""
    if url.get_backend_name() != "sqlite":
        arguments: Mapping[str, object] = {"connect_timeout": BUSY_SECONDS}
        return sa.create_engine(url, pool_size=2, pool_pre_ping=True, connect_args=dict(arguments))
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})
    sa.event.listen(engine, "connect", _prepare)
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _prepare(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    """What is acknowledged is on the disk, and readers do not wait for the writer."""
    # Python's module would begin transactions by its own rules; the listener begins them.
    connection.isolation_level = None
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Put the file into WAL mode; here alone SQLite does not wait for whoever else begins to."""
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & _PRIMARY == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > until:
                raise
        else:
            return
        time.sleep(_PAUSE_S)


def migrate(engine: sa.Engine) -> None:
    """Bring the tables to what this version wants, one operator at a time."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        take_turn(connection)
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def take_turn(connection: sa.Connection) -> None:
    """Be the only one that writes, until the transaction ends; SQLite's begin does it already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))


def is_damage(error: BaseException) -> bool:
    """Whether SQLite says that the file is not what it should be; waiting will not cure it."""
    if not isinstance(error, sa.exc.DatabaseError):
        return False
    text = str(error.orig)
    return "malformed" in text or "not a database" in text


def check(engine: sa.Engine) -> None:
    """Look through a SQLite file.

    Raises:
        sqlalchemy.exc.DatabaseError: It is damaged.
    """
    with engine.begin() as connection:
        found = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar()
    if found != "ok":
        raise sa.exc.DatabaseError("PRAGMA quick_check", None, ValueError(f"malformed: {found}"))


def set_aside(path: Path, now: datetime) -> Path:
    """Rename a damaged file and what lies beside it; it is kept for whoever can mend it.

    Raises:
        LedgerError: The folder cannot be written.
    """
    aside = path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}")
    try:
        for suffix in _SIDE_FILES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).rename(f"{aside}{suffix}")
    except OSError as error:
        raise LedgerError(f"{path} is damaged and cannot be moved: {error.strerror}") from error
    return aside
