"""Models to structural schemas: the dialect of OpenAPI that the API server takes for a CRD.

What pydantic writes is repaired in one walk: references are inlined, since the API server follows
none; `X or null` becomes X, since it drops the null of an optional field before it looks; what says
nothing or is not in the dialect (titles, null or empty defaults, closed objects) goes. Real unions,
recursive models and floats are refused rather than guessed.
"""

from collections.abc import Callable, Mapping
from typing import Any

from quartermaster.api.base import ApiModel
from quartermaster.api.rule import VALIDATIONS

Schema = dict[str, Any]

DEFAULT_IS = " Default: "
"""Said at a description's end, because `kubectl explain` shows no default of its own."""

_KEPT = frozenset(
    {
        "type", "format", "description", "enum", "default", "required",
        "minimum", "maximum", "minLength", "maxLength", "pattern",
        "minItems", "maxItems", "maxProperties", "minProperties", VALIDATIONS,
        "x-kubernetes-list-type", "x-kubernetes-list-map-keys",
    }
)  # fmt: skip
_DROPPED = frozenset({"title", "$defs", "anyOf", "const", "propertyNames"})
_NESTED = frozenset({"properties", "items", "additionalProperties"})
_BOUNDS = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


class NotStructuralError(ValueError):
    """A model that a structural schema cannot express."""


def spec_schema(model: type[ApiModel]) -> Schema:
    """The schema of what the user writes: every default is in it, so that `-o yaml` shows them."""
    return _structural(model, with_defaults=True)


def status_schema(model: type[ApiModel]) -> Schema:
    """The schema of what the operator writes, without defaults.

    The API server would fill them in, and what is read would differ from what was written.
    """
    return _structural(model, with_defaults=False)


def _structural(model: type[ApiModel], *, with_defaults: bool) -> Schema:
    raw = model.model_json_schema(by_alias=True)
    return _Walk(raw.get("$defs", {}), with_defaults=with_defaults).node(raw, model.__name__)


class _Walk:
    """One model's walk, with the definitions that it refers to."""

    def __init__(self, definitions: Mapping[str, Schema], *, with_defaults: bool) -> None:
        self._definitions = definitions
        self._with_defaults = with_defaults
        self._open: list[str] = []

    def node(self, raw: Schema, path: str) -> Schema:
        raw = _without_null(raw, path)
        if "$ref" in raw:
            return self._referred(raw, path)
        strange = raw.keys() - _KEPT - _DROPPED - _NESTED - _BOUNDS.keys()
        if strange:
            raise NotStructuralError(f"{path}: no structural schema has {sorted(strange)}")
        if raw.get("type") == "number":
            raise NotStructuralError(f"{path}: a float; take a decimal string")
        node = {key: raw[key] for key in raw if key in _KEPT}
        if "description" in node:
            node["description"] = " ".join(node["description"].split())
        if "const" in raw:
            node["enum"] = [raw["const"]]
        _set_bounds(node, raw)
        self._set_default(node, raw)
        self._set_children(node, raw, path)
        return node

    def _referred(self, raw: Schema, path: str) -> Schema:
        name = raw["$ref"].rpartition("/")[2]
        if name in self._open:
            raise NotStructuralError(f"{path}: {name} contains itself")
        beside = {key: value for key, value in raw.items() if key != "$ref"}
        self._open.append(name)
        node = self.node(self._definitions[name] | beside, path)
        self._open.pop()
        return node

    def _set_default(self, node: Schema, raw: Schema) -> None:
        default = node.pop("default", None)
        if not self._with_defaults:
            return
        if isinstance(default, dict) and "properties" in raw:
            # Its own fields have their defaults, which the API server fills in below it.
            node["default"] = {}
        elif default not in (None, "", [], {}):
            node["default"] = default
            node["description"] = f"{node.get('description', '')}{DEFAULT_IS}{_shown(default)}."

    def _set_children(self, node: Schema, raw: Schema, path: str) -> None:
        if node.get("type") == "array":
            node.setdefault("x-kubernetes-list-type", "atomic")
            node["items"] = self.node(raw["items"], f"{path}[]")
        if "properties" in raw:
            node["properties"] = {
                name: self.node(child, f"{path}.{name}")
                for name, child in raw["properties"].items()
            }
        elif node.get("type") == "object":
            self._set_entries(node, raw, path)

    def _set_entries(self, node: Schema, raw: Schema, path: str) -> None:
        entries = raw.get("additionalProperties", True)
        if entries is True:
            node["x-kubernetes-preserve-unknown-fields"] = True
            return
        node["additionalProperties"] = self.node(entries, f"{path}{{}}")
        keys = self.node(raw.get("propertyNames", {}), f"{path} keys")
        if VALIDATIONS in keys:
            node[VALIDATIONS] = [
                *node.get(VALIDATIONS, []),
                *map(_over_keys(keys), keys[VALIDATIONS]),
            ]


def _over_keys(keys: Schema) -> Callable[[Schema], Schema]:
    """A rule over one key as a rule over all keys of an object."""
    longest = keys.get("maxLength")

    def over(rule: Schema) -> Schema:
        fits = f"key.size() <= {longest} && " if longest else ""
        return {
            "rule": f"self.all(key, {fits}{rule['rule'].replace('self.', 'key.')})",
            "message": rule["message"],
        }

    return over


def _shown(default: object) -> str:
    if isinstance(default, list):
        return ", ".join(map(_shown, default))
    if isinstance(default, dict):
        return " ".join(map(_shown, default.values()))
    return str(default).lower() if isinstance(default, bool) else str(default)


def _set_bounds(node: Schema, raw: Schema) -> None:
    """In this dialect an exclusive bound is a boolean beside the bound."""
    for exclusive, bound in _BOUNDS.items():
        if exclusive in raw:
            node[bound], node[exclusive] = raw[exclusive], True


def _without_null(raw: Schema, path: str) -> Schema:
    if "anyOf" not in raw:
        return raw
    choices = [choice for choice in raw["anyOf"] if choice.get("type") != "null"]
    if len(choices) != 1:
        raise NotStructuralError(f"{path}: a union of {len(choices)} types")
    beside = {key: value for key, value in raw.items() if key != "anyOf"}
    return dict(choices[0]) | beside
