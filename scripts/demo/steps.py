"""Running a program as a step: its lines go to a log and to the screen as they come."""

import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scripts.demo.errors import DemoError, StepError

_STAMP = re.compile(r"^\[\s*\d+\.\ds\] ")
"""devcluster begins its lines with its own clock; the screen has one."""
_END_S = 10.0


@dataclass(frozen=True, slots=True)
class Step:
    """A program to run, and what to say of it."""

    name: str
    """One word, for the log file."""
    title: str
    """For the screen."""
    argv: Sequence[str]
    advice: str
    """What to do when it fails."""
    stdin: str | None = None
    """Text to feed it."""
    done: str = ""
    """What to say when it went well; empty leaves its own last words."""


class Listener(Protocol):
    """Hears what a step says."""

    def heard(self, line: str) -> None:
        """One line of output."""
        ...


def run(step: Step, log: Path, environment: Mapping[str, str], listener: Listener) -> None:
    """Run a step to its end.

    Args:
        step: What to run.
        log: Where its whole output goes; written anew.
        environment: Variables on top of this process's own.
        listener: Who hears its lines.

    Raises:
        StepError: It ended with a failure.
        DemoError: Its program is not installed.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    process = _start(step, environment)
    last = ""
    try:
        with log.open("w") as sink:
            for line in process.stdout or ():
                sink.write(line)
                text = _STAMP.sub("", line.strip())
                if text:
                    last = text
                    listener.heard(text)
        code = process.wait()
    finally:
        _end(process)
    if code != 0:
        words = last.removeprefix("error: ").removeprefix("Error: ") or f"exit code {code}"
        raise StepError(step.title, words, log, step.advice)
    if step.done:
        listener.heard(step.done)


def _start(step: Step, environment: Mapping[str, str]) -> subprocess.Popen[str]:
    try:
        process = subprocess.Popen(
            list(step.argv),
            stdin=subprocess.DEVNULL if step.stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env={**os.environ, **environment},
        )
    except FileNotFoundError:
        raise DemoError(f"{step.title} failed: {step.argv[0]} is not installed") from None
    if process.stdin is not None and step.stdin is not None:
        process.stdin.write(step.stdin)
        process.stdin.close()
    return process


def _end(process: subprocess.Popen[str]) -> None:
    """Leave no program behind when the user breaks off."""
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
