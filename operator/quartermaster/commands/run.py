"""`quartermaster run`: the operator in this process."""

import argparse
import asyncio
import logging
import os

from quartermaster.settings import from_environment


def run(_: argparse.Namespace) -> int:
    """Run until a signal; returns the exit status."""
    # Only now: kopf and an HTTP server take a second to import, and no other command needs them.
    from quartermaster import app  # noqa: PLC0415

    settings = from_environment(os.environ)
    logging.basicConfig(
        level=settings.log_level.upper(),
        format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
    )
    for noisy in ("kopf", "kubernetes", "aiohttp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    return asyncio.run(app.run(settings))
