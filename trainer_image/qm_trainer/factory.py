"""Finds what `package.module:name` names and calls it with the arguments of the specification."""

import difflib
import importlib
import importlib.util
import inspect
import pkgutil
import sys
from collections.abc import Callable, Mapping
from typing import Any

from qm_trainer.config import Json, snake_case
from qm_trainer.errors import ConfigError


def load(path: str, field: str) -> Callable[..., Any]:
    """The callable at `package.module:name`.

    Args:
        path: Where it is.
        field: The field of the specification that names it, for the message.

    Raises:
        ConfigError: If it is not there; the message offers near names.
    """
    module_name, colon, name = path.partition(":")
    if not (module_name and colon and name):
        raise ConfigError(f'{field} must be "package.module:name", not {path!r}')
    module = _module(module_name, field)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise ConfigError(
                f"{field}: {module_name} has no {part!r}; {_offer(part, _public(found))}"
            )
        found = getattr(found, part)
    if not callable(found):
        raise ConfigError(f"{field}: {path} is {type(found).__name__}, not something to call")
    return found  # type: ignore[no-any-return]  # callable() narrows to Callable[..., object]


def call(path: str, args: Mapping[str, Json], field: str) -> Any:
    """Call what is at `path` with `args`, whose names are turned into snake_case.

    What the user's code itself raises passes through unchanged.

    Raises:
        ConfigError: If it is not there, or refuses an argument by its signature.
    """
    found = load(path, field)
    arguments = snake_case(args)
    try:
        inspect.signature(found).bind(**arguments)
    except TypeError as error:
        raise ConfigError(
            f"{field} {path}: {error}; it takes {inspect.signature(found)}"
        ) from error
    except ValueError:
        pass  # a built-in without a signature: the call itself will say
    return found(**arguments)


def _module(name: str, field: str) -> Any:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        missing = error.name or name
        if name == missing or name.startswith(f"{missing}."):
            offer = _offer(missing, _importable(missing))
            raise ConfigError(f"{field}: there is no module {missing!r}; {offer}") from error
        raise ConfigError(
            f"{field}: {name} imports {missing!r}, which the image does not have; "
            "add it to an image of your own and name that in trainer.image"
        ) from error
    except SyntaxError as error:
        where = f"{error.filename}:{error.lineno}"
        raise ConfigError(f"{field}: {name} is not valid Python: {error.msg} ({where})") from error


def _importable(missing: str) -> list[str]:
    """Modules that stand where `missing` was looked for."""
    package, _, _ = missing.rpartition(".")
    if not package:
        return [module.name for module in pkgutil.iter_modules()]
    parent = sys.modules.get(package)
    return [f"{package}.{m.name}" for m in pkgutil.iter_modules(getattr(parent, "__path__", None))]


def _public(found: object) -> list[str]:
    return [
        name for name in vars(found) if not name.startswith("_") and callable(getattr(found, name))
    ]


def _offer(wanted: str, names: list[str]) -> str:
    near = difflib.get_close_matches(wanted, names, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    if not names or len(names) > 20:
        return "check its name, and that its folder is on PYTHONPATH (/workspace is)"
    return f"there is {', '.join(sorted(names))}"
