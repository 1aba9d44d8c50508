"""Composition root: the real cluster, the real screen, the real clock."""

import argparse
import io
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TextIO

from rich.console import Console
from typing_extensions import override

from kubectl_qm.access.connection import connect
from kubectl_qm.commands import budgets, cost, explain, logs, plan, pools, queues, status
from kubectl_qm.commands.context import Context
from kubectl_qm.errors import Exit

_COMMANDS: dict[str, Callable[[Context, argparse.Namespace], Exit]] = {
    "status": status.run,
    "explain": explain.run,
    "logs": logs.run,
    "plan": plan.run,
    "cost": cost.run,
    "pools": pools.run,
    "queues": queues.run,
    "budgets": budgets.run,
}


PIPE_WIDTH = 200
"""Columns where no terminal says how many there are [count]: little is cut for a program."""


class QuietConsole(Console):
    """Leaves a closed pipe to `main`."""

    @override
    def on_broken_pipe(self) -> None:
        """Lets the error through.

        Raises:
            BrokenPipeError: Always.
        """
        raise BrokenPipeError


def run(arguments: argparse.Namespace) -> Exit:
    """Runs the command that the arguments name."""
    cluster = connect(arguments.kubeconfig, arguments.context)
    namespace = None if arguments.all_namespaces else arguments.namespace or cluster.namespace
    context = Context(
        cluster=cluster,
        console=console(sys.stdout, no_color=arguments.no_color),
        errors=console(sys.stderr, no_color=arguments.no_color),
        now=_now,
        sleep=time.sleep,
        namespace=namespace,
        output=arguments.output,
    )
    return _COMMANDS[arguments.command](context, arguments)


def console(file: TextIO, *, no_color: bool) -> Console:
    """A screen that prints text as it stands: no markup, no emoji, no guessing of colours."""
    if isinstance(file, io.TextIOWrapper):
        # A message may hold letters that the terminal's encoding lacks.
        file.reconfigure(errors="replace")
    is_plain = no_color or bool(os.environ.get("NO_COLOR"))
    return QuietConsole(
        file=file,
        width=None if file.isatty() or os.environ.get("COLUMNS") else PIPE_WIDTH,
        color_system=None if is_plain else "auto",
        markup=False,
        emoji=False,
        highlight=False,
    )


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - this is the plugin's clock
