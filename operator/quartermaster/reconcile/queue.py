"""Which jobs are to be looked at, each by one worker at a time, now or after a delay."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from quartermaster.errors import ClusterError

logger = logging.getLogger(__name__)

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

Pass = Callable[[str], Awaitable[float | None]]
"""Looks at one job; returns when to look again [s], or None."""


class WorkQueue:
    """Keys to be looked at. A key that is added while it is looked at is looked at again."""

    def __init__(self, look: Pass) -> None:
        self._look = look
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._queued: set[str] = set()
        self._active: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._failures: dict[str, int] = {}

    @property
    def depth(self) -> int:
        """Keys that wait for a worker now [count]."""
        return len(self._queued)

    def add(self, key: str) -> None:
        """Look at it as soon as a worker is free."""
        timer = self._timers.pop(key, None)
        if timer is not None:
            timer.cancel()
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.put_nowait(key)

    def add_after(self, key: str, seconds: float) -> None:
        """Look at it after a delay, or earlier if something else asks for it."""
        loop = asyncio.get_running_loop()
        due = loop.time() + seconds
        timer = self._timers.get(key)
        if timer is not None:
            if timer.when() <= due:
                return
            timer.cancel()
        self._timers[key] = loop.call_at(due, self.add, key)

    async def run(self, concurrency: int) -> None:
        """Work until cancelled."""
        async with asyncio.TaskGroup() as workers:
            for _ in range(concurrency):
                workers.create_task(self._work())

    async def _work(self) -> None:
        while True:
            key = await self._ready.get()
            self._queued.discard(key)
            self._active.add(key)
            try:
                delay = await self._attempt(key)
            finally:
                self._active.discard(key)
            if key in self._again:
                self._again.discard(key)
                self.add(key)
            elif delay is not None:
                self.add_after(key, delay)

    async def _attempt(self, key: str) -> float | None:
        try:
            delay = await self._look(key)
        except ClusterError as error:
            logger.info("pass over %s failed, again: %s", key, error)
            return self._retry(key)
        except Exception:  # one bad object must not stop the others
            logger.exception("pass over %s failed in a way nobody thought of", key)
            return self._retry(key)
        self._failures.pop(key, None)
        return delay

    def _retry(self, key: str) -> float:
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        return RETRY_SECONDS[min(count, len(RETRY_SECONDS) - 1)]
