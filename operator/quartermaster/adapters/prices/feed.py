"""A price list of the user's, from a file or a URL, read at the start and every few hours.

What cannot be read changes nothing: the last good list stays in force, and it is told why.
"""

import asyncio
import logging
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp

from quartermaster.catalog.prices.price_list import PriceList
from quartermaster.catalog.prices.rows import offers
from quartermaster.errors import SpecError

logger = logging.getLogger(__name__)

TIMEOUT_S = 20.0
LARGEST_BYTES = 16 * 2**20
"""A longer list is not read: SkyPilot's longest has a few megabytes [byte]."""
SHORTEST_PERIOD_S = 60.0
"""Between two reads, whatever the settings say [s]."""


class Counted(Protocol):
    """Called after each attempt."""

    def __call__(self, result: str, /) -> None:
        """`read` or `failed`."""
        ...


class PriceFeed:
    """Keeps a list of prices up to date."""

    def __init__(
        self,
        place: str,
        period_s: float,
        *,
        changed: Callable[[PriceList], None],
        counted: Counted,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        self._place = place.strip()
        self._period_s = max(SHORTEST_PERIOD_S, period_s)
        self._changed = changed
        self._counted = counted
        self._largest = largest_bytes

    async def run(self) -> None:
        """Read again and again, until cancelled; `once` has been called before."""
        while True:
            await asyncio.sleep(self._period_s)
            await self.once()

    async def once(self) -> None:
        """Read the list once; nothing is raised, since prices may be missing and work goes on."""
        name = shown(self._place)
        try:
            raw = await self._content()
            # A long list takes a second, during which the lease has to be renewed.
            found = await asyncio.to_thread(_parsed, name, raw)
        except (SpecError, OSError, ValueError, aiohttp.ClientError, TimeoutError) as error:
            self._counted("failed")
            logger.warning(
                "prices not read, the last good ones stay in force: %s", _why(name, error)
            )
            return
        self._counted("read")
        self._changed(found)

    async def _content(self) -> bytes:
        if urlsplit(self._place).scheme in ("http", "https"):
            return await self._fetched()
        return await asyncio.to_thread(self._from_file)

    def _from_file(self) -> bytes:
        with Path(self._place).open("rb") as file:
            raw = file.read(self._largest + 1)
        self._bound(len(raw))
        return raw

    async def _fetched(self) -> bytes:
        timeout, body = aiohttp.ClientTimeout(TIMEOUT_S), bytearray()
        async with (
            aiohttp.ClientSession(timeout=timeout, trust_env=True) as session,
            session.get(self._place) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"status {answer.status}")
            async for part in answer.content.iter_any():
                body += part
                self._bound(len(body))
        return bytes(body)

    def _bound(self, count: int) -> None:
        if count > self._largest:
            raise ValueError(f"more than {self._largest} bytes")


def _parsed(name: str, raw: bytes) -> PriceList:
    return PriceList(offers(name, raw.decode("utf-8-sig")))


def shown(place: str) -> str:
    """A place as it may be told: what a URL has of names, passwords and queries stays away."""
    parts = urlsplit(place)
    if not parts.netloc:
        return place
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _why(name: str, error: Exception) -> str:
    if isinstance(error, SpecError):
        return str(error)
    if isinstance(error, UnicodeDecodeError):
        return f"{name}: not text in UTF-8: byte {error.start} is not"
    if isinstance(error, OSError) and error.strerror and not isinstance(error, aiohttp.ClientError):
        return f"{name}: {error.strerror}"
    # A client's error may hold the URL with all that is in it.
    told = type(error).__name__ if isinstance(error, aiohttp.ClientError) else str(error)
    return f"{name}: {told or 'no answer'}"
