"""Calling other programs, with a failure that names the program and its last words."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from devcluster.errors import CommandError
from devcluster.progress import Progress

_QUIET_S = 10.0
"""A running program is mentioned this often [s], so that a long build does not look stuck."""


def run(
    argv: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    stdin: str | None = None,
    cwd: Path | None = None,
) -> str:
    """Run a program to its end and return what it printed.

    Args:
        argv: The program and its arguments.
        env: Variables on top of this process's own.
        stdin: Text to feed it.
        cwd: Where to run it.

    Raises:
        CommandError: It is missing, or ended with a failure.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words,
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            cwd=cwd,
            env={**os.environ, **(env or {})},
        )
    except FileNotFoundError:
        raise CommandError(f"{words[0]} is not installed") from None
    if done.returncode != 0:
        raise CommandError(_failure(words, done.returncode, done.stderr or done.stdout))
    return done.stdout


def succeeds(argv: Sequence[str | Path]) -> bool:
    """Whether a program ends well; what it prints is dropped."""
    try:
        run(argv)
    except CommandError:
        return False
    return True


def run_logged(
    argv: Sequence[str | Path],
    *,
    log: Path,
    what: str,
    progress: Progress,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> None:
    """Run a long program with its output in a file, and say every ten seconds that it goes on.

    Raises:
        CommandError: It is missing, or ended with a failure; the last lines of the log are named.
    """
    words = [str(word) for word in argv]
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    with log.open("w") as sink:
        try:
            process = subprocess.Popen(
                words,
                stdout=sink,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**os.environ, **(env or {})},
            )
        except FileNotFoundError:
            raise CommandError(f"{words[0]} is not installed") from None
        code = None
        while code is None:
            try:
                code = process.wait(timeout=_QUIET_S)
            except subprocess.TimeoutExpired:
                progress.say(f"{what}: {time.monotonic() - started:.0f} s, {_last_line(log)}")
    if code != 0:
        raise CommandError(f"{_failure(words, code, log.read_text(errors='replace'))} (log: {log})")


def _failure(words: Sequence[str], code: int, output: str) -> str:
    """One line: the program, its exit code and the end of what it said."""
    tail = " | ".join(line.strip() for line in output.strip().splitlines()[-3:])
    return f"{' '.join(words[:4])} ended with {code}: {tail}"


def _last_line(log: Path) -> str:
    """The last line of a log [at most 100 characters]."""
    lines = log.read_text(errors="replace").strip().splitlines()
    return lines[-1][:100] if lines else "no output yet"
