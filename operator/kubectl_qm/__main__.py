"""`kubectl qm`: reads the command line, runs one command, leaves with an exit code."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence

from kubectl_qm.arguments import parse, parser
from kubectl_qm.errors import CommandError, Exit

TRACE = "QM_TRACE"
"""Set in the environment, it shows the stack of a fault."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        arguments: Without the program's name; None takes the process's own.

    Returns:
        One of `errors.Exit`.
    """
    try:
        return _run(parse(sys.argv[1:] if arguments is None else arguments))
    except CommandError as error:
        _complain(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader has seen enough. Python would complain once more when it flushes at the end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.BROKEN_PIPE
    except Exception as error:
        if os.environ.get(TRACE):
            raise
        what = f"{type(error).__name__}: {error}"
        _complain(f"{what}; this is a fault of kubectl-qm, {TRACE}=1 shows where")
        return Exit.FAULT


def _run(arguments: argparse.Namespace) -> int:
    if arguments.version:
        print(_version())
        return Exit.OK
    if arguments.command is None:
        parser().print_help()
        return Exit.OK
    # Only now what takes time to import: --help and mistakes are answered at once.
    from kubectl_qm import terminal  # noqa: PLC0415

    result = terminal.run(arguments)
    sys.stdout.flush()
    return result


def _complain(message: str) -> None:
    """One line on standard error, whatever the message holds."""
    print(f"error: {' '.join(message.split())}", file=sys.stderr)


def _version() -> str:
    from quartermaster import __version__  # noqa: PLC0415

    return f"kubectl-qm {__version__}"


if __name__ == "__main__":
    sys.exit(main())
