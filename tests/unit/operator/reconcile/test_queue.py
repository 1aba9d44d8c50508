"""The work queue: each key by one worker at a time, again when asked, later when told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from quartermaster.errors import ClusterError
from quartermaster.reconcile.queue import RETRY_SECONDS, Pass, WorkQueue


@asynccontextmanager
async def working(look: Pass, concurrency: int = 4) -> AsyncIterator[WorkQueue]:
    work = WorkQueue(look)
    task = asyncio.create_task(work.run(concurrency))
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(2):
        while not holds():  # noqa: ASYNC110 - what is waited for knows of no event
            await asyncio.sleep(0.001)


async def test_a_key_is_never_looked_at_twice_at_once() -> None:
    active: set[str] = set()
    passes: list[str] = []

    async def look(key: str) -> None:
        assert key not in active
        active.add(key)
        await asyncio.sleep(0.001)
        active.discard(key)
        passes.append(key)

    async with working(look) as work:
        for _ in range(20):
            for key in "abc":
                work.add(key)
            await asyncio.sleep(0.0004)
        await until(lambda: not active and len(passes) >= 6)
    assert set(passes) == set("abc")


async def test_a_key_that_is_added_while_it_is_looked_at_is_looked_at_again() -> None:
    gate, passes = asyncio.Event(), 0

    async def look(key: str) -> None:
        nonlocal passes
        passes += 1
        await gate.wait()

    async with working(look) as work:
        work.add("a")
        await until(lambda: passes == 1)
        for _ in range(3):
            work.add("a")
        gate.set()
        await until(lambda: passes == 2)
        await asyncio.sleep(0.01)
    assert passes == 2


async def test_many_additions_before_the_look_are_one() -> None:
    passes: list[str] = []

    async def look(key: str) -> None:
        passes.append(key)

    async with working(look) as work:
        for _ in range(5):
            work.add("a")
        await asyncio.sleep(0.01)
    assert passes == ["a"]


@pytest.mark.parametrize("error", [ClusterError("503"), ValueError("a bug")])
async def test_an_error_is_tried_again_and_stops_nobody_else(error: Exception) -> None:
    passes: list[str] = []

    async def look(key: str) -> None:
        passes.append(key)
        if key == "bad" and passes.count("bad") < 2:
            raise error

    async with working(look, 1) as work:
        work.add("bad")
        work.add("good")
        await until(lambda: passes.count("bad") == 2)
    assert passes[:2] == ["bad", "good"]


def test_pauses_grow_and_start_anew_after_a_success() -> None:
    work = WorkQueue(lambda key: asyncio.sleep(0))
    pauses = [work._retry("a") for _ in range(8)]
    assert pauses == [*RETRY_SECONDS, 10.0, 10.0]
    assert work._retry("b") == RETRY_SECONDS[0]
    work._failures.pop("a")
    assert work._retry("a") == RETRY_SECONDS[0]


async def test_a_pass_is_looked_at_again_when_it_said() -> None:
    times: list[float] = []

    async def look(key: str) -> float | None:
        times.append(asyncio.get_running_loop().time())
        return 0.03 if len(times) < 3 else None

    async with working(look) as work:
        work.add("a")
        await until(lambda: len(times) == 3)
        await asyncio.sleep(0.05)
    assert len(times) == 3
    assert times[1] - times[0] >= 0.029


async def test_the_earlier_of_two_delays_stands_and_an_addition_ends_both() -> None:
    passes: list[str] = []

    async def look(key: str) -> None:
        passes.append(key)

    async with working(look) as work:
        work.add_after("a", 60)
        work.add_after("a", 0.01)
        work.add_after("a", 60)
        await until(lambda: len(passes) == 1)
        work.add_after("a", 0.02)
        work.add("a")
        await until(lambda: len(passes) == 2)
        await asyncio.sleep(0.04)
    assert len(passes) == 2


async def test_what_waits_for_a_worker_is_its_depth() -> None:
    async def look(key: str) -> None: ...

    work = WorkQueue(look)
    work.add("a")
    work.add("b")
    work.add("a")
    assert work.depth == 2
    task = asyncio.create_task(work.run(1))
    await until(lambda: work.depth == 0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
