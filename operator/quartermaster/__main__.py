"""`python -m quartermaster run`, and `replay` of what it decided from."""

import argparse
import asyncio
import logging
import os
import sys
from pathlib import Path

from quartermaster import __version__, app
from quartermaster.adapters import scene
from quartermaster.errors import QuartermasterError
from quartermaster.settings import from_environment


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(
        prog="quartermaster",
        description="Schedules AI compute on Kubernetes. Settings come from QM_* variables.",
    )
    whole.add_argument("--version", action="version", version=__version__)
    commands = whole.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run the operator in this process")
    again = commands.add_parser(
        "replay",
        help="decide anew from a cycle that was saved",
        description="Decides anew, with this version's code, from the input of a placement cycle. "
        "An operator gives its newest one at /cycle on its metrics port.",
    )
    again.add_argument("file", type=Path, help="the saved JSON; - for standard input")
    return whole


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and the environment, and run."""
    chosen = parser().parse_args(arguments)
    try:
        if chosen.command == "replay":
            return _replay(chosen.file)
        settings = from_environment(os.environ)
        logging.basicConfig(
            level=settings.log_level.upper(),
            format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
        )
        for noisy in ("kopf", "kubernetes", "aiohttp"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        return asyncio.run(app.run(settings))
    except (QuartermasterError, ValueError) as error:
        sys.stderr.write(f"quartermaster: {error}\n")
        return 2


def _replay(path: Path) -> int:
    try:
        raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        sys.stderr.write(f"quartermaster: {path}: {error.strerror}\n")
        return 2
    for line in scene.replay(raw):
        sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
