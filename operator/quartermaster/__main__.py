"""`python -m quartermaster run`."""

import argparse
import asyncio
import logging
import os
import sys

from quartermaster import __version__, app
from quartermaster.errors import QuartermasterError
from quartermaster.settings import from_environment


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and the environment, and run."""
    parser = argparse.ArgumentParser(
        prog="quartermaster",
        description="Schedules AI compute on Kubernetes. Settings come from QM_* variables.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("run", help="run the operator in this process")
    parser.parse_args(arguments)
    try:
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


if __name__ == "__main__":
    sys.exit(main())
