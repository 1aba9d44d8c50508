"""CEL selectors of DeviceClasses, judged on one device at a time.

What Kubernetes gives a selector beside CEL itself and is not here (semantic versions, `lowerAscii`,
`cel.bind`, ...) makes it match nothing, which is said once: too few devices are counted, never too
many. Source: Kubernetes, resource.k8s.io/v1, CELDeviceSelector.
"""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quartermaster.units import byte_count

if TYPE_CHECKING:
    import cel

logger = logging.getLogger(__name__)

MAX_LENGTH = 10 * 1024
"""What Kubernetes itself allows an expression [characters]."""


class Selector:
    """One expression, read once."""

    def __init__(self, expression: str) -> None:
        self._expression = expression
        self._told = False
        self._program = self._compiled()

    def _compiled(self) -> "cel.Program | None":
        if len(self._expression) > MAX_LENGTH:
            self._tell("it is too long")
            return None
        # The library takes 33 MiB and half a second, which clusters without classes do not pay.
        import cel  # noqa: PLC0415

        try:
            return cel.compile(self._expression)
        except Exception as error:  # noqa: BLE001 - whatever the library makes of a stranger's text
            self._tell(str(error))
            return None

    def matches(self, device: Mapping[str, Any]) -> bool:
        """Whether it chooses a device; an error chooses nothing, as in Kubernetes."""
        if self._program is None:
            return False
        import cel  # noqa: PLC0415

        context = cel.Context()
        context.add_variable("device", dict(device))
        context.add_function("quantity", byte_count)
        context.add_function("compareTo", _compared)
        context.add_function("isGreaterThan", lambda one, other: one > other)
        context.add_function("isLessThan", lambda one, other: one < other)
        try:
            return self._program.execute(context) is True
        except KeyError:
            return False  # the device does not have what it asks for
        except Exception as error:  # noqa: BLE001 - whatever the library makes of a stranger's text
            self._tell(str(error))
            return False

    def _tell(self, why: str) -> None:
        if not self._told:
            self._told = True
            logger.warning("selector %.200r counts no device: %.300s", self._expression, why)


def _compared(one: int, other: int) -> int:
    return (one > other) - (one < other)
