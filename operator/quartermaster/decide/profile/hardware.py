"""What is known of GPU models and machine types, as a decision asks for it."""

from collections.abc import Callable
from dataclasses import dataclass

from quartermaster.decide.profile.calibration import DECLARED, Calibration
from quartermaster.decide.profile.classify import INDIFFERENCE
from quartermaster.domain.hardware import Accelerator, InstanceType


def _unknown(_: str) -> None:
    return None


def _declared(_: str) -> Calibration:
    return DECLARED


@dataclass(frozen=True, slots=True)
class Hardware:
    """Look-ups by name, and how far predictions are believed."""

    accelerator: Callable[[str], Accelerator | None] = _unknown
    """By the GPU model's label."""
    instance: Callable[[str], InstanceType | None] = _unknown
    """By the machine type's label."""
    calibration: Callable[[str], Calibration] = _declared
    """What this cluster reaches of what the makers promise, by the GPU model's label."""
    indifference: float = INDIFFERENCE
    """Predicted objectives that differ by less, 0 to 1, are not told apart."""


NOTHING_KNOWN = Hardware()
