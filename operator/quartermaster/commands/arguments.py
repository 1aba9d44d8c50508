"""The command line of `quartermaster`."""

import argparse
from datetime import date
from pathlib import Path
from typing import NoReturn

from typing_extensions import override

from quartermaster import __version__
from quartermaster.planning.trace_file import LONGEST_S
from quartermaster.simulate.trace.job import Terms


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
    _add_simulate(commands)
    _add_ledger(commands)
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


def _add_simulate(commands: "argparse._SubParsersAction[Parser]") -> None:
    simulate = commands.add_parser(
        "simulate",
        help="run a trace of jobs through the queues and the placement, without a cluster",
        description="Simulates a trace of jobs, event by event. Whoever waits is judged by the "
        "operator's own code whenever something changes; decisions take no time, and there is no "
        "chance in it: the same input has the same output.",
        epilog="The trace is CSV with a header: name, submit_seconds, duration_seconds, workers, "
        "gpus_per_worker, gpu_models (separated by |), queue, priority. "
        "exit codes: 0 every job had a place, 1 one never had, 2 the input is wrong",
    )
    simulate.add_argument("trace", metavar="TRACE", type=Path, help="CSV; - for stdin")
    simulate.add_argument(
        "--cluster",
        metavar="FILE",
        type=Path,
        required=True,
        help="a saved cycle (JSON), whose jobs are taken away, or nodeGroups in YAML",
    )
    simulate.add_argument(
        "--queues", metavar="FILE", type=Path, help="ComputeQueues in YAML, in place of the cycle's"
    )
    told = Terms()
    for name, default, words in (
        ("stop", told.stop_s, "a stopped job holds its places so long, to save"),
        ("restart", told.restart_s, "a job that was stopped needs so long to go on"),
        ("checkpoint", told.checkpoint_s, "time between checkpoints"),
        ("half-life", told.half_life_s, "what a queue used so long ago counts half; 0 is off"),
    ):
        simulate.add_argument(
            f"--{name}-seconds",
            metavar="S",
            type=seconds,
            default=default,
            help=f"{words} (default: {default:g})",
        )
    simulate.add_argument(
        "--ends-unknown",
        action="store_true",
        help="running jobs do not report when they end: only deadlines are known",
    )
    simulate.add_argument(
        "-o", "--output", choices=["table", "json", "csv"], default="table", help="default: table"
    )


def _add_ledger(commands: "argparse._SubParsersAction[Parser]") -> None:
    ledger = commands.add_parser(
        "ledger",
        help="export the ledger",
        description="Writes the ledger's entries to standard output: of whole days in UTC, cut at "
        "midnight. The ledger is that of QM_LEDGER_URL.",
    )
    ledger.add_argument("action", choices=["export"])
    ledger.add_argument("--format", choices=["focus", "csv"], default="focus", help="FOCUS 1.2")
    ledger.add_argument("--since", metavar="DAY", type=day, required=True, help="2026-11-01")
    ledger.add_argument("--until", metavar="DAY", type=day, required=True, help="not included")


def day(text: str) -> date:
    """A day."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, as 2026-11-01") from None


def seconds(text: str) -> float:
    """A time from 0 [s]."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < LONGEST_S:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds from 0")
    return value


def count(text: str) -> int:
    """A whole number above zero."""
    if not text.isascii() or not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)
