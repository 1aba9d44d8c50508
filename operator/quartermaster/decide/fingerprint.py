"""Which jobs take the same steps: a fingerprint of what determines a step, and of nothing else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from typing import Any

DIGITS = 16
"""Of the hash that are kept: 64 bits, so that even a million shapes hardly ever collide [count]."""


@dataclass(frozen=True, slots=True)
class StepShape:
    """All that one step of one process depends on, the hardware and the gang's size aside.

    Names, seeds, epochs, learning rates and places are not here: they change no step's cost.
    """

    image: str
    command: tuple[str, ...] = ()
    """With its arguments; empty where the built-in loop runs."""
    env: Mapping[str, str] = field(default_factory=dict)
    code: str = ""
    """The ConfigMap with the user's own files."""
    model: str = ""
    """Import path of the factory."""
    model_args: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""
    dataset: str = ""
    """Where the data is, and so the shape of a sample."""
    dataset_args: Mapping[str, Any] = field(default_factory=dict)
    """JSON."""
    batch_size: int = 0
    """Of one process [sample]."""
    precision: str = ""
    strategy: str = ""
    gradient_accumulation: int = 1
    """Parts that a process computes its samples in [count]."""
    activation_checkpointing: bool = False


_LATER: Mapping[str, Any] = {"gradient_accumulation": 1, "activation_checkpointing": False}
"""Fields that came later, with what was done before there were any: so that what was measured under
an earlier version still counts."""


def fingerprint(shape: StepShape) -> str:
    """Sixteen hexadecimal digits: equal for equal shapes, in every process and at every time."""
    told = {name: value for name, value in asdict(shape).items() if _LATER.get(name) != value}
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    return sha256(text.encode()).hexdigest()[:DIGITS]
