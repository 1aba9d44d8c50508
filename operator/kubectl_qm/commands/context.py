"""What every command is given: the cluster, the screen, the clock."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from rich.console import Console, RenderableType

from kubectl_qm.cluster import Cluster
from kubectl_qm.errors import DeniedError
from kubectl_qm.render import output
from kubectl_qm.render.look import Look
from kubectl_qm.render.table import Trimmed

Seen = TypeVar("Seen")

PAGE_WIDTH = 110
"""Wider pages are hard to read [columns]."""
NARROWEST = 20
"""Below this the layout gives up, and the terminal wraps [columns]."""


@dataclass(frozen=True)
class Context:
    """The world as a command sees it."""

    cluster: Cluster
    console: Console
    errors: Console
    now: Callable[[], datetime]
    sleep: Callable[[float], None]
    namespace: str | None
    """None is every namespace."""
    output: str = ""
    """`json`, `yaml`, `wide`, or empty for people."""

    @property
    def named(self) -> str:
        """The namespace in which a named object is looked for."""
        return self.namespace or self.cluster.namespace

    @property
    def is_machine(self) -> bool:
        """Whether a program reads the output."""
        return self.output in {"json", "yaml"}

    def look(self, *, page: bool = False) -> Look:
        """What the terminal can show now; it may have been resized."""
        width = min(self.console.width, PAGE_WIDTH) if page else self.console.width
        return Look(width=max(NARROWEST, width), plain=self.console.options.ascii_only)

    def trimmed(self, content: RenderableType, look: Look) -> Trimmed:
        """A renderable as it goes to the screen."""
        return Trimmed(content, look.width)

    def show(self, content: RenderableType, look: Look) -> None:
        """Prints for people."""
        self.console.print(self.trimmed(content, look), end="", crop=False)

    def give(self, value: object) -> None:
        """Prints for programs."""
        text = output.as_yaml(value) if self.output == "yaml" else output.as_json(value)
        self.console.file.write(text)

    def permitted(self, ask: Callable[[], Sequence[Seen]]) -> Sequence[Seen]:
        """What the user may see of a detail; a refusal is remarked, and the rest still shown."""
        try:
            return ask()
        except DeniedError as error:
            self.note(str(error))
            return ()

    def note(self, text: str) -> None:
        """A remark that is no part of the output."""
        self.errors.print(text, style="dim", soft_wrap=True)
