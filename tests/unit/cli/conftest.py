"""The command line as a user runs it, against a cluster in memory and a screen of fixed width."""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from rich.console import Console

from kubectl_qm.arguments import parse
from kubectl_qm.commands import budgets, cost, explain, logs, plan, pools, queues, status
from kubectl_qm.commands.context import Context
from kubectl_qm.terminal import QuietConsole
from tests.support.qm_cluster import MemoryCluster
from tests.support.qm_make import NOW

COMMANDS: dict[str, Callable[[Context, argparse.Namespace], int]] = {
    "budgets": budgets.run,
    "cost": cost.run,
    "explain": explain.run,
    "logs": logs.run,
    "plan": plan.run,
    "pools": pools.run,
    "queues": queues.run,
    "status": status.run,
}


@dataclass
class Screen:
    """Runs commands and keeps what they wrote."""

    cluster: MemoryCluster = field(default_factory=MemoryCluster)
    width: int = 120
    is_terminal: bool = True
    encoding: str = "utf-8"
    sleeps: list[float] = field(default_factory=list)
    on_sleep: Callable[[], None] = lambda: None
    out: str = ""
    err: str = ""
    code: int = -1

    def run(self, *words: str) -> int:
        parsed = parse(words)
        out, err = self._console(), self._console()
        context = Context(
            cluster=self.cluster,
            console=out,
            errors=err,
            now=lambda: NOW,
            sleep=self._sleep,
            namespace=None if parsed.all_namespaces else parsed.namespace or self.cluster.namespace,
            output=parsed.output,
        )
        try:
            self.code = COMMANDS[parsed.command](context, parsed)
            return self.code
        finally:
            self.out, self.err = written(out), written(err)

    def _sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.on_sleep()

    def _console(self) -> Console:
        file = io.TextIOWrapper(io.BytesIO(), encoding=self.encoding, newline="")
        return QuietConsole(
            file=file, width=self.width, force_terminal=self.is_terminal, color_system=None,
            markup=False, emoji=False, highlight=False,
        )  # fmt: skip


def written(console: Console) -> str:
    file = console.file
    assert isinstance(file, io.TextIOWrapper)
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    return file.buffer.getvalue().decode(file.encoding)


@pytest.fixture
def screen() -> Screen:
    return Screen()
