"""List and watch against a real HTTP server that breaks in every way that a real one does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from quartermaster.adapters.cache import Cache
from quartermaster.adapters.informer import Informer
from quartermaster.adapters.kube import ApiError, FencedError
from quartermaster.errors import ClusterError
from tests.support.api_server import LittleServer, event, item, serving

PATH = "/api/v1/things"


@asynccontextmanager
async def watching(server: LittleServer) -> AsyncIterator[Cache[str]]:
    """A cache of names that an informer keeps."""
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["name"]), ignore)
    async with serving(server) as client:
        task = asyncio.create_task(Informer(client, PATH, cache, selector="ours").run())
        try:
            yield cache
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def ignore(value: Any, /, *, present: bool) -> None:
    """Nobody needs to know."""


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.002)


def names(cache: Cache[str]) -> list[str]:
    return sorted(cache.values())


async def test_all_pages_are_listed_and_changes_followed() -> None:
    server = LittleServer()
    server.put("a", "b", "c", "d", "e")
    server.scripts = [
        [event("ADDED", item("f", 10)), event("DELETED", item("a", 11))],
    ]
    async with watching(server) as cache:
        await until(lambda: names(cache) == ["b", "c", "d", "e", "f"])
    queries = [query for _, _, query in server.requests]
    assert [query.get("continue") for query in queries[:3]] == [None, "2", "4"]
    assert all(query["labelSelector"] == "ours" for query in queries)


@pytest.mark.parametrize(
    "script",
    [
        [410],
        [event("ERROR", {"code": 410, "reason": "Expired", "message": "too old"})],
        [event("ERROR", {"code": 500, "message": "etcd is sad"})],
        ["cut"],
        [503],
    ],
    ids=["410 answered", "410 sent", "500 sent", "cut", "503 answered"],
)
async def test_what_was_deleted_in_a_gap_is_gone_after_it(script: list[Any]) -> None:
    server = LittleServer()
    server.put("ghost", "stays")

    def gap() -> None:
        del server.objects["ghost"]
        server.put("new")

    server.scripts = [[gap, *script]]
    async with watching(server) as cache:
        await until(lambda: names(cache) == ["new", "stays"])


async def test_a_watch_goes_on_from_its_last_bookmark_without_a_new_list() -> None:
    server = LittleServer()
    server.put("a")
    server.scripts = [
        [event("BOOKMARK", item("", 77)), "end"],
        [event("ADDED", item("b", 80))],
    ]
    async with watching(server) as cache:
        await until(lambda: names(cache) == ["a", "b"])
    watches = [query for _, _, query in server.requests if query.get("watch")]
    assert [watch["resourceVersion"] for watch in watches] == ["2", "77"]
    assert sum(1 for _, _, query in server.requests if not query.get("watch")) == 1


async def test_a_list_that_fails_is_tried_again() -> None:
    server = LittleServer(list_errors=[500, 403])
    server.put("a")
    async with watching(server) as cache:
        await until(lambda: names(cache) == ["a"])


@pytest.mark.parametrize("code", [403, 404])
async def test_a_resource_that_may_be_missing_holds_nobody_up(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    server = LittleServer(list_errors=[code])
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["name"]), ignore)
    cache.put(item("gone", 1))
    async with serving(server) as client:
        informer = Informer(client, PATH, cache, optional=True)
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(5):
            await informer.synced.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert names(cache) == []
    assert len(server.requests) == 1, "it is not asked for again and again"
    assert ("may not be read" in caplog.text) is (code == 403)


async def test_a_resource_that_may_be_missing_is_followed_where_it_is_there() -> None:
    server = LittleServer(list_errors=[500])
    server.put("a")
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["name"]), ignore)
    async with serving(server) as client:
        task = asyncio.create_task(Informer(client, PATH, cache, optional=True).run())
        await until(lambda: names(cache) == ["a"])
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_of_any_size_come_whole() -> None:
    big = item("big", 9)
    big["metadata"]["annotations"] = {"note": "x" * 1_000_000}
    server = LittleServer(scripts=[[event("ADDED", big)]])
    async with watching(server) as cache:
        await until(lambda: names(cache) == ["big"])


async def test_a_fenced_client_sends_nothing() -> None:
    server = LittleServer()
    async with serving(server, may_write=lambda: False) as client:
        for attempt in (
            client.create(PATH, {}),
            client.patch(PATH, [], "application/json-patch+json"),
            client.delete(PATH),
        ):
            with pytest.raises(FencedError, match="not the leader"):
                await attempt
    assert server.requests == []


async def test_a_refusal_keeps_the_servers_words() -> None:
    server = LittleServer(list_errors=[404])
    async with serving(server) as client:
        with pytest.raises(ApiError, match="404 Scripted: no"):
            await client.get(PATH)


async def test_a_server_that_is_not_there_is_a_cluster_error() -> None:
    async with serving(LittleServer()) as client:
        client._api.configuration.host = "http://127.0.0.1:9"
        with pytest.raises(ClusterError):
            await client.get(PATH)


async def test_whether_a_resource_is_watched_and_when_it_was_heard_is_told() -> None:
    server = LittleServer()
    server.put("a")
    # The list after the cut fails too, so that it is down for as long as somebody may look away.
    server.scripts = [
        [event("ADDED", item("b", 10)), lambda: server.list_errors.append(503), "cut"]
    ]
    heard: list[str] = []
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["name"]), ignore)
    async with serving(server) as client:
        informer = Informer(client, PATH, cache, heard=heard.append)
        assert informer.up is None
        task = asyncio.create_task(informer.run())
        await until(lambda: "b" in names(cache))
        await until(lambda: informer.up is False)
        assert heard == ["things", "things"]
        await until(lambda: informer.up is True)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_resource_that_is_not_there_is_not_missed() -> None:
    server = LittleServer(list_errors=[404])
    cache: Cache[str] = Cache(lambda document: str(document["metadata"]["name"]), ignore)
    async with serving(server) as client:
        informer = Informer(client, PATH, cache, optional=True)
        task = asyncio.create_task(informer.run())
        async with asyncio.timeout(5):
            await informer.synced.wait()
        assert informer.up is None
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_refusals_are_counted_by_status_and_silence_as_none() -> None:
    failed: list[int | None] = []
    server = LittleServer(list_errors=[503], scripts=[["cut"]])
    async with serving(server, failed=failed.append) as client:
        with pytest.raises(ApiError):
            await client.get(PATH)
        await client.get(PATH)
        assert failed == [503]
        with pytest.raises(ClusterError):
            await anext(client.watch(PATH, {}, 5.0))
    assert failed == [503, None]
