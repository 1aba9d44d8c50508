"""The command line of `quartermaster`."""

import argparse
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from quartermaster import __version__


class Parser(argparse.ArgumentParser):
    """Complains in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        """Leave with what is wrong, and where to read on."""
        self.exit(2, f"quartermaster: {message}; see {self.prog} --help\n")


def parser() -> Parser:
    """The whole command line."""
    whole = Parser(
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
    _add_plan(commands)
    return whole


def _add_plan(commands: "argparse._SubParsersAction[Parser]") -> None:
    plan = commands.add_parser(
        "plan",
        help="say what would become of jobs on a cycle that was saved",
        description="Says of each TrainingJob in the files, which is not applied: would it start, "
        "where, what would it cost, who would have to make room for it; or why it would wait. The "
        "operator's own code decides. On a cluster that runs: kubectl qm plan.",
        epilog="exit codes: 0 all would start, 1 one would wait, 2 the input is wrong",
    )
    plan.add_argument("files", metavar="FILE", type=Path, nargs="+", help="YAML; - for stdin")
    plan.add_argument(
        "--cycle", metavar="SAVED", type=Path, required=True, help="JSON, as for replay"
    )
    plan.add_argument(
        "-n", "--namespace", metavar="NS", default="default", help="of jobs that name none"
    )
    plan.add_argument(
        "--steps", metavar="N", type=count, help="how many steps the jobs have, if you know"
    )
    plan.add_argument("-o", "--output", choices=["json"], default="", help="for programs")


def count(text: str) -> int:
    """A whole number above zero."""
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
