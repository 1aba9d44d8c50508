"""Draw what a command really printed, colours included, as an SVG for the documentation.

``python scripts/picture.py docs/images/status.svg 'kubectl qm status digits -n demo'``
"""

import argparse
import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

WIDTH = 112
"""Columns of the picture [count]."""


def main() -> int:
    """Run the commands, and draw the transcript; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("picture", type=Path, help="the SVG to write")
    parser.add_argument("--title", default="Quartermaster")
    parser.add_argument("commands", nargs="+", help="each one line for the shell")
    arguments = parser.parse_args()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    for command in arguments.commands:
        console.print(Text(f"$ {command}", style="bold"))
        console.print(Text.from_ansi(_output(command)), soft_wrap=False)
        console.print()
    drawn = console.export_svg(title=arguments.title)
    # Whoever looks at a document should not fetch fonts from somewhere: the system's own will do.
    arguments.picture.write_text(re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL))
    return 0


def _output(command: str) -> str:
    """What a command prints on a colour terminal of the picture's width.

    Raises:
        SystemExit: It ended with a failure.
    """
    screen = {"FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(WIDTH)}
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **screen},
    )
    if done.returncode != 0:
        raise SystemExit(f"error: {command}: {done.stderr.strip()}")
    return done.stdout.rstrip()


if __name__ == "__main__":
    sys.exit(main())
