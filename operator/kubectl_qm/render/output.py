"""Views as plain JSON and YAML: camelCase keys, money and times as strings, null for unknown."""

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal

_PAIRS = frozenset({"metrics", "node_selector"})
"""Fields that hold pairs and are objects outside."""


def plain(value: object) -> object:
    """A view as what JSON can hold."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            _camel(field.name): _field(field.name, getattr(value, field.name))
            for field in fields(value)
        }
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    return value


def as_json(value: object) -> str:
    """A view as JSON, two blanks deep, with a line end."""
    return json.dumps(plain(value), indent=2, ensure_ascii=False) + "\n"


def as_yaml(value: object) -> str:
    """A view as YAML."""
    import yaml  # noqa: PLC0415 - only here, and slow to import

    text: str = yaml.safe_dump(plain(value), sort_keys=False, allow_unicode=True)
    return text


def _field(name: str, value: object) -> object:
    if name in _PAIRS and isinstance(value, tuple):
        return dict(value)
    return plain(value)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
