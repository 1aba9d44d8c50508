"""What a document has to satisfy beyond its types: said once, kept by the API server and by us.

A rule carries the CEL expression that the API server runs, the predicate that the models run, and
the one sentence that the user reads from either. A contract test holds the two halves equal.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over an object or a value."""

    message: str
    """What is wrong and what would be right."""
    holds: Callable[[Any], bool] | None = None
    """The predicate; None where only the API server can tell, as for a change of an old value."""
    cel: str | None = None
    """The same in CEL; None where CEL cannot see the value or the schema says it already."""


@dataclass(frozen=True, slots=True)
class Keeps:
    """Annotates a type with rules: `Annotated[str, Keeps(rule, ...)]`."""

    rules: tuple[Rule, ...]

    def __init__(self, *rules: Rule) -> None:
        """Takes the rules in the order in which they are reported."""
        object.__setattr__(self, "rules", rules)

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Runs the predicates behind the type's own checks."""
        return core_schema.no_info_after_validator_function(self._checked, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Writes the CEL halves beside the type's own schema."""
        return with_validations(handler(schema), self.rules)

    def _checked(self, value: object) -> object:
        refuse_breach(value, self.rules)
        return value


def refuse_breach(value: object, rules: Iterable[Rule]) -> None:
    """Checks every rule.

    Raises:
        PydanticCustomError: With the sentences of all rules that do not hold.
    """
    broken = [rule.message for rule in rules if rule.holds and not rule.holds(value)]
    if broken:
        raise PydanticCustomError("rule", "; ".join(broken))


def with_validations(schema: JsonSchemaValue, rules: Iterable[Rule]) -> JsonSchemaValue:
    """The schema with the rules that the API server can run."""
    told = [{"rule": rule.cel, "message": rule.message} for rule in rules if rule.cel]
    return schema | {VALIDATIONS: [*schema.get(VALIDATIONS, []), *told]} if told else schema


def matches(pattern: str, message: str) -> Rule:
    """A rule that the whole string has the form of `pattern`.

    A plain `pattern` in the schema would do the same, and show the user nothing but the pattern.

    Args:
        pattern: In the syntax that RE2 and Python share, anchored, without a quote.
        message: What the string should look like, with an example.
    """
    compiled = re.compile(pattern, re.ASCII)
    return Rule(
        message, lambda value: bool(compiled.fullmatch(value)), f"self.matches(r'{pattern}')"
    )


def unchangeable(field: str, *, optional: bool = False, within: str = "") -> Rule:
    """A rule that a field of the spec keeps the value that it was created with.

    Args:
        field: Its name in the document.
        optional: Whether it can be absent, which CEL has to be told.
        within: The field of the spec that it lies in; empty for the spec itself.
    """
    path = f"{within}.{field}" if within else field
    same = f"self.{path} == oldSelf.{path}"
    if optional:
        has, had = f"has(self.{path})", f"has(oldSelf.{path})"
        same = f"{has} == {had} && (!{has} || {same})"
    return Rule(
        message=f"spec.{path} cannot be changed after creation: "
        "delete the job and apply it again, or apply it under another name",
        cel=same,
    )
