"""`python -m qm_trainer launch` in a pod, `python -m qm_trainer train` anywhere."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from qm_trainer import __version__
from qm_trainer.errors import ConfigError


def parser() -> argparse.ArgumentParser:
    """The command line."""
    root = argparse.ArgumentParser(
        prog="python -m qm_trainer",
        description="Trains a model: one process, a gang of pods, or anything between.",
    )
    root.add_argument("--version", action="version", version=__version__)
    commands = root.add_subparsers(dest="command", required=True, metavar="launch | train")
    launch = commands.add_parser(
        "launch",
        help="run this worker of a gang as torchrun would, by the PET_* variables",
        description="Starts the processes of this worker, has them meet the others at worker 0, "
        "and ends with the contract's exit code. With SCRIPT, each process runs that instead of "
        "the built-in loop.",
    )
    launch.add_argument("script", nargs="?", metavar="SCRIPT", help="a Python script of your own")
    launch.add_argument("args", nargs=argparse.REMAINDER, metavar="ARG", help="its arguments")
    train = commands.add_parser(
        "train",
        help="train in this process; no cluster is needed",
        description="Trains as a configuration says; joins others if torchrun's variables are set.",
    )
    train.add_argument("--config", type=Path, metavar="FILE", help="JSON; default: $QM_CONFIG")
    train.add_argument("--run-dir", type=Path, metavar="DIR", help="default: $QM_RUN_DIR, or ./out")
    return root


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; answers the exit code."""
    asked = parser().parse_args(argv)
    if asked.command == "launch":
        return _launch(asked)
    return _train(asked)


def _launch(asked: argparse.Namespace) -> int:
    from qm_trainer.launch import launcher  # noqa: PLC0415 - each command loads only what it needs

    own = [sys.executable, "-u", asked.script, *asked.args] if asked.script else None
    return launcher.launch(
        own,
        termination_log=Path(os.environ.get("QM_TERMINATION_LOG", launcher.TERMINATION_LOG)),
    )


def _train(asked: argparse.Namespace) -> int:
    from qm_trainer.launch import worker  # noqa: PLC0415 - torch takes seconds to import

    run_dir = asked.run_dir or Path(os.environ.get("QM_RUN_DIR", "out"))
    code = worker.work(lambda: _configuration(asked.config), run_dir)
    worker.leave_at_once(code)
    return code


def _configuration(path: Path | None) -> str:
    if path is None and "QM_CONFIG" not in os.environ:
        raise ConfigError("there is no configuration: give --config FILE, or set QM_CONFIG")
    if path is None:
        return os.environ["QM_CONFIG"]
    try:
        return path.read_text()
    except OSError as error:
        raise ConfigError(f"--config {path} cannot be read: {error.strerror}") from error


if __name__ == "__main__":
    sys.exit(main())
