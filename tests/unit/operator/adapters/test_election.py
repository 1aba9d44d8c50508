"""The fence: a leader whose lease could have run out writes nothing."""

import time

import pytest
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration

from quartermaster.adapters.election import (
    LEASE_SECONDS,
    MARGIN_SECONDS,
    FencedLock,
    Leadership,
)
from quartermaster.adapters.kube import FencedError, KubeClient


def now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize(
    ("age", "want"),
    [
        (0.0, True),
        (LEASE_SECONDS - MARGIN_SECONDS - 1, True),
        (LEASE_SECONDS - MARGIN_SECONDS, False),
        (LEASE_SECONDS, False),
        (3600.0, False),
    ],
)
async def test_a_lock_is_valid_until_its_lease_could_run_out(age: float, *, want: bool) -> None:
    async with ApiClient(configuration=Configuration()) as api:
        lock = FencedLock("lease", "system", "me", api)
        assert not lock.valid()
        lock.renewed = now() - age
        assert lock.valid() is want


async def test_a_leader_that_was_frozen_past_its_lease_writes_nothing() -> None:
    async with ApiClient(configuration=Configuration()) as api:
        leadership = Leadership(api, name="lease", namespace="system", identity="me")
        counted: list[str] = []
        client = KubeClient(api, leadership.may_write, lambda verb, path: counted.append(verb))
        leadership.leading = True
        leadership._lock.renewed = now() - LEASE_SECONDS
        with pytest.raises(FencedError):
            await client.create("/api/v1/pods", {})
        assert counted == []


async def test_who_has_not_been_elected_may_not_write_though_the_lock_is_fresh() -> None:
    async with ApiClient(configuration=Configuration()) as api:
        leadership = Leadership(api, name="lease", namespace="system", identity="me")
        leadership._lock.renewed = now()
        assert not leadership.may_write()
        leadership.leading = True
        assert leadership.may_write()


async def test_a_single_process_may_lead_without_a_lease() -> None:
    async with ApiClient(configuration=Configuration()) as api:
        leadership = Leadership(api, name="lease", namespace="system", identity="me")
        assert not leadership.may_write()
        leadership.lead_unchallenged()
        assert leadership.may_write()
