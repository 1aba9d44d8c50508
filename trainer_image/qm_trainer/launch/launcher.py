"""The container's main process: waits for worker 0, runs the agent, ends by the contract."""

import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import FrameType

from qm_trainer import CONTRACT_VERSION, console
from qm_trainer.errors import Crash, Ending, TrainerError
from qm_trainer.launch import cgroup, outcome
from qm_trainer.launch.gang import SAY_S, Gang, free_port, wait_for_leader
from qm_trainer.launch.outcome import Failure, Verdict

SUMMARY = "summary.json"
"""The last file that a run leaves."""
TERMINATION_LOG = Path("/dev/termination-log")
FAREWELL_S = 20
"""How long the agents may wait for each other when this worker's processes are done [s]: theirs
have passed the last barrier too, and torchrun would wait five minutes for one that is gone."""

_log = logging.getLogger("qm_trainer")


class _Told(Exception):  # noqa: N818 - not an error
    """SIGTERM came before the agent was started."""


class Launcher:
    """One worker's life."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._agent: subprocess.Popen[bytes] | None = None
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
        ours = "QM_CONFIG" in self._environment and bool(folder)
        return ours and (Path(folder) / SUMMARY).is_file()

    def _gang(self) -> Gang:
        spoken = self._environment.get("QM_CONTRACT", CONTRACT_VERSION)
        if spoken != CONTRACT_VERSION:
            _log.warning("the operator speaks contract %s, this image %s", spoken, CONTRACT_VERSION)
        gang = Gang.from_environment(self._environment)
        if gang.nodes == 1:
            return replace(gang, host="127.0.0.1", port=gang.port or free_port())
        if gang.node_rank:
            wait_for_leader(gang)
        return gang

    def _supervise(self, gang: Gang, folder: Path) -> Verdict:
        report = folder / "agent.json"
        described = {"gang": asdict(gang), "command": self._command, "report": str(report)}
        environment = {**self._environment, outcome.DIRECTORY_VARIABLE: str(folder)}
        threads = max(1, len(os.sched_getaffinity(0)) // gang.processes)
        environment.setdefault("OMP_NUM_THREADS", str(threads))
        killed_before = cgroup.oom_kills()
        self._start(
            [sys.executable, "-m", "qm_trainer.launch.agent", json.dumps(described)], environment
        )
        status = self._wait(gang, folder)
        killed_after = cgroup.oom_kills()
        failures = _failures(report, status, told=self._told)
        verdict = outcome.judge(
            failures,
            outcome.read(folder),
            told=self._told,
            killed_for_memory=(killed_after or 0) > (killed_before or 0),
        )
        return replace(verdict, report=outcome.read_report(folder))

    def _start(self, command: list[str], environment: Mapping[str, str]) -> None:
        # A signal between the two lines would find no agent to pass it on to.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        try:
            self._agent = subprocess.Popen(  # noqa: S603 - our own module
                command,
                env=dict(environment),
                preexec_fn=_unblock,  # noqa: PLW1509 - no threads yet
            )
        finally:
            _unblock()

    def _wait(self, gang: Gang, folder: Path) -> int:
        assert self._agent is not None  # noqa: S101 - set by _start
        met = threading.Event()
        watcher = threading.Thread(
            target=_say_who_is_missing, args=(gang, folder, met), daemon=True
        )
        if gang.nodes > 1:
            watcher.start()
        status = self._end_of_agent(self._agent, folder, gang.processes)
        met.set()
        return status

    @staticmethod
    def _end_of_agent(agent: subprocess.Popen[bytes], folder: Path, processes: int) -> int:
        """Wait for the agent; not for peers' agents, which it awaits when all is done here."""
        left = FAREWELL_S
        while left > 0:
            try:
                return agent.wait(timeout=1.0)
            except subprocess.TimeoutExpired:
                left -= len(list(folder.glob("done-*"))) == processes
        agent.kill()
        agent.wait()
        return 0

    def _on_sigterm(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._told = True
        if self._agent is None:
            raise _Told
        for pid in _children(self._agent.pid) or [self._agent.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)


def launch(
    command: Sequence[str],
    environment: Mapping[str, str] = os.environ,
    termination_log: Path = TERMINATION_LOG,
) -> int:
    """Run `command` as one worker of its gang; answers the exit code."""
    console.set_up()
    verdict = Launcher(command, environment).run()
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


def own_command() -> list[str]:
    """What each process runs where the user brings no script."""
    return [sys.executable, "-u", "-m", "qm_trainer", "train"]


def _failures(report: Path, status: int, *, told: bool) -> list[Failure]:
    """What the agent wrote; an agent that wrote nothing failed itself, or was told to stop."""
    if report.exists():
        return [Failure(**failure) for failure in json.loads(report.read_text())]
    if told:
        return []
    if status == 0:
        return []
    if status == -signal.SIGKILL:
        return [Failure(-1, status, 0.0)]
    raise Crash(
        f"torchrun's agent ended with code {status} before training began; see the log above"
    )


def _children(pid: int) -> list[int]:
    """The processes that the agent has started: they save, and it only watches."""
    children = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name, in brackets, may hold anything; the parent is the second field behind it.
            if int(path.read_text().rpartition(")")[2].split()[1]) == pid:
                children.append(int(path.parent.name))
    return children


def _say_who_is_missing(gang: Gang, folder: Path, met: threading.Event) -> None:
    """While the gang is not complete, one line in 30 s; a process that starts leaves a mark."""
    began = time.monotonic()
    while not met.wait(SAY_S):
        if any(folder.glob("started-*")):
            return
        passed = console.duration(time.monotonic() - began)
        _log.info("waiting for all %d workers to join and load PyTorch (%s)", gang.nodes, passed)


def _unblock() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM, signal.SIGINT})
