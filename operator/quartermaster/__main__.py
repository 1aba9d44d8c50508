"""`quartermaster`: reads the command line, runs one command, leaves with an exit code."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable

from quartermaster.commands import ledger, plan, replay, run, simulate
from quartermaster.commands.arguments import parser
from quartermaster.errors import QuartermasterError

__all__ = ["main", "parser"]

COMMANDS: dict[str, Callable[[argparse.Namespace], int]] = {
    "run": run.run,
    "replay": replay.run,
    "plan": plan.run,
    "simulate": simulate.run,
    "ledger": ledger.run,
}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and the environment, and run."""
    chosen = parser().parse_args(arguments)
    try:
        code = COMMANDS[chosen.command](chosen)
        sys.stdout.flush()
    except (QuartermasterError, ValueError) as error:
        sys.stderr.write(f"quartermaster: {' '.join(str(error).split())}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more when it flushes at the end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


if __name__ == "__main__":
    sys.exit(main())
