"""The operator's HTTP: progress from workers, health for the kubelet, metrics for Prometheus."""

import asyncio
import json
import logging
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from aiohttp import web

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.kube import KubeClient
from quartermaster.api import meta
from quartermaster.domain.progress import Report
from quartermaster.errors import ClusterError

logger = logging.getLogger(__name__)

MAX_BODY = 16 * 1024
MIN_INTERVAL = timedelta(seconds=1)
"""A trainer reports every 2 s; one that reports faster than this is told to slow down."""
LAST_WORDS = {"Saving", "Done"}
"""States that a worker tells before it ends: that it begins to save, and what it has saved."""
TOKEN_CACHE_TIME = timedelta(minutes=5)
TOKEN_CACHE_SIZE = 4096

ReadReport = Callable[[object, datetime], Report | None]
FindJob = Callable[[str], "JobAddress | None"]


@dataclass(frozen=True, slots=True)
class JobAddress:
    """The job that a pod works for."""

    uid: str
    namespace: str
    name: str


class TokenReviewer:
    """Whose token this is, asked of the API server and remembered for a while."""

    def __init__(self, client: KubeClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: OrderedDict[str, tuple[datetime, str]] = OrderedDict()

    async def pod_uid(self, token: str, audience: str) -> str | None:
        """The uid of the pod that the token was made for; None where it is not valid here.

        Raises:
            ClusterError: The API server did not answer.
        """
        now = self._clock.now()
        digest = sha256(f"{audience}\0{token}".encode()).hexdigest()
        known = self._known.get(digest)
        if known is not None and now - known[0] < TOKEN_CACHE_TIME:
            return known[1]
        review = await self._client.review_token(
            {
                "apiVersion": "authentication.k8s.io/v1",
                "kind": "TokenReview",
                "spec": {"token": token, "audiences": [audience]},
            }
        )
        status = review.get("status") or {}
        if not status.get("authenticated") or audience not in (status.get("audiences") or ()):
            return None
        extra = (status.get("user") or {}).get("extra") or {}
        uids = extra.get("authentication.kubernetes.io/pod-uid") or [""]
        self._known[digest] = (now, uids[0])
        while len(self._known) > TOKEN_CACHE_SIZE:
            self._known.popitem(last=False)
        return str(uids[0])


class ProgressEndpoint:
    """`POST /v1/progress`: takes a worker's report of its own job, and of no other."""

    def __init__(  # noqa: PLR0913 - one argument a port
        self,
        reviewer: TokenReviewer,
        find_job: FindJob,
        read: ReadReport,
        *,
        clock: Clock,
        leading: Callable[[], bool],
        accepted: Callable[[str], None],
        answered: Callable[[int], None],
        expected: Callable[[str], float | None] = lambda _: None,
    ) -> None:
        self._reviewer = reviewer
        self._find_job = find_job
        self._read = read
        self._clock = clock
        self._leading = leading
        self._accepted = accepted
        self._answered = answered
        self._expected = expected
        self._reports: dict[str, Report] = {}
        self._taken: dict[str, dict[str, list[datetime]]] = {}

    def last(self, job_uid: str) -> Report | None:
        """The last report of a job."""
        return self._reports.get(job_uid)

    def forget(self, job_uid: str) -> None:
        """The job is gone."""
        self._reports.pop(job_uid, None)
        self._taken.pop(job_uid, None)

    async def handle(self, request: web.Request) -> web.Response:
        """Answer one report, with how long runs last on average where it is, if that is known."""
        status, told = await self._take(request)
        if status == 204 and (mean_s := self._expected(told)) is not None:
            status = 200
            self._answered(status)
            return web.json_response({"meanSecondsBetweenInterruptions": round(mean_s, 1)})
        self._answered(status)
        if status == 204:
            return web.Response(status=204)
        return web.json_response({"error": told}, status=status)

    async def _take(self, request: web.Request) -> tuple[int, str]:
        """The status, and what is wrong or, of a report that was taken, whose it was."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            return 401, "send the projected token as Authorization: Bearer TOKEN"
        try:
            report = self._read(json.loads(await request.read()), self._clock.now())
        except web.HTTPRequestEntityTooLarge:
            return 413, f"a report is at most {MAX_BODY} bytes"
        except (ValueError, RecursionError):
            report = None
        if report is None:
            return 400, "send a JSON object with schemaVersion 1 and a whole number as step"
        job, refusal = await self._authorised(token)
        if job is None:
            return refusal
        if self._too_fast(job.uid, report):
            return 429, "at most one report in 2 s"
        self._reports[job.uid] = report
        self._accepted(job.uid)
        return 204, job.uid

    def _too_fast(self, job_uid: str, report: Report) -> bool:
        """Whether it follows another too soon; a worker's last words wait for none before them.

        A worker does not end before they are taken, and a node that is about to go does not wait.
        """
        last = report.state in LAST_WORDS
        of_its_kind = self._taken.setdefault(job_uid, {}).setdefault(
            report.state if last else "", []
        )
        of_its_kind[:] = [at for at in of_its_kind if report.received - at < MIN_INTERVAL]
        if len(of_its_kind) > last:
            return True
        of_its_kind.append(report.received)
        return False

    def _stranger(self) -> tuple[int, str]:
        if not self._leading():
            return 503, "this replica is a standby; the next try may reach the leader"
        return 404, "the pod belongs to no TrainingJob that is known here"

    async def _authorised(self, token: str) -> tuple[JobAddress | None, tuple[int, str]]:
        audience = claimed_audience(token)
        if audience is None:
            return None, (401, "the token is not one that was made for reporting progress")
        try:
            pod_uid = await self._reviewer.pod_uid(token, audience)
        except ClusterError as error:
            logger.info("token not reviewed: %s", error)
            return None, (503, "the API server does not answer; try again")
        if pod_uid is None:
            return None, (401, f"the token is not valid for {audience}")
        job = self._find_job(pod_uid)
        if job is None:
            return None, self._stranger()
        if meta.token_audience(job.namespace, job.name) != audience:
            return None, (403, "the token belongs to another job's pod")
        return job, (204, "")


def claimed_audience(token: str) -> str | None:
    """The audience that a token says it is for, unverified; the API server verifies it next."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        audiences = claims["aud"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return None
    listed = [audiences] if isinstance(audiences, str) else audiences
    if not isinstance(listed, list):
        return None
    ours = (a for a in listed if isinstance(a, str) and a.startswith(meta.TOKEN_AUDIENCE_PREFIX))
    return next(ours, None)


Probe = Callable[[], str | None]
"""None when all is well, else what is wrong."""


def health(probe: Probe) -> Callable[[web.Request], "asyncio.Future[web.Response]"]:
    """A handler that answers 200 or 503 with the reason."""

    async def handle(_: web.Request) -> web.Response:
        wrong = probe()
        return web.Response(status=200 if wrong is None else 503, text=wrong or "ok")

    return handle  # type: ignore[return-value]  # a coroutine function, as aiohttp wants it


async def serve(port: int, routes: list[web.RouteDef]) -> web.AppRunner:
    """Serve these routes on all addresses until the runner is cleaned up."""
    application = web.Application(client_max_size=MAX_BODY)
    application.add_routes(routes)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104 - the pod's own address
    return runner
