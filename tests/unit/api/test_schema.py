import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Any

import pytest
from pydantic import Field

from quartermaster.api import crd
from quartermaster.api.base import ApiModel
from quartermaster.api.rule import VALIDATIONS
from quartermaster.api.schema import NotStructuralError, spec_schema, status_schema

Json = dict[str, Any]
MAX_CRD_BYTES = 200_000
"""Plain `kubectl apply` keeps the whole object in an annotation, which 262,144 bytes bound."""


class Colour(StrEnum):
    RED = "Red"


class Part(ApiModel):
    """A part."""

    size: Annotated[int, Field(gt=0)] = 3
    """Its size."""


class Whole(ApiModel):
    """A whole."""

    name: str
    """Its
    name."""
    part: Part = Part()
    """Its part."""
    spare: Part | None = None
    """Perhaps another."""
    colour: Colour = Colour.RED
    """Its colour."""
    words: list[str] = Field(default_factory=list)
    note: str = ""
    free: dict[str, Any] = Field(default_factory=dict)


class Floating(ApiModel):
    rate: float = 1.0


class Either(ApiModel):
    value: int | str


class Tree(ApiModel):
    branches: "list[Tree]" = Field(default_factory=list)


def properties(schema: Json) -> Json:
    found: Json = schema["properties"]
    return found


def test_references_are_inlined_and_the_fields_own_description_wins() -> None:
    assert properties(spec_schema(Whole))["part"] == {
        "description": "Its part.",
        "type": "object",
        "default": {},
        "properties": {
            "size": {
                "description": "Its size. Default: 3.",
                "type": "integer",
                "minimum": 0,
                "exclusiveMinimum": True,
                "default": 3,
            }
        },
    }


def test_an_optional_part_is_simply_absent() -> None:
    spare = properties(spec_schema(Whole))["spare"]
    assert spare["type"] == "object"
    assert "default" not in spare
    assert "nullable" not in spare


def test_a_description_is_one_line() -> None:
    assert properties(spec_schema(Whole))["name"]["description"] == "Its name."


def test_defaults_that_say_nothing_are_left_out() -> None:
    fields = properties(spec_schema(Whole))
    assert not [name for name in ("words", "note", "free") if "default" in fields[name]]
    assert fields["colour"]["default"] == "Red"


def test_a_status_has_no_defaults() -> None:
    assert '"default"' not in json.dumps(status_schema(Whole))


def test_free_form_arguments_are_preserved() -> None:
    free = properties(spec_schema(Whole))["free"]
    assert free == {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


@pytest.mark.parametrize(
    ("model", "want"),
    [
        pytest.param(Floating, "Floating.rate: a float; take a decimal string", id="float"),
        pytest.param(Either, "Either.value: a union of 2 types", id="union"),
        pytest.param(Tree, "contains itself", id="recursion"),
    ],
)
def test_what_cannot_be_said_is_refused(model: type[ApiModel], want: str) -> None:
    with pytest.raises(NotStructuralError, match=want):
        spec_schema(model)


def nodes(schema: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for part in ("items", "additionalProperties"):
        if isinstance(schema.get(part), dict):
            yield from nodes(schema[part], f"{path}[]")


def version_of(kind: crd.Kind) -> Json:
    found: Json = crd.definition(kind)["spec"]["versions"][0]
    return found


def schema_of(kind: crd.Kind) -> Json:
    found: Json = version_of(kind)["schema"]["openAPIV3Schema"]
    return found


KINDS = pytest.mark.parametrize("kind", crd.KINDS, ids=lambda kind: kind.name)


@KINDS
def test_plain_kubectl_apply_can_carry_the_definition(kind: crd.Kind) -> None:
    assert len(json.dumps(crd.definition(kind), separators=(",", ":"))) < MAX_CRD_BYTES


@KINDS
def test_everything_a_user_writes_is_bounded_and_described(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)["properties"]["spec"], "spec"):
        if node.get("type") == "string" and "enum" not in node:
            assert "maxLength" in node, path
        if node.get("type") == "array":
            assert "maxItems" in node, path
        if node.get("type") == "integer":
            assert {"minimum", "maximum"} <= node.keys(), path
        if node.get("type") == "object" and "properties" not in node:
            assert "maxProperties" in node, path
        if not path.endswith("[]"):
            assert node.get("description", "").endswith("."), path


@KINDS
def test_every_list_says_how_it_is_merged(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        if node.get("type") == "array":
            assert node["x-kubernetes-list-type"] in {"atomic", "map"}, path


@KINDS
def test_conditions_merge_by_type(kind: crd.Kind) -> None:
    status = schema_of(kind)["properties"]["status"]
    assert status["properties"]["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


@KINDS
def test_every_column_shows_a_field_that_exists(kind: crd.Kind) -> None:
    for column in version_of(kind)["additionalPrinterColumns"]:
        if column["jsonPath"].startswith(".metadata"):
            continue
        node = schema_of(kind)
        for part in column["jsonPath"].removeprefix(".").split("."):
            node = node["properties"][part]
        assert node["type"] == column["type"], column


@KINDS
def test_every_rule_is_one_sentence_for_the_user(kind: crd.Kind) -> None:
    for path, node in nodes(schema_of(kind)):
        for rule in node.get(VALIDATIONS, []):
            assert "\n" not in rule["message"], path
            assert len(rule["message"]) <= 200, path
            assert "self" not in rule["message"], path
