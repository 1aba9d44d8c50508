"""What the ledger promises, on SQLite and on a real PostgreSQL."""

import asyncio
import logging
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from quartermaster.adapters.ledger import engine as engines
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.ledger.tables import METADATA, RESTS
from quartermaster.decide.cost.ledger.pieces import cost, within
from quartermaster.domain.money.ledger import Entry, Kind, Owner, Part
from quartermaster.domain.money.spending import PART, PLACE, Dimension
from quartermaster.errors import LedgerError
from tests.support import postgres
from tests.support.ledger import HOUR, JOB, NODE, NOON, entry
from tests.support.memory import FakeClock

ALWAYS = (date(2000, 1, 1), date(2100, 1, 1))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    programs = postgres.binaries()
    if programs is None:
        pytest.skip(postgres.MISSING)
    with postgres.running(programs) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state/ledger.db"
    where = str(request.getfixturevalue("postgres_url"))
    engine = engines.connect(engines.address(where), writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE")
        connection.exec_driver_sql("CREATE SCHEMA public")
    engine.dispose()
    return where


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[SqlLedger]:
    made = SqlLedger(url, FakeClock())
    yield made
    await made.close()


async def total(ledger: SqlLedger) -> Fraction:
    return (await ledger.spent(*ALWAYS, ()))[0].amounts.usd


async def listed(ledger: SqlLedger, since: datetime, until: datetime) -> list[Entry]:
    return [each async for each in ledger.entries(since, until)]


async def test_an_empty_ledger_has_cost_nothing(ledger: SqlLedger) -> None:
    assert await total(ledger) == 0
    assert await ledger.spent(*ALWAYS, [Dimension.NAMESPACE]) == []
    assert await listed(ledger, NOON, NOON + HOUR) == []
    assert await ledger.cursor("nodes") is None


async def test_what_is_recorded_is_given_back_as_it_was(ledger: SqlLedger) -> None:
    some = [
        entry("a"),
        entry("b", part=None, owner=Owner(Kind.IDLE), usd_per_hour=None, gpus=Fraction(2, 7)),
        entry("c", hours=0.5, charged=timedelta(seconds=7), on_demand_usd_per_hour=None),
    ]
    await ledger.record(some)
    found = await listed(ledger, NOON, NOON + HOUR)
    assert sorted(found, key=lambda each: each.id) == some


async def test_a_pod_that_is_worked_out_again_with_other_cuts_counts_once(
    ledger: SqlLedger,
) -> None:
    await ledger.record([entry("pod/0", hours=1), entry("pod/1", hours=1)])
    before = await total(ledger)
    again = [entry(f"pod/{number}", hours=0.5) for number in range(4)]
    await ledger.record([*again, entry("other/0", hours=1)])
    assert await total(ledger) == before * Fraction(3, 2)


async def test_what_is_recorded_twice_counts_once(ledger: SqlLedger) -> None:
    await ledger.record([entry("a"), entry("a")])
    await ledger.record([entry("a", hours=2), entry("b")])
    assert await total(ledger) == 2 * Fraction("26.42")
    assert len(await listed(ledger, NOON, NOON + HOUR)) == 2


async def test_a_call_with_one_wrong_entry_records_nothing_of_it(ledger: SqlLedger) -> None:
    wrong = entry("b", usd_per_hour=Fraction(1, 3))
    with pytest.raises(ValueError, match="no whole number of billionths"):
        await ledger.record([entry("a"), wrong], {"nodes": NOON})
    assert await total(ledger) == 0
    assert await ledger.cursor("nodes") is None
    assert not ledger.sums().by_place


async def test_sums_are_exact_where_they_outgrow_a_float_and_64_bits(ledger: SqlLedger) -> None:
    rate = Fraction(98_765_432_109_876, 10**9)
    some = [
        entry(f"pod-{i}", usd_per_hour=rate, ended=NOON + HOUR, charged=timedelta(microseconds=i))
        for i in range(1, 2001)
    ]
    await ledger.record(some[:999])
    await ledger.record(some[999:])
    exact = sum((cost(each) or Fraction(0) for each in some), Fraction(0))
    assert await total(ledger) == exact
    assert float(exact) != exact
    assert exact * 10**9 * RESTS > 2**63


async def test_days_are_cut_at_midnight_in_utc(ledger: SqlLedger) -> None:
    await ledger.record([entry(hours=30, charged=timedelta(hours=29, microseconds=1))])
    lines = await ledger.spent(*ALWAYS, [Dimension.DAY])
    assert [line.key for line in lines] == [("2026-11-01",), ("2026-11-02",)]
    parts = [
        within(entry(hours=30, charged=timedelta(hours=29, microseconds=1)), *edges)
        for edges in ((NOON, NOON + 12 * HOUR), (NOON + 12 * HOUR, NOON + 30 * HOUR))
    ]
    assert [line.amounts.usd for line in lines] == [cost(part) for part in parts if part]
    first = await ledger.spent(date(2026, 11, 1), date(2026, 11, 2), ())
    assert first[0].amounts == lines[0].amounts


async def test_sums_are_told_by_what_is_asked_for(ledger: SqlLedger) -> None:
    other = replace(JOB, namespace="team-b", name="vision", queue="")
    await ledger.record(
        [
            entry("a"),
            entry("b", part=Part.REWORK, machine=replace(NODE, node="node-b")),
            entry("c", owner=other, usd_per_hour=None),
        ]
    )
    by = await ledger.spent(*ALWAYS, [Dimension.NAMESPACE, Dimension.PART])
    assert [line.key for line in by] == [
        ("team-a", "Rework"), ("team-a", "Useful"), ("team-b", "Useful"),
    ]  # fmt: skip
    assert by[2].amounts.usd == 0
    assert by[2].amounts.unpriced_ms == by[2].amounts.held_ms == 3_600_000
    assert by[0].amounts.gpu_ms == 8 * 3_600_000
    assert by[0].amounts.on_demand_usd == Fraction("55.04")
    jobs = await ledger.spent(*ALWAYS, [Dimension.JOB, Dimension.NODE])
    assert [line.key for line in jobs] == [
        ("digits", "node-a"), ("digits", "node-b"), ("vision", "node-a"),
    ]  # fmt: skip


async def test_sums_in_memory_are_those_of_the_database_after_a_new_start(
    ledger: SqlLedger, url: str
) -> None:
    await ledger.record([entry("a"), entry("b", part=Part.IDLE)])
    await ledger.record([entry("c", owner=Owner(Kind.SYSTEM, "kube-system"), part=None)])
    again = SqlLedger(url, FakeClock())
    await again.open()
    try:
        assert again.sums() == ledger.sums()
        places = await again.spent(*ALWAYS, PLACE)
        assert {line.key: line.amounts for line in places} == again.sums().by_place
        assert set(again.sums().by_part) == {("team-a", "Idle"), ("team-a", "Useful")}
        assert len(PART) == 2
    finally:
        await again.close()


async def test_dropping_single_entries_changes_no_sum_and_lets_none_in_again(
    ledger: SqlLedger,
) -> None:
    old, new = entry("old"), entry("new", began=NOON + HOUR, ended=NOON + 2 * HOUR)
    await ledger.record([old, new])
    before = await ledger.spent(*ALWAYS, [Dimension.DAY, Dimension.JOB])
    assert await ledger.forget(NOON + 2 * HOUR) == 1
    await ledger.record([old, new])
    assert await ledger.spent(*ALWAYS, [Dimension.DAY, Dimension.JOB]) == before
    assert [each.id for each in await listed(ledger, NOON, NOON + 9 * HOUR)] == ["new"]


async def test_a_cursor_is_kept_with_its_entries(ledger: SqlLedger, url: str) -> None:
    await ledger.record([entry("a")], {"nodes": NOON})
    await ledger.record([], {"nodes": NOON + HOUR})
    again = SqlLedger(url, FakeClock())
    assert await again.cursor("nodes") == NOON + HOUR
    await again.close()


async def test_entries_are_cut_to_the_window_and_all_pages_are_read(ledger: SqlLedger) -> None:
    some = [
        entry(f"pod-{i:05}", began=NOON + i * timedelta(seconds=1), ended=NOON + 2 * HOUR,
              charged=timedelta(seconds=1))
        for i in range(4500)
    ]  # fmt: skip
    await ledger.record(some)
    found = await listed(ledger, NOON + HOUR, NOON + 2 * HOUR)
    assert len(found) == len({each.id for each in found}) == 4500
    assert min(each.began for each in found) == NOON + HOUR
    assert await listed(ledger, NOON - HOUR, NOON) == []


async def test_the_tables_are_those_that_the_steps_make(ledger: SqlLedger, url: str) -> None:
    await ledger.open()
    engine = engines.connect(engines.address(url), writes=False)
    with engine.begin() as connection:
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    engine.dispose()


async def test_two_operators_that_start_at_once_make_the_tables_once(url: str) -> None:
    both = [SqlLedger(url, FakeClock()) for _ in range(2)]
    await asyncio.gather(*(each.record([entry("a")]) for each in both))
    assert await total(both[0]) == Fraction("26.42")
    for each in both:
        await each.close()


async def test_a_file_that_another_one_is_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        opening = asyncio.create_task(ledger.open())
        await asyncio.sleep(0.2)
        assert not opening.done()
        other.execute("COMMIT")
        await opening
    await ledger.close()


async def usd_by_part(ledger: SqlLedger) -> dict[tuple[str, ...], Fraction]:
    lines = await ledger.spent(*ALWAYS, [Dimension.JOB, Dimension.PART])
    return {line.key: line.amounts.usd for line in lines}


BEFORE = [entry("rebuilt/uid-digits/0", began=NOON, ended=NOON, charged=40 * HOUR)]
"""What a status holds: of forty hours of pods on that day nothing else is known."""


async def test_what_a_status_holds_is_told_a_new_ledger_once_and_first(
    ledger: SqlLedger, url: str
) -> None:
    await ledger.open()
    assert not ledger.knows("uid-digits")
    assert await ledger.book("uid-digits", BEFORE, [entry("pod-1/0")]) == []
    assert ledger.knows("uid-digits")
    assert await total(ledger) == 41 * Fraction("26.42")
    await ledger.book("uid-digits", [*BEFORE, entry("rebuilt/uid-digits/1")], [entry("pod-2/0")])
    again = SqlLedger(url, FakeClock())
    await again.book("uid-digits", BEFORE, [entry("pod-2/0"), entry("pod-3/0")])
    assert await total(again) == 43 * Fraction("26.42")
    await again.close()


async def test_a_job_without_a_past_is_known_from_its_first_pod_on(ledger: SqlLedger) -> None:
    await ledger.book("uid-digits", [], [entry("pod-1/0")])
    # Its status holds that pod by now, and is not told to whoever has it.
    await ledger.book("uid-digits", [entry("rebuilt/uid-digits/0")], [])
    assert await total(ledger) == Fraction("26.42")


async def test_a_pod_that_is_booked_stands_as_it_was_booked_first(ledger: SqlLedger) -> None:
    first = [entry(f"pod-1/{n}", part=Part.USEFUL, hours=n / 32) for n in range(1, 71)]
    first = [replace(it, id=f"pod-1/{n}") for n, it in enumerate(first)]
    await ledger.book("uid-digits", [], first)
    anew = [entry("pod-1/0", part=Part.REWORK), entry("pod-2/0", part=Part.REWORK)]
    assert await ledger.book("uid-digits", [], anew) == first
    assert ("digits", "Rework") in await usd_by_part(ledger)
    assert await ledger.book("uid-digits", [], []) == []


async def test_what_comes_back_is_in_the_sums_whatever_its_age(ledger: SqlLedger) -> None:
    await ledger.forget(NOON + 24 * HOUR)
    await ledger.book("uid-digits", BEFORE, [])
    assert await total(ledger) == 40 * Fraction("26.42")
    assert await ledger.forget(NOON + 24 * HOUR) == 1


async def test_a_ledger_of_an_earlier_version_knows_the_jobs_that_it_has_entries_of(
    ledger: SqlLedger, url: str
) -> None:
    idle = entry("node/0", owner=Owner(Kind.IDLE), part=None)
    await ledger.record([entry("pod-1/0"), idle])
    await ledger.close()
    engine = engines.connect(engines.address(url), writes=True)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE jobs")
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0001'")
    engine.dispose()
    rebuilt: list[str] = []
    again = SqlLedger(url, FakeClock(), lambda: rebuilt.append("job"))
    await again.book("uid-digits", BEFORE, [])
    await again.book("uid-vision", [entry("rebuilt/uid-vision/0")], [])
    assert rebuilt == ["job"]
    assert await total(again) == 3 * Fraction("26.42")
    await again.close()


async def test_a_call_that_fails_has_told_nothing_of_the_job(ledger: SqlLedger) -> None:
    with pytest.raises(ValueError, match="no whole number of billionths"):
        await ledger.book("uid-digits", BEFORE, [entry("a/0", usd_per_hour=Fraction(1, 3))])
    assert not ledger.knows("uid-digits")
    await ledger.book("uid-digits", BEFORE, [])
    assert await total(ledger) == 40 * Fraction("26.42")


async def test_a_ledger_that_is_away_asks_for_no_books() -> None:
    away = SqlLedger("postgresql://qm:secret@127.0.0.1:9/x", FakeClock())
    with pytest.raises(LedgerError):
        await away.open()
    assert away.knows("uid-digits"), "whoever would tell it waits for its next answer"
    await away.close()


WRITER = """
import asyncio, sys
from quartermaster.adapters.clock import SystemClock
from quartermaster.adapters.ledger.store import SqlLedger
from tests.support.ledger import entry

async def main(url):
    ledger = SqlLedger(url, SystemClock())
    number = 0
    while True:
        await ledger.record([entry(f"{number}/{part}") for part in range(3)])
        print(number, flush=True)
        number += 1

asyncio.run(main(sys.argv[1]))
"""


def killed_after(url: str, lines: int) -> int:
    """Let a writer run for so many acknowledgements and kill it; how many it has told of."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, url], stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    told += process.stdout.readlines()
    process.stdout.close()
    process.wait()
    return max(int(line) + 1 for line in told if line.endswith("\n"))


async def test_a_writer_that_is_killed_loses_nothing_acknowledged_and_doubles_nothing(
    url: str,
) -> None:
    acknowledged = max([killed_after(url, lines) for lines in (7, 20, 33)])
    ledger = SqlLedger(url, FakeClock())
    found = [each.id async for each in ledger.entries(NOON, NOON + HOUR)]
    numbers = {int(id_.partition("/")[0]) for id_ in found}
    assert len(found) == len(set(found)) == 3 * len(numbers), "all or nothing"
    assert numbers >= set(range(acknowledged))
    assert await total(ledger) == len(found) * Fraction("26.42")
    await ledger.close()


class TestAFile:
    """What only SQLite knows."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "ledger.db"

    @pytest.fixture
    def damaged(self, path: Path) -> None:
        path.write_bytes(b"no database" * 1000)

    @pytest.mark.usefixtures("damaged")
    async def test_a_damaged_file_is_moved_aside_said_and_begun_anew(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        with caplog.at_level(logging.ERROR):
            await ledger.record([entry("a")])
        assert await total(ledger) == Fraction("26.42")
        aside = [each for each in path.parent.iterdir() if ".damaged-" in each.name]
        assert [each.read_bytes() for each in aside] == [b"no database" * 1000]
        assert "is damaged: kept as" in caplog.text
        await ledger.close()

    async def test_a_file_that_was_deleted_under_it_is_begun_anew(
        self, path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        await ledger.record([entry("a")])
        for each in path.parent.iterdir():
            each.unlink()
        with caplog.at_level(logging.ERROR):
            await ledger.record([entry("b")])
        assert "is gone; a new one is begun" in caplog.text
        await ledger.close()
        again = SqlLedger(f"sqlite:///{path}", FakeClock())
        assert [each.id for each in await listed(again, NOON, NOON + HOUR)] == ["b"]
        await again.close()

    async def test_a_file_that_is_gone_is_missed_by_whoever_asks_or_looks(self, path: Path) -> None:
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        for look in (ledger.open, lambda: total(ledger)):
            await ledger.book("uid-digits", [], [entry("pod-1/0")])
            for each in path.parent.iterdir():
                each.unlink()
            assert ledger.knows("uid-digits"), "nobody has looked"
            assert not await look()
            assert not ledger.knows("uid-digits")
        await ledger.close()

    async def test_pods_and_what_the_status_holds_meet_in_the_file_that_is_there(
        self, path: Path
    ) -> None:
        """The loss is noticed by the call that records the next pod."""
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        await ledger.book("uid-digits", [], [entry("pod-1/0")])
        for each in path.parent.iterdir():
            each.unlink()
        held = [entry("rebuilt/uid-digits/0", began=NOON, ended=NOON)]
        await ledger.book("uid-digits", held, [entry("pod-2/0")])
        assert await total(ledger) == 2 * Fraction("26.42")
        await ledger.close()

    async def test_a_full_disk_is_told_and_the_next_try_works_when_there_is_room(
        self, path: Path
    ) -> None:
        ledger = SqlLedger(f"sqlite:///{path}", FakeClock())
        await ledger.record([entry("a")])
        assert ledger._writer is not None

        def smaller(connection: sa.Connection) -> None:
            connection.exec_driver_sql("PRAGMA max_page_count=1")

        sa.event.listen(ledger._writer, "begin", smaller)
        many = [entry(f"pod-{i}", price_source="x" * 500) for i in range(1000)]
        with pytest.raises(LedgerError, match="full"):
            await ledger.record(many)
        assert await total(ledger) == Fraction("26.42")
        await ledger.record(many)
        assert await total(ledger) == 1001 * Fraction("26.42")
        await ledger.close()


async def test_a_database_that_is_away_is_told_in_one_line_without_its_password() -> None:
    url = "postgresql://qm:hunter2@127.0.0.1:9/ledger"
    ledger = SqlLedger(url, FakeClock())
    with pytest.raises(LedgerError) as told:
        await ledger.record([entry("a")])
    assert "hunter2" not in str(told.value)
    assert "\n" not in str(told.value)
    assert "qm:***@127.0.0.1:9/ledger" in str(told.value)
    await ledger.close()


@pytest.mark.parametrize("url", ["mysql://user:hunter2@host/x", "hunter2", "sqlite://", ""])
def test_another_url_is_refused_with_what_would_be_right(url: str) -> None:
    with pytest.raises(ValueError, match="sqlite:////path") as told:
        SqlLedger(url, FakeClock())
    assert "hunter2" not in str(told.value)
