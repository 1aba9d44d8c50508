"""One process of the gang: reads its configuration, trains, leaves its ending."""

import logging
import os
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from types import FrameType

from qm_trainer import config, console, errors, loop, progress, session
from qm_trainer.errors import ConfigError, Ending, TrainerError
from qm_trainer.launch import outcome
from qm_trainer.launch.gang import WAIT_S, wait_for_leader
from qm_trainer.launch.outcome import Mark
from qm_trainer.parallel import processes

_log = logging.getLogger("qm_trainer")


class StopFlag:
    """Remembers when SIGTERM came; before training has begun, SIGTERM just ends the process."""

    def __init__(self, grace_s: float) -> None:
        self._grace_s = grace_s
        self._told: float | None = None

    def __call__(self) -> bool:
        """Whether SIGTERM came."""
        return self._told is not None

    def left(self) -> float:
        """Until SIGKILL comes, or would come if SIGTERM came now [s]."""
        return self._grace_s - (0.0 if self._told is None else monotonic() - self._told)

    def arm(self) -> None:
        """From now on, remember."""
        signal.signal(signal.SIGTERM, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told = self._told or monotonic()


def work(
    configuration: Callable[[], str], run_dir: Path, environment: Mapping[str, str] = os.environ
) -> int:
    """Train as `configuration` says; answers the exit code."""
    rank, size = int(environment.get("RANK", "0")), int(environment.get("WORLD_SIZE", "1"))
    tail = console.set_up(rank, size)
    named = environment.get(outcome.DIRECTORY_VARIABLE)
    folder = Path(named) if named else None
    reporter = progress.from_environment(environment)
    try:
        _train(configuration(), run_dir, reporter, environment, folder)
    except Exception as error:  # noqa: BLE001 - the edge: every end becomes a class and a sentence
        failed = errors.classify(error, stepped=False)
        _show_own_frames(error)
        ending = Ending(failed.kind, str(failed), tail.text())
        reporter.close()
        if folder:
            outcome.write(folder, rank, ending)
        else:
            _log.error("%s: %s", ending.kind, ending.message)
        return failed.exit_code
    reporter.close()
    if folder and rank == 0:
        outcome.write_report(folder, reporter.last)
    return 0


def _train(
    text: str,
    run_dir: Path,
    reporter: progress.Reporter,
    environment: Mapping[str, str],
    folder: Path | None,
) -> None:
    run = config.parse(text)
    # A note on 1 x 1 kernels, whose two layouts are the same numbers in the same order.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    world = _join(environment)
    stop = StopFlag(_grace(environment))

    def come_to(mark: Mark) -> None:
        if folder:
            outcome.reach(folder, world.rank, mark)

    def ready() -> None:
        stop.arm()
        come_to(Mark.READY)

    come_to(Mark.JOINED)
    out = session.Surroundings(
        run_dir=run_dir,
        world=world,
        reporter=reporter,
        now=lambda: datetime.now(UTC),  # noqa: TID251 - the edge: the clock enters here
        clock=monotonic,
        stop=stop,
        grace_left=stop.left,
        ready=ready,
        environment=environment,
    )
    loop.train(run, out)
    processes.leave(world)


def _join(environment: Mapping[str, str]) -> processes.World:
    """Meet the others at the store that rank 0 opens."""
    if environment.get("RANK", "0") != "0":
        wait_for_leader(environment["MASTER_ADDR"], int(environment["MASTER_PORT"]))
    return processes.join(environment, timedelta(seconds=WAIT_S))


def _grace(environment: Mapping[str, str]) -> float:
    text = environment.get("QM_GRACE_SECONDS", "")
    try:
        return float(text) if text else session.DEFAULT_GRACE_S
    except ValueError as error:
        raise ConfigError(f"QM_GRACE_SECONDS must be a number, not {text!r}") from error


def _show_own_frames(error: BaseException) -> None:
    """Where the user's own code was, without ours and torch's."""
    cause = error.__cause__ if isinstance(error, TrainerError) and error.__cause__ else error
    frames = list(errors.own_frames(cause))
    if frames:
        for line in "".join(traceback.format_list(frames)).rstrip().splitlines():
            _log.error("%s", line)
        _log.error("%s: %s", type(cause).__name__, cause)


def leave_at_once(code: int) -> None:
    """End this process without the farewells of libraries, which hang when a peer is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
