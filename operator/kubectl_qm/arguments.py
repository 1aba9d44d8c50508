"""The command line: what can be asked, and how it is answered when it is asked wrongly.

Nothing slow is imported here, so that --help is quick.
"""

import argparse
import difflib
import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import NoReturn, TypeAlias

from typing_extensions import override

from kubectl_qm.errors import UsageError

PROGRAM = "kubectl qm"

EXIT_CODES = """\
exit codes:
  0  done; with `status NAME --watch`, the job is complete; with `plan`, all would start
  1  the job failed, or what was named is not there; with `plan`, a job would wait
  2  the command line cannot work as it stands
  3  the cluster cannot be reached, refuses, or has no Quartermaster
  70 a fault of the plugin itself
"""

Commands: TypeAlias = "argparse._SubParsersAction[Parser]"  # noqa: SLF001 - it has no other name
"""The collection of commands."""

_NO_COLOUR = "plain text; NO_COLOR in the environment does the same"


class Parser(argparse.ArgumentParser):
    """Complains in one line, and knows what was probably meant."""

    @override
    def error(self, message: str) -> NoReturn:
        """Raises what is wrong instead of printing the usage.

        Raises:
            UsageError: Always.
        """
        raise UsageError(f"{_meant(message)}; see {self.prog} --help")


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments by name; every one is there.

    Raises:
        UsageError: They make no sense.
    """
    parsed = parser().parse_args(arguments)
    for name, value in _DEFAULTS.items():
        if not hasattr(parsed, name):
            setattr(parsed, name, value)
    _check_names(parsed)
    if parsed.all_namespaces and (parsed.namespace or getattr(parsed, "name", None)):
        other = "-n" if parsed.namespace else "a NAME"
        raise UsageError(f"-A and {other} exclude each other: a name lives in one namespace")
    _check_ledger(parsed)
    return parsed


def _check_ledger(parsed: argparse.Namespace) -> None:
    """What of `cost` goes together."""
    asked = getattr(parsed, "by", None) or getattr(parsed, "recommend", False)
    if asked and parsed.name:
        raise UsageError("--by and a NAME exclude each other: use --by job, or the name alone")
    if parsed.output == "csv" and not getattr(parsed, "by", None):
        raise UsageError("-o csv is for sums of the ledger: say by what, as --by job")


def _check_names(parsed: argparse.Namespace) -> None:
    """Refuses what no object can be called: the server's answer would lead astray."""
    for what in ("namespace", "name"):
        given = getattr(parsed, what, None)
        if given is not None and not _OBJECT_NAME.fullmatch(given):
            raise UsageError(
                f"{given!r} is no {what}: lower-case letters, digits, '-' and '.', at most 253"
            )


_OBJECT_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")

_DEFAULTS = {
    "kubeconfig": None,
    "context": None,
    "namespace": None,
    "all_namespaces": False,
    "no_color": False,
    "output": "",
    "name": None,
}


def parser() -> Parser:
    """The whole command line."""
    top = Parser(
        prog=PROGRAM,
        description="What training jobs do, why they wait, and what they cost.",
        epilog=f"examples:\n"
        f"  {PROGRAM} status                      every job of this namespace\n"
        f"  {PROGRAM} status digits --watch       one job, redrawn until it ends\n"
        f"  {PROGRAM} explain digits              why it waits, and what would let it start\n"
        f"  {PROGRAM} plan -f job.yaml                would it start, where, at what price\n"
        f"  {PROGRAM} logs digits --all -f        every worker's log as it is written\n"
        f"  {PROGRAM} cost -A                     what every job has cost, and the sum\n\n"
        f"{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_shared()],
        allow_abbrev=False,
    )
    top.add_argument("--version", action="store_true", help="print the version and leave")
    commands = top.add_subparsers(dest="command", metavar="COMMAND")
    _add_status(commands)
    _add_explain(commands)
    _add_logs(commands)
    _add_plan(commands)
    _add_cost(commands)
    _add_pools(commands)
    _add_queues(commands)
    _add_budgets(commands)
    return top


def _add_status(commands: Commands) -> None:
    status = _command(
        commands,
        "status",
        "what jobs do: state, progress, place, cost",
        [
            "status                 every job of this namespace",
            "status -A -o wide      every job, with pool, queue and nodes",
            "status digits          one job on a page",
            "status digits --watch  redraw until it ends; exit code 1 when it failed",
        ],
    )
    status.add_argument("name", metavar="NAME", nargs="?", help="one TrainingJob")
    status.add_argument("-w", "--watch", action="store_true", help="look again every 2 s")
    _add_output(status, "wide")


def _add_explain(commands: Commands) -> None:
    explain = _command(
        commands,
        "explain",
        "why a job is where it is, or why it waits",
        ["explain digits          reasons, rejected candidates, conditions, events"],
    )
    explain.add_argument("name", metavar="NAME", help="a TrainingJob")
    _add_output(explain)


def _add_plan(commands: Commands) -> None:
    plan = _command(
        commands,
        "plan",
        "what would become of jobs that are not applied yet",
        [
            "plan -f job.yaml               where it would start, what it would cost, or why not",
            "plan -f job.yaml --steps 6000  with time and money to its end",
            "plan -f a.yaml -f b.yaml       one after the other, as if applied in this order",
            "plan -f - -o json < job.yaml   everything, for a program",
        ],
    )
    plan.add_argument(
        "-f",
        "--filename",
        metavar="FILE",
        action="append",
        required=True,
        help="TrainingJobs in YAML or JSON, - for standard input; may be given again",
    )
    plan.add_argument(
        "--steps", metavar="N", type=_above_zero, help="how many steps the jobs have, if you know"
    )
    _add_output(plan)


def _add_logs(commands: Commands) -> None:
    logs = _command(
        commands,
        "logs",
        "what the workers wrote",
        [
            "logs digits               worker 0",
            "logs digits --all -f      every worker, as it is written, until the job ends",
            "logs digits --worker 3 --tail 20",
            "logs digits --previous    the life before the last restart",
        ],
    )
    logs.add_argument("name", metavar="NAME", help="a TrainingJob")
    which = logs.add_mutually_exclusive_group()
    which.add_argument(
        "--worker",
        metavar="I",
        type=_count,
        action="append",
        help="a worker's index, from 0; may be given again (default: 0)",
    )
    which.add_argument("--all", action="store_true", help="every worker, each line prefixed")
    logs.add_argument(
        "-f", "--follow", action="store_true", help="go on until the job ends, over restarts too"
    )
    logs.add_argument("--tail", metavar="N", type=_count, help="only the last N lines of each")
    logs.add_argument("--previous", action="store_true", help="the life before the last restart")


def _add_cost(commands: Commands) -> None:
    cost = _command(
        commands,
        "cost",
        "what jobs have cost, and the sum",
        [
            "cost                   the jobs of this namespace, the dearest first",
            "cost -A -o json        everything, for a program",
            "cost -A --by queue --since 7d           what the ledger has of these days, by queue",
            "cost --by job --since 2026-11-01 -o csv  jobs that are deleted too, for a spreadsheet",
        ],
    )
    cost.add_argument("name", metavar="NAME", nargs="?", help="one TrainingJob")
    ledger = cost.add_mutually_exclusive_group()
    ledger.add_argument(
        "--recommend", action="store_true", help="where money could have been saved, and why"
    )
    ledger.add_argument(
        "--by",
        choices=["namespace", "queue", "job", "gpu", "node", "part", "day"],
        help="sums of the operator's ledger, by this",
    )
    cost.add_argument(
        "--since",
        metavar="WHEN",
        type=_since,
        default=timedelta(days=30),
        help="of the ledger: days back, as 7d, or a day in UTC, as 2026-11-01 (default: 30d)",
    )
    cost.add_argument("--until", metavar="DAY", type=_day, help="of the ledger: not included")
    _add_output(cost, "csv")


def _add_pools(commands: Commands) -> None:
    pools = _command(
        commands,
        "pools",
        "what there is to run on, and its prices",
        ["pools      every ComputePool"],
    )
    _add_output(pools)


def _add_queues(commands: Commands) -> None:
    queues = _command(
        commands,
        "queues",
        "who may use how much, and who does",
        ["queues     every ComputeQueue, those of one parent below it"],
    )
    _add_output(queues)


def _add_budgets(commands: Commands) -> None:
    budgets = _command(
        commands,
        "budgets",
        "what may be spent, what was, and what that does",
        [
            "budgets     the Budgets of this namespace, the fullest first",
            "budgets -A  those of every namespace",
        ],
    )
    _add_output(budgets)


def _command(commands: Commands, name: str, summary: str, examples: Sequence[str]) -> Parser:
    lines = "\n".join(f"  {PROGRAM} {example}" for example in examples)
    return commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"examples:\n{lines}\n\n{EXIT_CODES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_shared()],
        allow_abbrev=False,
    )


def _shared() -> Parser:
    """Options that stand before or behind the command; only what is given is set."""
    shared = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    where = shared.add_argument_group("where")
    where.add_argument(
        "-n", "--namespace", metavar="NS", help="a namespace (default: the context's)"
    )
    where.add_argument("-A", "--all-namespaces", action="store_true", help="every namespace")
    where.add_argument("--kubeconfig", metavar="FILE", help="a kubeconfig (default: KUBECONFIG)")
    where.add_argument("--context", metavar="NAME", help="a context of the kubeconfig")
    where.add_argument("--no-color", action="store_true", help=_NO_COLOUR)
    return shared


def _add_output(command: Parser, *more: str) -> None:
    command.add_argument(
        "-o",
        "--output",
        choices=["json", "yaml", *more],
        default="",
        help="for programs; without it, for people"
        if not more
        else "more columns, or for programs",
    )


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0")
    return int(text)


def _since(text: str) -> timedelta | date:
    if re.fullmatch(r"[0-9]{1,4}d", text):
        return timedelta(days=int(text[:-1]))
    return _day(text)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a day, as 2026-11-01") from None


def _above_zero(text: str) -> int:
    count = _count(text)
    if count == 0:
        raise argparse.ArgumentTypeError("0 is not above 0")
    return count


def _meant(message: str) -> str:
    """The complaint of argparse, with what was probably meant."""
    found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
    if found is None:
        return message
    choices = re.findall(r"[\w-]+", found[2])
    near = difflib.get_close_matches(found[1], choices, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(choices)}"
    if message.startswith("argument COMMAND"):
        return f"{found[1]!r} is no command: {hint}"
    return f"{message.partition(':')[0]}: {found[1]!r} is not possible: {hint}"
