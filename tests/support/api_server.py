"""A little API server on the loopback: one resource to list and watch, and what a test scripts."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from quartermaster.adapters.kube import KubeClient

Json = dict[str, Any]


def item(name: str, version: int) -> Json:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata}


@dataclass
class LittleServer:
    """Lists `objects` in pages of two; each watch plays the next script, then stays open."""

    objects: dict[str, Json] = field(default_factory=dict)
    version: int = 1
    scripts: list[list[Any]] = field(default_factory=list)
    """For each watch: events, a status code to answer with, something to call, or "cut" to break
    the connection."""
    list_errors: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    reviews: dict[str, Json] = field(default_factory=dict)
    """The status of a TokenReview by token."""

    def put(self, *names: str) -> None:
        for name in names:
            self.version += 1
            self.objects[name] = item(name, self.version)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        self.requests.append((request.method, request.path, query))
        if request.path.endswith("/tokenreviews"):
            return self._review(await request.json())
        if request.method != "GET":
            return web.json_response(await request.json())
        if query.get("watch"):
            return await self._watch(request)
        if self.list_errors:
            code = self.list_errors.pop(0)
            return web.json_response({"reason": "Scripted", "message": "no"}, status=code)
        return self._list(query)

    def _review(self, body: Json) -> web.Response:
        status = self.reviews.get(body["spec"]["token"], {"authenticated": False})
        if "code" in status:
            return web.json_response({}, status=status["code"])
        return web.json_response({**body, "status": status})

    def _list(self, query: dict[str, str]) -> web.Response:
        everything = [self.objects[name] for name in sorted(self.objects)]
        start = int(query.get("continue", "0"))
        page, more = everything[start : start + 2], start + 2 < len(everything)
        metadata = {"resourceVersion": str(self.version)}
        if more:
            metadata["continue"] = str(start + 2)
        return web.json_response({"metadata": metadata, "items": page})

    async def _watch(self, request: web.Request) -> web.StreamResponse:
        script = self.scripts.pop(0) if self.scripts else []
        while script and callable(script[0]):
            script.pop(0)()
        if script and isinstance(script[0], int):
            return web.json_response({"reason": "Gone", "message": "too old"}, status=script[0])
        response = web.StreamResponse()
        await response.prepare(request)
        for event in script:
            if callable(event):
                event()
                continue
            if event == "cut":
                assert request.transport is not None
                request.transport.abort()
                return response
            if event == "end":
                return response
            await response.write(json.dumps(event).encode() + b"\n")
        await asyncio.sleep(30)
        return response


def event(kind: str, body: Json) -> Json:
    return {"type": kind, "object": body}


@asynccontextmanager
async def serving(
    server: LittleServer,
    may_write: Callable[[], bool] = lambda: True,
    failed: Callable[[int | None], None] = lambda _: None,
) -> AsyncIterator[KubeClient]:
    """A client of the server, while it runs."""
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.05)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert site._server is not None
    port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]  # asyncio's own
    configuration = Configuration()
    configuration.host = f"http://127.0.0.1:{port}"
    api = ApiClient(configuration=configuration)
    try:
        yield KubeClient(api, may_write, lambda verb, path: None, failed)
    finally:
        await api.close()  # type: ignore[no-untyped-call]
        await runner.cleanup()
