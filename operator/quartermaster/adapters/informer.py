"""Keeps a cache of one resource true: list, then watch from there, and list anew after a break.

A new list replaces the cache, so that what was deleted in the gap is gone from it too.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

from quartermaster.adapters.cache import Cache
from quartermaster.adapters.kube import ApiError, Document, KubeClient
from quartermaster.errors import ClusterError

logger = logging.getLogger(__name__)

PAGE = 500
WATCH_SECONDS = 300
SILENCE_SECONDS = 330.0
"""The server ends a watch after WATCH_SECONDS; silence for longer means a dead connection."""
ABSENT = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND})
"""Answers for a resource that the cluster does not serve, or not to us."""
ABSENT_SECONDS = 300.0
"""Whether it is there by now is asked again after this time [s]."""
BACKOFF_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0)


async def listed(
    client: KubeClient, path: str, selection: Mapping[str, str]
) -> tuple[dict[str, Document], str]:
    """All objects of a resource by uid, page by page, and the list's resource version.

    Raises:
        ClusterError: The server refused or did not answer.
    """
    found: dict[str, Document] = {}
    query: dict[str, str] = {"limit": str(PAGE), **selection}
    while True:
        page = await client.get(path, query)
        found.update((item["metadata"]["uid"], item) for item in page.get("items") or ())
        token = page["metadata"].get("continue")
        if not token:
            return found, str(page["metadata"]["resourceVersion"])
        query["continue"] = token


class Informer:
    """Lists and watches one resource into a cache."""

    def __init__(
        self,
        client: KubeClient,
        path: str,
        cache: Cache[Any],
        *,
        selector: str = "",
        optional: bool = False,
        heard: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._path = path
        self._cache = cache
        self._selection: Mapping[str, str] = {"labelSelector": selector} if selector else {}
        self._optional = optional
        """Whether the cluster may have no such resource, or not let us see it."""
        self._heard = heard
        """Called with the resource when a list or anything of a watch has come."""
        self.resource = path.rsplit("/", 1)[-1]
        self.up: bool | None = None
        """Whether it is watched; None before the first list, and where there is no such thing."""
        self.synced = asyncio.Event()
        """Set after the first list."""

    async def run(self) -> None:
        """List and watch until cancelled; a failure is retried for ever."""
        failures = 0
        while True:
            try:
                version = await self._list()
                failures = 0
                await self._watch(version)
            except ClusterError as error:
                if self._optional and isinstance(error, ApiError) and error.status in ABSENT:
                    self._absent(error)
                    await asyncio.sleep(ABSENT_SECONDS)
                    continue
                self.up = False
                logger.warning("list or watch of %s failed, again: %s", self._path, error)
                await asyncio.sleep(BACKOFF_SECONDS[min(failures, len(BACKOFF_SECONDS) - 1)])
                failures += 1

    def _absent(self, error: ApiError) -> None:
        """There is nothing, and that is fine; what must not be seen is said once."""
        if error.status == HTTPStatus.FORBIDDEN and not self.synced.is_set():
            logger.warning("%s may not be read and is left out: %s", self._path, error.message)
        self.up = None
        self._cache.replace({})
        self.synced.set()

    async def _list(self) -> str:
        found, version = await listed(self._client, self._path, self._selection)
        self._cache.replace(found)
        self.up = True
        self._heard(self.resource)
        self.synced.set()
        return version

    async def _watch(self, version: str) -> None:
        """Follow the changes; returns when the next thing to do is a new list."""
        while True:
            query = {
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(WATCH_SECONDS),
                **self._selection,
            }
            try:
                async for event in self._client.watch(self._path, query, SILENCE_SECONDS):
                    item: Document = event.get("object") or {}
                    if event.get("type") == "ERROR":
                        logger.info("watch of %s ended: %s", self._path, item.get("message"))
                        return
                    version = item["metadata"]["resourceVersion"]
                    self._take(str(event.get("type")), item)
                    self._heard(self.resource)
            except ApiError as error:
                if error.status == 410:
                    return
                raise

    def _take(self, kind: str, item: Document) -> None:
        if kind == "DELETED":
            self._cache.drop(item["metadata"]["uid"])
        elif kind in ("ADDED", "MODIFIED"):
            self._cache.put(item)
