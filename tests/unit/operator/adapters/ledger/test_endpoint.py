"""`/ledger` and the export, over real HTTP and files."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from quartermaster.__main__ import main
from quartermaster.adapters.ledger.endpoint import LedgerEndpoint
from quartermaster.adapters.ledger.store import SqlLedger
from tests.support.ledger import HOUR, JOB, NOON, entry
from tests.support.memory import FakeClock

NOVEMBER = {"since": "2026-11-01", "until": "2026-12-01"}
Client = TestClient[web.Request, web.Application]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.fixture
async def ledger(url: str) -> AsyncIterator[SqlLedger]:
    made = SqlLedger(url, FakeClock())
    yield made
    await made.close()


def client(ledger: SqlLedger | None, leading: Callable[[], bool] = lambda: True) -> Client:
    endpoint = LedgerEndpoint(ledger, leading)
    application = web.Application()
    application.add_routes(
        [web.get("/ledger", endpoint.sums), web.get("/ledger/entries", endpoint.entries)]
    )
    return TestClient(TestServer(application))


async def test_sums_are_told_by_dimension(ledger: SqlLedger) -> None:
    await ledger.record([entry("a"), entry("b", hours=24)])
    async with client(ledger) as http:
        answer = await http.get("/ledger", params={**NOVEMBER, "by": "namespace,day"})
        told = await answer.json()
    assert told["by"] == ["namespace", "day"]
    assert [line["key"] for line in told["lines"]] == [
        ["team-a", "2026-11-01"], ["team-a", "2026-11-02"],
    ]  # fmt: skip
    assert told["lines"][1]["usd"] == "317.040000000000"


async def test_entries_come_as_csv_in_both_formats(ledger: SqlLedger) -> None:
    await ledger.record([entry(f"pod-{i}", hours=24) for i in range(3)])
    async with client(ledger) as http:
        for form, rows in (("focus", 6), ("csv", 3)):
            answer = await http.get("/ledger/entries", params={**NOVEMBER, "format": form})
            found = list(csv.DictReader(io.StringIO(await answer.text())))
            assert len(found) == rows
            assert answer.content_type == "text/csv"


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ({}, "since and until should be days"),
        ({"since": "2026-11-01", "until": "soon"}, "since and until should be days"),
        ({**NOVEMBER, "by": "colour"}, "by=colour should be of day, kind, namespace"),
    ],
)
async def test_a_wrong_question_is_answered_in_one_line(
    ledger: SqlLedger, query: dict[str, str], want: str
) -> None:
    async with client(ledger) as http:
        answer = await http.get("/ledger", params=query)
        assert answer.status == 400
        assert want in await answer.text()


async def test_a_standby_and_an_operator_without_a_ledger_say_so(ledger: SqlLedger) -> None:
    async with client(ledger, lambda: False) as http:
        assert (await http.get("/ledger", params=NOVEMBER)).status == 503
    async with client(None) as http:
        answer = await http.get("/ledger", params=NOVEMBER)
        assert (answer.status, await answer.text()) == (
            404, "no ledger is kept: QM_LEDGER_URL is not set\n",
        )  # fmt: skip


async def test_a_store_that_is_away_is_told_without_its_password() -> None:
    ledger = SqlLedger("postgresql://qm:hunter2@127.0.0.1:9/x", FakeClock())
    async with client(ledger) as http:
        for path in ("/ledger", "/ledger/entries"):
            answer = await http.get(path, params=NOVEMBER)
            assert answer.status == 503
            assert "hunter2" not in await answer.text()
    await ledger.close()


async def test_a_name_that_looks_like_a_formula_stays_text(ledger: SqlLedger) -> None:
    from dataclasses import replace

    await ledger.record([entry("a", owner=replace(JOB, queue="=1+1"))])
    async with client(ledger) as http:
        answer = await http.get("/ledger/entries", params={**NOVEMBER, "format": "csv"})
        assert ",'=1+1," in await answer.text()


@pytest.fixture
async def filled(ledger: SqlLedger) -> None:
    await ledger.record([entry("a"), entry("b", began=NOON + HOUR, ended=NOON + 2 * HOUR)])


@pytest.mark.usefixtures("filled")
def test_the_command_exports_what_the_operator_has_recorded(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("QM_LEDGER_URL", url)
    days = ["--since", "2026-11-01", "--until", "2026-11-02"]
    assert main(["ledger", "export", *days]) == 0
    found = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["x_EntryId"] for row in found] == ["a", "b"]


def test_the_command_says_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    days = ["--since", "2026-11-01", "--until", "2026-11-02"]
    assert main(["ledger", "export", *days]) == 2
    assert "set QM_LEDGER_URL" in capsys.readouterr().err
