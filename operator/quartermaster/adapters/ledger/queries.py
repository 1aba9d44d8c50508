"""What is asked of the ledger's tables; each function works in the transaction that it is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from quartermaster.adapters.ledger import tables
from quartermaster.adapters.ledger.tables import (
    COARSE,
    COLUMNS,
    CURSORS,
    DAILY,
    DAILY_BY_HOLDER,
    ENTRIES,
    FINE,
    JOBS,
    MEASURES,
    RESTS,
    Key,
    Sum,
)
from quartermaster.domain.money.ledger import Entry, Kind
from quartermaster.domain.money.spending import HOLDERS, PART, PLACE, Amounts, Dimension, Line, Sums

PAGE = 2000
"""Entries that are read at a time [count]."""
CHUNK = 500
"""Ids that are asked for at a time [count]; SQLite takes 32,766 variables, older ones 999."""
FEW = 32
"""Entries of one pod that are asked for at a time [count]; most have fewer."""
DROPPED = "dropped"
"""Name of the cursor up to which single entries were dropped."""


def record(
    connection: sa.Connection, entries: Sequence[Entry], cursors: Mapping[str, datetime]
) -> dict[Key, Sum]:
    """Keep what is not there yet; returns what that adds to each day, by day and `COARSE`."""
    for name, moment in cursors.items():
        _set_cursor(connection, name, moment)
    return _keep(connection, _unknown(connection, entries))


@dataclass(frozen=True, slots=True)
class Booked:
    """What became of a job's entries."""

    fresh: Mapping[Key, Sum]
    """What they add, as `record` says."""
    standing: Sequence[Entry]
    """How the pods stand here that were known already."""
    opened: bool
    """Whether the job was new here."""


def book(
    connection: sa.Connection,
    job: str,
    before: Sequence[Entry],
    held: Sequence[Entry],
    now: datetime,
) -> Booked:
    """Keep what a job's pods held, after what its status held before, unless that is known."""
    fresh = _unknown(connection, held)
    new = {_fact(entry) for entry in fresh}
    standing = [
        entry
        for fact in sorted({_fact(entry) for entry in held} - new)
        for entry in _entries_of(connection, fact)
    ]
    opened = connection.execute(sa.select(JOBS).where(JOBS.c.uid == job)).first() is None
    if opened:
        since = tables.microseconds(now)
        connection.execute(sa.insert(JOBS), {"uid": job, "since": since})
        # Whatever its age: what was dropped here was in the sums once, and these never were.
        fresh = [*before, *fresh]
    return Booked(_keep(connection, fresh), standing, opened)


def _keep(connection: sa.Connection, fresh: Sequence[Entry]) -> dict[Key, Sum]:
    """Keep what is not there; returns what it adds to each day, by day and `COARSE`."""
    if fresh:
        connection.execute(sa.insert(ENTRIES), [tables.row(entry) for entry in fresh])
    by_holder = tables.daily_sums(fresh)
    by_day = tables.coarse(by_holder)
    _add(connection, DAILY_BY_HOLDER, FINE, by_holder)
    _add(connection, DAILY, COARSE, by_day)
    return by_day


def _fact(entry: Entry) -> str:
    """What its first entry's id begins with."""
    return entry.first.rpartition("/")[0]


def _entries_of(connection: sa.Connection, fact: str) -> list[Entry]:
    """All entries of a fact, which are numbered without a gap."""
    found: list[Entry] = []
    while len(found) % FEW == 0:
        ids = [f"{fact}/{number}" for number in range(len(found), len(found) + FEW)]
        rows = connection.execute(sa.select(ENTRIES).where(ENTRIES.c.id.in_(ids))).mappings().all()
        if not rows:
            break
        found += [tables.entry(dict(row)) for row in rows]
    return sorted(found, key=lambda entry: int(entry.id.rpartition("/")[2]))


def cursor(connection: sa.Connection, name: str) -> datetime | None:
    """How far an account has come."""
    found = connection.execute(sa.select(CURSORS.c.moment).where(CURSORS.c.name == name)).scalar()
    return None if found is None else tables.moment(found)


def forget(connection: sa.Connection, before: datetime) -> int:
    """Drop entries that ended before; from now on older ones count as recorded [count]."""
    gone = connection.execute(
        sa.delete(ENTRIES).where(ENTRIES.c.ended < tables.microseconds(before))
    )
    dropped = cursor(connection, DROPPED)
    if dropped is None or dropped < before:
        _set_cursor(connection, DROPPED, before)
    return int(gone.rowcount)


def spent(
    connection: sa.Connection, since: date, until: date, by: Sequence[Dimension]
) -> list[Line]:
    """Sums over whole days, from the smallest table that tells them."""
    table = DAILY_BY_HOLDER if HOLDERS & set(by) else DAILY
    days = (table.c.day >= tables.day_number(since), table.c.day < tables.day_number(until))
    return _sums(connection, table, by, days)


def sums(connection: sa.Connection) -> Sums:
    """Everything, as an exporter wants it."""
    jobs = (DAILY.c.kind == Kind.JOB.value,)
    return Sums(
        by_place={line.key: line.amounts for line in _sums(connection, DAILY, PLACE, ())},
        by_part={line.key: line.amounts for line in _sums(connection, DAILY, PART, jobs)},
    )


def with_more(whole: Sums, fresh: Mapping[Key, Sum]) -> Sums:
    """What is in memory, with what was just recorded."""
    by_place, by_part = dict(whole.by_place), dict(whole.by_part)
    for key, values in fresh.items():
        told = dict(zip(("day", *COARSE), key, strict=True))
        more = tables.amounts(values)
        _count(by_place, tuple(told[COLUMNS[each]] for each in PLACE), more)
        if told["kind"] == Kind.JOB.value:
            _count(by_part, tuple(told[COLUMNS[each]] for each in PART), more)
    return Sums(by_place, by_part)


def page(connection: sa.Connection, after: tuple[int, str], until: datetime) -> list[Entry]:
    """The next entries by end and id that end past `after` and begin before `until`."""
    ended, id_ = after
    past = sa.or_(ENTRIES.c.ended > ended, sa.and_(ENTRIES.c.ended == ended, ENTRIES.c.id > id_))
    found = connection.execute(
        sa.select(ENTRIES)
        .where(past, ENTRIES.c.ended >= ended, ENTRIES.c.began < tables.microseconds(until))
        .order_by(ENTRIES.c.ended, ENTRIES.c.id)
        .limit(PAGE)
    )
    return [tables.entry(dict(row)) for row in found.mappings()]


def _unknown(connection: sa.Connection, entries: Sequence[Entry]) -> list[Entry]:
    """Entries whose fact is not there, each once; those of a time that was dropped are known."""
    dropped = cursor(connection, DROPPED) or datetime.min.replace(tzinfo=UTC)
    named = {entry.id: entry for entry in reversed(entries) if entry.ended >= dropped}
    firsts = sorted({entry.first for entry in named.values()})
    known: set[str] = set()
    for start in range(0, len(firsts), CHUNK):
        asked = sa.select(ENTRIES.c.id).where(ENTRIES.c.id.in_(firsts[start : start + CHUNK]))
        known.update(connection.execute(asked).scalars())
    return [entry for entry in reversed(named.values()) if entry.first not in known]


def _add(
    connection: sa.Connection, table: sa.Table, dimensions: Sequence[str], more: Mapping[Key, Sum]
) -> None:
    if not more:
        return
    names = ("day", *dimensions)
    insert = _insert(connection, table)
    new, old = insert.excluded, table.c
    changes: dict[str, Any] = {
        name: old[name] + new[name] for name in ("held_ms", "gpu_ms", "unpriced_ms")
    }
    for nano, rest in (("nano", "rest"), ("on_demand_nano", "on_demand_rest")):
        both = old[rest] + new[rest]
        # Whole numbers on both sides: a division that carries, not one that rounds.
        changes[nano] = old[nano] + new[nano] + sa.case((both >= RESTS, 1), else_=0)
        changes[rest] = both - sa.case((both >= RESTS, RESTS), else_=0)
    statement = insert.on_conflict_do_update(index_elements=list(names), set_=changes)
    rows = [
        dict(zip((*names, *MEASURES), (*key, *values), strict=True)) for key, values in more.items()
    ]
    connection.execute(statement, rows)


def _set_cursor(connection: sa.Connection, name: str, moment: datetime) -> None:
    insert = _insert(connection, CURSORS)
    statement = insert.on_conflict_do_update(
        index_elements=["name"], set_={"moment": insert.excluded.moment}
    )
    connection.execute(statement, {"name": name, "moment": tables.microseconds(moment)})


def _insert(connection: sa.Connection, table: sa.Table) -> "sqlite.Insert | postgresql.Insert":
    if connection.dialect.name == "postgresql":
        return postgresql.insert(table)
    return sqlite.insert(table)


def _sums(
    connection: sa.Connection,
    table: sa.Table,
    by: Sequence[Dimension],
    only: Iterable[sa.ColumnElement[bool]],
) -> list[Line]:
    columns = [table.c[COLUMNS[each]] for each in by]
    measures = [sa.func.coalesce(sa.func.sum(table.c[name]), 0) for name in MEASURES]
    found = connection.execute(sa.select(*columns, *measures).where(*only).group_by(*columns))
    lines = [
        Line(
            tuple(
                tables.day_text(value) if each is Dimension.DAY else value
                for each, value in zip(by, row, strict=False)
            ),
            tables.amounts(row[len(by) :]),
        )
        for row in found
    ]
    return sorted(lines, key=lambda line: line.key)


def _count(sums: dict[tuple[str, ...], Amounts], key: tuple[str, ...], more: Amounts) -> None:
    sums[key] = sums.get(key, Amounts()) + more
