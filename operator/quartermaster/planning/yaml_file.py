"""YAML that users write, with faults in one line."""

from typing import Any

import yaml

from quartermaster.errors import SpecError


def documents(source: str, text: str | bytes) -> list[Any]:
    """The documents of a file; JSON is YAML too.

    Raises:
        SpecError: It is not YAML.
    """
    try:
        return list(yaml.safe_load_all(text))
    except yaml.YAMLError as error:
        raise SpecError(f"{source}: not YAML: {_fault(error)}") from error


def _fault(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())
