"""A sorted collection that is cheap to change in many places."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

Item = TypeVar("Item", bound=tuple[Any, ...])


class Buckets(Generic[Item]):
    """Distinct items in ascending order; those of one key, which comes first, lie together."""

    def __init__(self) -> None:
        self._keys: list[Any] = []
        self._buckets: dict[Any, list[Item]] = {}

    def __iter__(self) -> Iterator[Item]:
        for key in self._keys:
            yield from self._buckets[key]

    def add(self, key: object, item: Item) -> None:
        """Put an item in its place."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._buckets[key] = [item]
            insort(self._keys, key)
        else:
            insort(bucket, item)

    def remove(self, key: object, item: Item) -> None:
        """Take an item out that is there."""
        bucket = self._buckets[key]
        del bucket[bisect_left(bucket, item)]
        if not bucket:
            del self._buckets[key]
            del self._keys[bisect_left(self._keys, key)]
