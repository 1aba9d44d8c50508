"""Reading of objects whose shape may be newer than this plugin.

A missing or strange field reads as empty; nothing here raises. Control characters never pass: a
status is written by others, and must not move the user's cursor.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Self

_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), " ") | {ord("\n"): "\n"}


class Document:
    """A part of a Kubernetes object, read without trusting its shape."""

    def __init__(self, content: object) -> None:
        self._content: Mapping[object, object] = content if isinstance(content, Mapping) else {}

    def __bool__(self) -> bool:
        return bool(self._content)

    def at(self, *path: str) -> Self:
        """The part under a path of keys; an empty document where there is none."""
        return type(self)(self._value(path))

    def has(self, *path: str) -> bool:
        """Whether something other than null is there."""
        return self._value(path) is not None

    def text(self, *path: str) -> str:
        """A string, or a number as one."""
        value = self._value(path)
        if isinstance(value, str):
            return value.translate(_CONTROLS).strip()
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return ""

    def number(self, *path: str) -> int:
        """An integer; 0 where there is none."""
        value = self._value(path)
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    def is_true(self, *path: str) -> bool:
        """Whether the value is literally true."""
        return self._value(path) is True

    def decimal(self, *path: str) -> Decimal | None:
        """A finite decimal string."""
        try:
            amount = Decimal(self.text(*path))
        except InvalidOperation:
            return None
        return amount if amount.is_finite() else None

    def moment(self, *path: str) -> datetime | None:
        """A time in RFC 3339; one without an offset is UTC."""
        try:
            moment = datetime.fromisoformat(self.text(*path))
        except ValueError:
            return None
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)

    def items(self, *path: str) -> tuple[Self, ...]:
        """The objects of a list."""
        value = self._value(path)
        return tuple(type(self)(item) for item in value) if isinstance(value, list) else ()

    def texts(self, *path: str) -> tuple[str, ...]:
        """The strings of a list."""
        value = self._value(path)
        if not isinstance(value, list):
            return ()
        return tuple(item.translate(_CONTROLS) for item in value if isinstance(item, str))

    def pairs(self, *path: str) -> tuple[tuple[str, str], ...]:
        """The entries of an object as strings, in their order."""
        value = self._value(path)
        keys = [key for key in value if isinstance(key, str)] if isinstance(value, Mapping) else []
        return tuple((key.translate(_CONTROLS), self.text(*path, key)) for key in keys)

    def _value(self, path: tuple[str, ...]) -> object:
        value: object = self._content
        for key in path:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value
