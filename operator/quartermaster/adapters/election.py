"""Who may write: one Lease, held by the leader.

The official client's election keeps the Lease. Beside it stands a fence: a leader that was frozen,
or cut off, past its lease may have a successor already, so its writes are refused from the moment
at which the lease could have run out, whether it knows that or not.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.client.models.v1_lease import V1Lease
from kubernetes.aio.client.models.v1_object_meta import V1ObjectMeta
from kubernetes.aio.leaderelection.electionconfig import Config
from kubernetes.aio.leaderelection.leaderelection import LeaderElection
from kubernetes.aio.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.aio.leaderelection.resourcelock.leaselock import LeaseLock
from typing_extensions import override

logger = logging.getLogger(__name__)

LEASE_SECONDS = 15
RENEW_SECONDS = 10
RETRY_SECONDS = 2
REQUEST_SECONDS = 5.0
MARGIN_SECONDS = 1.0
"""Taken off the lease, for the time that a write is on its way."""


class FencedLock(LeaseLock):
    """A Lease that remembers when it was last renewed, by a clock that counts frozen time too."""

    renewed: float | None = None

    @override
    async def create(
        self, name: str, namespace: str, election_record: LeaderElectionRecord
    ) -> bool:
        """Make the Lease, and hold it; the library's own call is refused by its own validation."""
        body = V1Lease(metadata=V1ObjectMeta(name=name), spec=self.update_lease(election_record))
        try:
            return await self._timed(self._post(namespace, body))
        except ApiException as error:
            logger.warning("lease %s not made, again: %s", name, error.reason)
            return False

    async def _post(self, namespace: str, body: V1Lease) -> bool:
        await self.api_instance.create_namespaced_lease(namespace, body)
        return True

    @override
    async def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        """Take or renew the Lease."""
        return await self._timed(super().update(name, namespace, updated_record))

    @override
    async def get(
        self, name: str, namespace: str
    ) -> tuple[bool, LeaderElectionRecord] | tuple[bool, Exception] | tuple[bool, None]:
        """Read the Lease; an API server that does not answer is a refusal, not the end."""
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await super().get(name, namespace)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return False, ApiException(status=0, reason=repr(error))

    async def _timed(self, attempt: Awaitable[bool]) -> bool:
        # From before the request: the lease runs from when the server saw it, which is later.
        began = time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                done = await attempt
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("lease %s not renewed, again: %r", self.name, error)
            return False
        if done:
            self.renewed = began
        return done

    async def give_up(self) -> None:
        """Leave the Lease without a holder, if it is still ours."""
        found, _ = await self.get(self.name, self.namespace)
        lease = self.lease_reference
        if not found or lease is None or lease.spec is None:
            return
        if lease.spec.holder_identity != self.identity:
            return
        lease.spec.holder_identity = None
        async with asyncio.timeout(REQUEST_SECONDS):
            await self.api_instance.replace_namespaced_lease(
                name=self.name, namespace=self.namespace, body=lease
            )

    def valid(self) -> bool:
        """Whether nobody else can hold the Lease."""
        if self.renewed is None:
            return False
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - self.renewed
        return age < LEASE_SECONDS - MARGIN_SECONDS


class Leadership:
    """Runs something while this process holds the Lease."""

    def __init__(self, api: ApiClient, *, name: str, namespace: str, identity: str) -> None:
        self._lock = FencedLock(name, namespace, identity, api)
        self.leading = False
        self._unchallenged = False

    def may_write(self) -> bool:
        """Whether a write is certain not to meet another leader's."""
        return self.leading and (self._unchallenged or self._lock.valid())

    def lead_unchallenged(self) -> None:
        """Lead without a Lease: for a single process on a developer's machine."""
        self.leading = self._unchallenged = True

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for the Lease, run `lead`, and return when it ends or the Lease is lost.

        Raises:
            Exception: Whatever ended `lead`, or the election itself.
        """
        finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        leading: list[asyncio.Task[None]] = []

        async def started() -> None:
            leading.extend(task for task in (asyncio.current_task(),) if task is not None)
            self.leading = True
            logger.info("holding lease %s", self._lock.name)
            try:
                await lead()
            except Exception as error:  # noqa: BLE001 - raised again by whoever waits
                finished.set_exception(error)
            else:
                finished.set_result(None)

        async def stopped() -> None:
            logger.error("lease %s was lost", self._lock.name)

        election = LeaderElection(
            Config(
                self._lock,
                lease_duration=LEASE_SECONDS,
                renew_deadline=RENEW_SECONDS,
                retry_period=RETRY_SECONDS,
                onstarted_leading=started,
                onstopped_leading=stopped,
            )
        )
        holding = asyncio.create_task(election.run(), name="election")
        try:
            await asyncio.wait({holding, finished}, return_when=asyncio.FIRST_COMPLETED)
            for end in (finished, holding):
                if end.done():
                    end.result()
        finally:
            self.leading = False
            # The library leaves what it started running when it is cancelled itself.
            for task in (holding, *leading):
                task.cancel()
            await asyncio.gather(holding, *leading, return_exceptions=True)

    async def hand_over(self) -> None:
        """Give the Lease up, so that a successor need not wait for it to run out."""
        if not self._lock.valid():
            return
        try:
            await self._lock.give_up()
        except Exception:
            logger.debug("lease not handed over", exc_info=True)
