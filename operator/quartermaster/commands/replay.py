"""`quartermaster replay`: decide anew from a cycle that was saved."""

import argparse
import sys

from quartermaster.adapters import scene
from quartermaster.commands.files import read_bytes


def run(arguments: argparse.Namespace) -> int:
    """Tell of each gang of the cycle what is decided now."""
    for line in scene.replay(read_bytes(arguments.file)):
        sys.stdout.write(f"{line}\n")
    return 0
