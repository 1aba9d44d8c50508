"""The container's main process: starts the worker's processes, ends by the contract."""

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import FrameType

from qm_trainer import CONTRACT_VERSION, config, console
from qm_trainer.errors import Ending, TrainerError
from qm_trainer.launch import cgroup, outcome
from qm_trainer.launch.agent import Agent, signals_held
from qm_trainer.launch.gang import SAY_S, Gang, free_port, wait_for_leader
from qm_trainer.launch.outcome import Failure, Mark, Verdict

OWN_COMMAND = (sys.executable, "-u", "-m", "qm_trainer", "train")
"""What each process runs where the user brings no script."""
SUMMARY = "summary.json"
"""The last file that a run leaves."""
TERMINATION_LOG = Path("/dev/termination-log")

_log = logging.getLogger("qm_trainer")


class _Told(Exception):  # noqa: N818 - not an error
    """SIGTERM came before the agent was started."""


class Launcher:
    """One worker's life."""

    def __init__(self, environment: Mapping[str, str], script: Sequence[str] | None = None) -> None:
        self._script = script
        self._environment = dict(environment)
        self._agent: Agent | None = None
        self._told = False

    def run(self) -> Verdict:
        """Start the processes, wait for their end, say what it means."""
        signal.signal(signal.SIGTERM, self._on_sigterm)
        signal.signal(signal.SIGINT, self._on_sigterm)
        if self._already_done():
            _log.info("the run is finished: %s is there, nothing is left to do", SUMMARY)
            return Verdict(0, None)
        try:
            gang = self._gang()
            with tempfile.TemporaryDirectory(prefix="qm-") as folder:
                return self._supervise(gang, Path(folder))
        except _Told:
            return outcome.judge([], {}, told=True, killed_for_memory=False)
        except TrainerError as error:
            return Verdict(error.exit_code, Ending(error.kind, str(error)))

    def _already_done(self) -> bool:
        """Whether this worker was replaced after its gang had ended: there is nobody to wait for.

        A node that is lost in the last moments takes the news of its worker's success with it.
        """
        folder = self._environment.get("QM_RUN_DIR", "")
        text = self._environment.get("QM_CONFIG")
        if text is None or not folder:
            return False
        return (Path(folder) / SUMMARY).is_file() or self._done_in_bucket(text)

    def _done_in_bucket(self, text: str) -> bool:
        try:
            uri = config.parse(text).checkpoint.uri
            if uri is None:
                return False
            from qm_trainer.storage import s3  # noqa: PLC0415 - most runs need no client

            address = s3.parse(uri)
            return s3.exists(s3.connect(address, self._environment), SUMMARY, address)
        except TrainerError:
            # The processes find the same, and say it where it is looked for.
            return False

    def _gang(self) -> Gang:
        spoken = self._environment.get("QM_CONTRACT", CONTRACT_VERSION)
        if spoken != CONTRACT_VERSION:
            _log.warning("the operator speaks contract %s, this image %s", spoken, CONTRACT_VERSION)
        gang = Gang.from_environment(self._environment)
        if gang.nodes == 1:
            return replace(gang, host="127.0.0.1", port=gang.port or free_port())
        if gang.node_rank and self._script:
            # The built-in loop waits by itself, once it has loaded PyTorch.
            wait_for_leader(gang.host, gang.port)
        return gang

    def _supervise(self, gang: Gang, folder: Path) -> Verdict:
        environment = {**self._environment, outcome.DIRECTORY_VARIABLE: str(folder)}
        threads = max(1, len(os.sched_getaffinity(0)) // gang.processes)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        killed_before = cgroup.oom_kills()
        agent = Agent(gang, self._script or OWN_COMMAND, environment)
        with signals_held():
            agent.start()
            self._agent = agent
        failures = self._wait(agent, gang, folder)
        killed_after = cgroup.oom_kills()
        verdict = outcome.judge(
            failures,
            outcome.read(folder),
            told=self._told,
            killed_for_memory=(killed_after or 0) > (killed_before or 0),
        )
        return replace(verdict, report=outcome.read_report(folder))

    def _wait(self, agent: Agent, gang: Gang, folder: Path) -> list[Failure]:
        over = threading.Event()
        if gang.nodes > 1 and not self._script:
            args = (gang, folder, over)
            threading.Thread(target=_say_who_is_missing, args=args, daemon=True).start()
        failures = agent.wait()
        over.set()
        if self._told and not self._script and not outcome.reached(folder, Mark.READY):
            return [failure for failure in failures if failure.exit_code != -signal.SIGTERM]
        return failures

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told = True
        if self._agent is None:
            raise _Told
        self._agent.tell(signal.SIGTERM)


def launch(
    script: Sequence[str] | None = None,
    environment: Mapping[str, str] = os.environ,
    termination_log: Path = TERMINATION_LOG,
) -> int:
    """Run the built-in loop, or a script, as one worker of its gang; answers the exit code."""
    console.set_up()
    verdict = Launcher(environment, script).run()
    ending = verdict.ending
    if ending is not None:
        _log.info("%s: %s (exit code %d)", ending.kind, ending.message, verdict.code)
    write_termination(verdict.to_json(), termination_log)
    return verdict.code


def write_termination(message: str, path: Path) -> None:
    """Leave the ending for the kubelet, where there is one: it makes the file beforehand."""
    if message and path.exists():
        try:
            path.write_text(message)
        except OSError as error:
            _log.warning("the ending could not be written to %s: %s", path, error)


def _say_who_is_missing(gang: Gang, folder: Path, over: threading.Event) -> None:
    """While the gang is not complete, one line in 30 s."""
    began = time.monotonic()
    while not over.wait(SAY_S) and not outcome.reached(folder, Mark.JOINED):
        passed = console.duration(time.monotonic() - began)
        _log.info("waiting for all %d workers to load PyTorch and join (%s)", gang.nodes, passed)
