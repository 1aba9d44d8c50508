"""Objects of one resource by uid, newest version wins."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Generic, Protocol, TypeVar

REMEMBERED_DEAD = 4096
"""An answer to a write that is older than this many deletions is not waited for any more."""

Value = TypeVar("Value")
Seen_contra = TypeVar("Seen_contra", contravariant=True)
Document = Mapping[str, Any]


class Changed(Protocol[Seen_contra]):
    """Called after each change of a cache."""

    def __call__(self, value: Seen_contra, /, *, present: bool) -> None:
        """The object as it is now, or as it was last where it is not present any more."""
        ...


class Cache(Generic[Value]):
    """What is known of one resource; keeps only what `convert` makes of each document."""

    def __init__(self, convert: Callable[[Document], Value], changed: Changed[Value]) -> None:
        self._convert = convert
        self._changed = changed
        self._objects: dict[str, Value] = {}
        self._versions: dict[str, str] = {}
        self._gone: dict[str, None] = {}

    def values(self) -> Iterable[Value]:
        """All objects."""
        return self._objects.values()

    def get(self, uid: str) -> Value | None:
        """One object."""
        return self._objects.get(uid)

    def put(self, document: Document) -> None:
        """Take in an object from a list, a watch or the answer to a write; old news is dropped."""
        metadata = document["metadata"]
        uid, version = metadata["uid"], metadata["resourceVersion"]
        if uid in self._gone or not _newer(version, self._versions.get(uid)):
            return
        value = self._convert(document)
        self._objects[uid] = value
        self._versions[uid] = version
        self._changed(value, present=True)

    def drop(self, uid: str) -> None:
        """Forget an object that is gone for good.

        The answer to an earlier write may come after the news of the deletion: it is too late.
        """
        self._gone[uid] = None
        if len(self._gone) > REMEMBERED_DEAD:
            del self._gone[next(iter(self._gone))]
        self._remove(uid)

    def _remove(self, uid: str) -> None:
        value = self._objects.pop(uid, None)
        self._versions.pop(uid, None)
        if value is not None:
            self._changed(value, present=False)

    def replace(self, documents: Mapping[str, Document]) -> None:
        """Take in a whole list by uid: what it does not hold is gone."""
        for uid in [uid for uid in self._objects if uid not in documents]:
            # Not for good: what was made since the list was read comes by the watch.
            self._remove(uid)
        for document in documents.values():
            self.put(document)


def _newer(version: str, than: str | None) -> bool:
    """Whether a resource version is news; the API server's versions are ordered numbers."""
    if than is None:
        return True
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than
