"""Whether a device is of a DeviceClass: its selectors, in the Common Expression Language.

Anybody who may write a DeviceClass writes an expression that runs here, so only what ends soon is
run: bounded in length, without loops, without building strings. Kubernetes bounds the same by a
cost budget, which the library does not have.

Source: Kubernetes 1.34, resource.k8s.io/v1, CELDeviceSelector; its CEL library of quantities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quartermaster.units import millicores

if TYPE_CHECKING:
    import cel

MAX_CHARACTERS = 2048
"""Kubernetes allows 10 Ki; the classes that makers ship have some hundred."""
_OPERATORS = (
    "_&&_", "_||_", "!_", "_?_:_", "_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_", "@in", "_[_]",
    "-_",
)  # fmt: skip
_STRINGS = ("contains", "startsWith", "endsWith", "matches", "lowerAscii", "size")
_QUANTITIES = ("quantity", "compareTo", "isGreaterThan", "isLessThan")
RUN = frozenset((*_OPERATORS, *_STRINGS, *_QUANTITIES))
"""What is run. Every loop needs `_+_` or `@not_strictly_false`, which are not among it."""

Attributes = Mapping[str, Any]
"""By name: text, number, truth, or what `quantity` makes."""


@dataclass(frozen=True, slots=True)
class Selector:
    """One expression over a device."""

    expression: str
    program: "cel.Program | None"
    refused: str = ""
    """Why it is not run, and matches nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Whether a device matches, and what went wrong."""

    matches: bool
    error: str = ""


def selector(expression: str) -> Selector:
    """Read an expression; one that cannot be read or is not run matches nothing, and says why."""
    if len(expression) > MAX_CHARACTERS:
        return Selector("", None, f"its selector is longer than {MAX_CHARACTERS} characters")
    # The library takes 33 MiB and half a second, which clusters without classes do not pay.
    import cel  # noqa: PLC0415

    try:
        program = cel.compile(expression)
        called = set(program.functions())
    # The library tells faults by a dozen classes that share nothing but this one.
    except Exception as error:  # noqa: BLE001
        return Selector(expression, None, f"its selector cannot be read: {_line(error)}")
    others = sorted(called - RUN)
    if others:
        names = ", ".join(others)
        return Selector(expression, None, f"its selector uses what is not evaluated here: {names}")
    if "matches" in called and "{" in expression:
        # One that is counted, and counted again, takes 25 ms to be read.
        return Selector(expression, None, "its selector counts repetitions in a pattern by {}")
    return Selector(expression, program)


def answer(one: Selector, device: Mapping[str, Any]) -> Answer:
    """Whether a device matches. An error means that it does not, as an attribute that it lacks.

    Args:
        one: The expression.
        device: `driver`, and `attributes` and `capacity` by domain and name.
    """
    if one.program is None:
        return Answer(matches=False, error=one.refused)
    import cel  # noqa: PLC0415

    try:
        told = one.program.execute(cel.Context({"device": dict(device)}, dict(_FUNCTIONS)))
    except KeyError as error:
        return Answer(matches=False, error=f"no such key: {error.args[0]}" if error.args else "")
    except Exception as error:  # noqa: BLE001 - as above
        return Answer(matches=False, error=_line(error))
    if not isinstance(told, bool):
        return Answer(matches=False, error="its selector says neither true nor false")
    return Answer(told)


def quantity(text: str) -> dict[str, int]:
    """An amount as an expression sees it: only the functions for quantities read it."""
    return {"milli": millicores(text)}


def _compare(one: Mapping[str, int], other: Mapping[str, int]) -> int:
    mine, others = one["milli"], other["milli"]
    return (mine > others) - (mine < others)


_FUNCTIONS: Mapping[str, Any] = {
    "quantity": quantity,
    "compareTo": _compare,
    "isGreaterThan": lambda one, other: _compare(one, other) > 0,
    "isLessThan": lambda one, other: _compare(one, other) < 0,
    "lowerAscii": lambda text: text.lower() if text.isascii() else text,
}


def _line(error: Exception) -> str:
    """The error's first line, without the expression that the library repeats."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text.rpartition("ERROR: ")[2][:200]
