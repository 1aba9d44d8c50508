"""Watches of our own kinds, and the settings without which kopf stops watching for good."""

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import kopf

from quartermaster.api import meta


class Sink(Protocol):
    """A cache of one kind."""

    def put(self, document: dict[str, Any]) -> None:
        """Take in an object."""
        ...

    def drop(self, uid: str) -> None:
        """Forget an object that is gone."""
        ...


class EndlessBackoff:
    """Pauses between tries [s], for ever and anew for each request.

    A finite list makes kopf give a watcher up in a process that stays alive: see ADR-0002.
    """

    def __iter__(self) -> Iterator[float]:
        """1, 2, 4, 8, 8, 8, ..."""
        pause = 1.0
        while True:
            yield pause
            pause = min(8.0, pause * 2)


def configure(settings: kopf.OperatorSettings) -> None:
    """Kopf as a level-triggered watcher: no events of its own, no annotations, no giving up."""
    settings.posting.enabled = False
    settings.networking.error_backoffs = EndlessBackoff()
    settings.networking.request_timeout = 30
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330
    settings.watching.inactivity_timeout = 330
    settings.persistence.finalizer = f"{meta.GROUP}/kopf"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=meta.GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=meta.GROUP)


def registry(sinks: Mapping[str, Sink], login: kopf.ConnectionInfo | None) -> kopf.OperatorRegistry:
    """The watches of our kinds, by resource, each into a cache."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.startup(registry=handlers)
    async def prepare(settings: kopf.OperatorSettings, **_: Any) -> None:
        configure(settings)

    @kopf.on.login(registry=handlers)
    async def log_in(**arguments: Any) -> kopf.ConnectionInfo | None:
        if login is not None:
            return login
        return kopf.login_with_service_account(**arguments) or kopf.login_with_kubeconfig(
            **arguments
        )

    for plural, sink in sinks.items():
        _watch(handlers, plural, sink)
    return handlers


def _watch(handlers: kopf.OperatorRegistry, plural: str, sink: Sink) -> None:
    @kopf.on.event(meta.GROUP, meta.VERSION, plural, id=f"see-{plural}", registry=handlers)
    async def see(event: Any, **_: Any) -> None:
        document: dict[str, Any] = event["object"]
        if event["type"] == "DELETED":
            sink.drop(document["metadata"]["uid"])
        else:
            sink.put(document)


def watchers() -> set[str]:
    """The resources whose watchers are alive in this process."""
    prefix = "watcher for "
    names = (task.get_name() for task in asyncio.all_tasks() if not task.done())
    alive = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
    return {name.split(".", 1)[0] for name in alive}
