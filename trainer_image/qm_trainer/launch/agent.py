"""This worker's processes: started as torchrun starts them, watched, and ended together.

torchrun's own agent would do, but imports PyTorch before it starts a process that imports it once
more: a third of the time from a container's start to the first step (see ADR-0019).
"""

import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from qm_trainer.launch.gang import Gang
from qm_trainer.launch.outcome import Failure

LATE_S = 30.0
"""How long the others may take when one process has failed [s]: nothing is left to wait for."""
LOOK_S = 0.05
"""Between two looks at the processes [s]."""
_STOPS = {signal.SIGTERM, signal.SIGINT}


class Agent:
    """Runs one command in every process of a worker."""

    def __init__(self, gang: Gang, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._gang = gang
        self._command = list(command)
        self._environment = environment
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        """Start every process; none of them is ended by a signal to stop that comes meanwhile."""
        for local_rank in range(self._gang.processes):
            self._processes.append(
                subprocess.Popen(  # noqa: S603 - the user's own command, in the user's container
                    self._command,
                    env=variables(self._gang, local_rank, self._environment),
                    preexec_fn=_take_signals,  # noqa: PLW1509 - no threads yet
                )
            )

    def tell(self, number: int) -> None:
        """Pass a signal on to the processes that run."""
        for process in self._processes:
            process.send_signal(number)

    def wait(self) -> list[Failure]:
        """Wait for all of them; the first that fails has the others told to stop.

        Answers those that failed, as they were seen.
        """
        failures: dict[int, Failure] = {}
        ended: float | None = None
        while any(process.poll() is None for process in self._processes):
            time.sleep(LOOK_S)
            self._look(failures)
            now = time.monotonic()
            if failures and ended is None:
                ended = now
                self.tell(signal.SIGTERM)
            elif ended is not None and now - ended > LATE_S:
                self.tell(signal.SIGKILL)
        self._look(failures)
        return list(failures.values())

    def _look(self, failures: dict[int, Failure]) -> None:
        first = self._gang.node_rank * self._gang.processes
        for rank, process in enumerate(self._processes, first):
            if process.poll() and rank not in failures:
                failures[rank] = Failure(rank, process.returncode, time.monotonic())


def variables(gang: Gang, local_rank: int, base: Mapping[str, str]) -> dict[str, str]:
    """The environment of one process, as torchrun would make it.

    The store that the processes meet at is opened by rank 0 and not by an agent.

    Source: PyTorch, "torchrun (Elastic Launch)", section "Environment Variables".
    """
    rank, size = gang.node_rank * gang.processes + local_rank, gang.nodes * gang.processes
    return {
        "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1",
        **base,
        "RANK": str(rank),
        "LOCAL_RANK": str(local_rank),
        "GROUP_RANK": str(gang.node_rank),
        "ROLE_RANK": str(rank),
        "ROLE_NAME": "default",
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(gang.processes),
        "GROUP_WORLD_SIZE": str(gang.nodes),
        "ROLE_WORLD_SIZE": str(size),
        "MASTER_ADDR": gang.host,
        "MASTER_PORT": str(gang.port),
        "TORCHELASTIC_RUN_ID": gang.id,
        "TORCHELASTIC_RESTART_COUNT": "0",
        "TORCHELASTIC_MAX_RESTARTS": "0",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
    }


@contextmanager
def signals_held() -> Iterator[None]:
    """Signals to stop wait until this is over: one in the middle of a start would be lost."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        _take_signals()


def _take_signals() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _STOPS)
