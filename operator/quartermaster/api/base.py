"""What all API models share: camelCase outside, snake_case inside, unknown fields refused."""

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema
from typing_extensions import override

from quartermaster.api.rule import Keeps, Rule, matches, refuse_breach, with_validations
from quartermaster.units import byte_count


class ApiModel(BaseModel):
    """A part of a custom resource's spec or status."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
    )

    RULES: ClassVar[tuple[Rule, ...]] = ()
    """What has to hold between the fields."""

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        refuse_breach(self, self.RULES)
        return self

    @classmethod
    @override
    def __get_pydantic_json_schema__(
        cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Writes the CEL halves of the rules beside the fields."""
        reference = handler(core_schema)
        schema = handler.resolve_ref_schema(reference)
        schema.update(with_validations(schema, cls.RULES))
        return reference


_DNS_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{_DNS_LABEL}(\.{_DNS_LABEL})*"

Name = Annotated[
    str,
    Field(min_length=1, max_length=253),
    Keeps(
        matches(
            f"^{SUBDOMAIN}$",
            "must be the name of an object: lower-case letters, digits, '-' and '.', "
            "beginning and ending with a letter or digit",
        )
    ),
]
"""A Kubernetes object's name."""

LabelKey = Annotated[
    str,
    Field(min_length=1, max_length=317),
    Keeps(
        matches(
            rf"^({SUBDOMAIN}/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?$",
            "must be a label's key, such as topology.kubernetes.io/zone",
        )
    ),
]
LabelValue = Annotated[
    str,
    Field(max_length=63),
    Keeps(
        matches(
            r"^([A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?)?$",
            "must be a label's value: letters, digits, '-', '_' and '.', "
            "beginning and ending with a letter or digit",
        )
    ),
]

CpuQuantity = Annotated[
    str,
    Field(max_length=16),
    Keeps(
        matches(
            r"^([1-9][0-9]*m?|[1-9][0-9]*\.[0-9]{1,3}|0\.([1-9][0-9]{0,2}|0[1-9][0-9]?|00[1-9]))$",
            "must be an amount of CPU above zero, such as '2', '500m' or '1.5'",
        )
    ),
]
"""CPU as Kubernetes writes it: `2`, `500m`, `1.5`."""


def at_least(floor: str) -> Rule:
    """A rule that a byte quantity is not absurdly small, as it is when its unit was forgotten."""
    return Rule(
        message=f"must be at least {floor}; is the unit missing, as in '4Gi'?",
        holds=lambda quantity: byte_count(quantity) >= byte_count(floor),
        cel=f"!isQuantity(self) || !quantity(self).isLessThan(quantity('{floor}'))",
    )


ByteQuantity = Annotated[
    str,
    Field(max_length=16),
    Keeps(
        matches(
            r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|k|M|G|T)?$",
            "must be a number of bytes above zero, such as '512Mi' or '4Gi'",
        )
    ),
]
"""Bytes as Kubernetes writes them: `512Mi`, `4Gi`; GiB is 2^30, `G` is 10^9."""

_DECIMAL = matches(r"^[0-9]+(\.[0-9]{1,9})?$", "must be a decimal number, such as '0.25'")

Money = Annotated[str, Field(max_length=24), Keeps(_DECIMAL)]
"""An amount of money as a decimal string, never a float."""
SignedMoney = Annotated[str, Field(max_length=24)]
"""An amount of money that may be below zero, as a decimal string; the operator's own word."""
Decimal9 = Annotated[str, Field(max_length=24), Keeps(_DECIMAL)]
"""A non-negative decimal number as a string."""

ABOVE_ZERO = Rule(
    message="must be above zero",
    holds=lambda number: Decimal(number) > 0,
    cel="!self.matches('^[0.]*$')",
)
"""For decimal strings."""

PrintableText = Keeps(matches(r"^[^\x00]*$", "must not contain a NUL character"))
"""What can be an argument or an environment variable of a process."""


@dataclass(frozen=True, slots=True)
class MapList:
    """Annotates a list that the API server merges by a key of its items, which is then unique."""

    key: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Writes the list's type beside its schema."""
        kind = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}
        return handler(schema) | kind


FREE_FORM_BYTES = 16_384
"""The whole run travels in one environment variable, which Linux limits to 128 KiB."""

FreeForm = Annotated[
    dict[str, Any],
    Field(max_length=32),
    Keeps(
        Rule(
            message="names must be Python identifiers, such as numClasses",
            holds=lambda args: all(name.isidentifier() and name.isascii() for name in args),
        ),
        Rule(
            message=f"must be at most {FREE_FORM_BYTES} bytes as JSON",
            holds=lambda args: len(json.dumps(args)) <= FREE_FORM_BYTES,
        ),
    ),
]
"""Keyword arguments of any JSON type; CEL cannot look inside, so its rules are ours alone."""
