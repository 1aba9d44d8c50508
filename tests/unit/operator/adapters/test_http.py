"""The progress endpoint over real HTTP, with an API server that knows some tokens."""

import json
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from quartermaster.adapters.http import (
    MAX_BODY,
    JobAddress,
    ProgressEndpoint,
    TokenReviewer,
    claimed_audience,
    health,
    serve,
)
from quartermaster.reconcile.progress import read_report
from tests.support.api_server import LittleServer, serving
from tests.support.memory import FakeClock

AUDIENCE = "quartermaster.dev/team/job"
GOOD = {"schemaVersion": 1, "state": "Training", "step": 1, "totalSteps": 9}


def token(audience: Any = AUDIENCE, name: str = "a") -> str:
    claims = urlsafe_b64encode(json.dumps({"aud": audience, "name": name}).encode()).decode()
    return f"head.{claims.rstrip('=')}.signature"


def valid(pod_uid: str, audience: str = AUDIENCE) -> dict[str, Any]:
    extra = {"authentication.kubernetes.io/pod-uid": [pod_uid]}
    return {"authenticated": True, "audiences": [audience], "user": {"extra": extra}}


@dataclass
class Door:
    """The endpoint as a worker finds it."""

    url: str
    endpoint: ProgressEndpoint
    clock: FakeClock
    session: aiohttp.ClientSession
    accepted: list[str] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)

    async def post(self, body: Any = GOOD, bearer: str | None = None, **headers: str) -> int:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        told = {"Authorization": f"Bearer {bearer or token()}", **headers}
        async with self.session.post(f"{self.url}/v1/progress", data=data, headers=told) as got:
            text = await got.text()
            assert (got.status == 204) == (text == "")
            return got.status


@asynccontextmanager
async def door(
    reviews: dict[str, Any], port: int, *, leading: bool = True, mean_s: float | None = None
) -> AsyncIterator[tuple[Door, LittleServer]]:
    jobs = {"pod-0": JobAddress("uid-job", "team", "job")}
    server, clock = LittleServer(reviews=reviews), FakeClock()
    accepted: list[str] = []
    answered: list[int] = []
    async with (
        serving(server, may_write=lambda: False) as client,
        aiohttp.ClientSession() as session,
    ):
        endpoint = ProgressEndpoint(
            TokenReviewer(client, clock),
            jobs.get,
            read_report,
            clock=clock,
            leading=lambda: leading,
            accepted=accepted.append,
            answered=answered.append,
            expected={"uid-job": mean_s}.get,
        )
        probe = iter(["a watcher is dead", None])
        routes = [
            web.post("/v1/progress", endpoint.handle),
            web.get("/healthz", health(lambda: next(probe))),
        ]
        runner = await serve(port, routes)
        try:
            url = f"http://127.0.0.1:{port}"
            yield Door(url, endpoint, clock, session, accepted, answered), server
        finally:
            await runner.cleanup()


REVIEWS = {
    token(): valid("pod-0"),
    token(name="gone"): valid("pod-of-nobody"),
    token(name="lied"): valid("pod-0", "quartermaster.dev/team/other"),
    token("quartermaster.dev/team/other"): valid("pod-0", "quartermaster.dev/team/other"),
    token(name="sick"): {"code": 500},
}


async def test_who_reports_from_spot_is_told_how_long_it_lasts(unused_tcp_port: int) -> None:
    async with door(REVIEWS, unused_tcp_port, mean_s=12_180.04) as (it, _):
        headers = {"Authorization": f"Bearer {token()}"}
        body = {"schemaVersion": 1, "step": 1}
        async with it.session.post(f"{it.url}/v1/progress", json=body, headers=headers) as answer:
            assert answer.status == 200
            assert await answer.json() == {"meanSecondsBetweenInterruptions": 12180.0}


async def test_a_report_is_taken_and_the_job_looked_at(unused_tcp_port: int) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, server):
        assert await it.post() == 204
        last = it.endpoint.last("uid-job")
        assert last is not None
        assert last.step == 1
        assert it.accepted == ["uid-job"]
        assert it.answered == [204]
        it.clock.advance(2)
        assert await it.post(GOOD | {"step": 2}) == 204
        assert len(server.requests) == 1, "a token that is known is not reviewed again"
        it.clock.advance(301)
        assert await it.post() == 204
        assert len(server.requests) == 2
        it.endpoint.forget("uid-job")
        assert it.endpoint.last("uid-job") is None


@pytest.mark.parametrize(
    ("body", "bearer", "want"),
    [
        pytest.param(b"{", token(), 400, id="no JSON"),
        pytest.param(b"[" * 10_000, token(), 400, id="deep JSON"),
        pytest.param(b"\xff\xfe", token(), 400, id="no text"),
        pytest.param([], token(), 400, id="no object"),
        pytest.param({"schemaVersion": 2, "step": 1}, token(), 400, id="another version"),
        pytest.param({"schemaVersion": 1}, token(), 400, id="no step"),
        pytest.param(GOOD, "nonsense", 401, id="no token of ours"),
        pytest.param(GOOD, "a.b.c", 401, id="no claims"),
        pytest.param(GOOD, token("https://kubernetes.default.svc"), 401, id="another audience"),
        pytest.param(GOOD, token(name="forged"), 401, id="a token that is not valid"),
        pytest.param(GOOD, token(name="lied"), 401, id="valid for another audience"),
        pytest.param(GOOD, token("quartermaster.dev/team/other"), 403, id="another job's"),
        pytest.param(GOOD, token(name="gone"), 404, id="a pod of no job"),
        pytest.param(b" " * (MAX_BODY + 1), token(), 413, id="too large"),
        pytest.param(GOOD, token(name="sick"), 503, id="the API server is sick"),
    ],
)
async def test_what_is_refused_and_how(
    unused_tcp_port: int, body: Any, bearer: str, want: int
) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, _):
        assert await it.post(body, bearer) == want
        assert it.answered == [want]
        assert it.accepted == []
        assert it.endpoint.last("uid-job") is None


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcg==", token()])
async def test_without_a_bearer_token_nothing_is_read(unused_tcp_port: int, header: str) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, server):
        assert await it.post(Authorization=header) == 401
        assert server.requests == []


async def test_a_standby_sends_the_worker_to_the_leader(unused_tcp_port: int) -> None:
    async with door(REVIEWS, unused_tcp_port, leading=False) as (it, _):
        assert await it.post(GOOD, token(name="gone")) == 503


async def test_what_a_worker_saves_at_its_end_is_not_kept_back_by_its_last_step(
    unused_tcp_port: int,
) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, _):
        assert await it.post(GOOD | {"state": "Training"}) == 204
        it.clock.advance(0.1)
        assert await it.post(GOOD | {"state": "Saving"}) == 204
        it.clock.advance(0.1)
        assert await it.post(GOOD | {"state": "Saving"}) == 204
        assert await it.post(GOOD | {"state": "Saving"}) == 429
        assert await it.post(GOOD | {"state": "Training"}) == 429
        it.clock.advance(1.0)
        assert await it.post(GOOD | {"state": "Saving"}) == 204
        it.endpoint.forget("uid-job")
        assert await it.post(GOOD | {"state": "Saving"}) == 204


async def test_too_fast_is_told_and_the_last_report_is_never_too_fast(
    unused_tcp_port: int,
) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, _):
        assert await it.post() == 204
        it.clock.advance(0.5)
        assert await it.post(GOOD | {"step": 2}) == 429
        last = it.endpoint.last("uid-job")
        assert last is not None
        assert last.step == 1
        assert await it.post(GOOD | {"state": "Done", "step": 9}) == 204


async def test_health_tells_what_is_wrong(unused_tcp_port: int) -> None:
    async with door(REVIEWS, unused_tcp_port) as (it, _):
        async with it.session.get(f"{it.url}/healthz") as got:
            assert (got.status, await got.text()) == (503, "a watcher is dead")
        async with it.session.get(f"{it.url}/healthz") as got:
            assert (got.status, await got.text()) == (200, "ok")


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (token(), AUDIENCE),
        (token(["https://x", AUDIENCE]), AUDIENCE),
        (token([3, None]), None),
        (token({"a": 1}), None),
        (token(None), None),
        ("", None),
        ("a.%%%.c", None),
        ("a." + urlsafe_b64encode(b"[1]").decode() + ".c", None),
        ("a." + urlsafe_b64encode(b"[" * 5000).decode() + ".c", None),
        ("a." + urlsafe_b64encode(b"\xff\xff").decode() + ".c", None),
        ("ä.ö.ü", None),
    ],
)
def test_the_audience_that_a_token_claims(text: str, want: str | None) -> None:
    assert claimed_audience(text) == want
