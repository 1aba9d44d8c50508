"""A price list over real HTTP and from a real file: what is broken changes nothing, and is told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from fractions import Fraction
from pathlib import Path

import pytest
from aiohttp import web

from quartermaster.adapters.prices.feed import SHORTEST_PERIOD_S, PriceFeed, shown
from quartermaster.catalog.prices.price_list import PriceList, Wanted
from quartermaster.catalog.prices.rows import COLUMNS
from quartermaster.domain.cluster import Capacity

GOOD = ",".join(COLUMNS) + "\nours,h100-8x,hall-1,OnDemand,12.5,2026-11-01,our contract\n"
WANTED = Wanted("h100-8x", "hall-1", Capacity.ON_DEMAND)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Reader:
    """What a feed told."""

    def __init__(self, place: str, largest_bytes: int = 10_000) -> None:
        self.lists: list[PriceList] = []
        self.results: list[str] = []
        self.feed = PriceFeed(
            place, 0.0, changed=self.lists.append, counted=self.results.append,
            largest_bytes=largest_bytes,
        )  # fmt: skip

    def price(self) -> Fraction | None:
        found = self.lists[-1].find(WANTED) if self.lists else None
        return found and found.usd_per_hour


@asynccontextmanager
async def serving(answer: Handler) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/prices.csv", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.05)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/prices.csv"
    finally:
        await runner.cleanup()


async def test_a_list_is_read_from_a_url() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=GOOD)

    async with serving(answer) as place:
        reader = Reader(place)
        await reader.feed.once()
    assert (reader.price(), reader.results) == (Fraction("12.5"), ["read"])


async def test_a_list_is_read_from_a_file_and_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "prices.csv"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    reader = Reader(str(file))
    await reader.feed.once()
    assert reader.price() == Fraction("12.5")
    file.write_text(GOOD.replace("12.5", "13"))
    await reader.feed.once()
    assert (reader.price(), reader.results) == (Fraction(13), ["read", "read"])


@pytest.mark.parametrize(
    ("raw", "want"),
    [
        (GOOD.replace("12.5", "-1").encode(), "prices.csv:2: usd_per_hour '-1' is no price"),
        (b"<html>", "prices.csv:1: columns are missing"),
        (b"\xff\xfe", "prices.csv: not text in UTF-8: byte 0 is not"),
        (GOOD.encode() + b" " * 10_000, "prices.csv: more than 10000 bytes"),
        (None, "prices.csv: No such file or directory"),
    ],
)
async def test_a_bad_list_leaves_the_last_good_one_in_force_and_is_told_in_one_line(
    tmp_path: Path, raw: bytes | None, want: str, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text(GOOD)
    reader = Reader(str(file))
    await reader.feed.once()
    if raw is None:
        file.unlink()
    else:
        file.write_bytes(raw)
    with caplog.at_level(logging.WARNING):
        await reader.feed.once()
    assert (reader.price(), reader.results) == (Fraction("12.5"), ["read", "failed"])
    (record,) = caplog.records
    assert want in record.getMessage()
    assert record.exc_info is None


async def failing(_: web.Request) -> web.Response:
    return web.Response(status=503)


async def endless(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for _ in range(1000):
        await response.write(b"x" * 1000)
    return response


@pytest.mark.parametrize(
    ("answer", "want"), [(failing, "status 503"), (endless, "more than 10000 bytes")]
)
async def test_an_answer_that_is_none_is_told(
    answer: Handler, want: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        async with serving(answer) as place:
            reader = Reader(place)
            await reader.feed.once()
    assert (reader.lists, reader.results) == ([], ["failed"])
    assert want in caplog.text


async def test_nobody_at_home_is_told_without_what_the_url_keeps_secret(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = Reader("http://ann:secret@127.0.0.1:9/prices.csv?token=secret")
    with caplog.at_level(logging.WARNING):
        await reader.feed.once()
    assert reader.results == ["failed"]
    assert "http://127.0.0.1:9/prices.csv" in caplog.text
    assert "secret" not in caplog.text


def test_a_place_is_shown_without_names_passwords_and_queries() -> None:
    assert shown("https://a:b@x.example:8443/p.csv?sig=s#f") == "https://x.example:8443/p.csv"
    assert shown("/etc/prices.csv") == "/etc/prices.csv"


async def test_it_is_not_read_more_often_than_that() -> None:
    """A period of no hours would ask for ever."""
    reader = Reader("/nowhere")
    task = asyncio.create_task(reader.feed.run())
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert reader.results == []
    assert SHORTEST_PERIOD_S >= 60
