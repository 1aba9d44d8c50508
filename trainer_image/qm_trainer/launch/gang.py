"""The gang as a pod's environment describes it, and waiting for its worker 0."""

import logging
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qm_trainer.console import duration
from qm_trainer.errors import ConfigError, PeerLost

WAIT_S = 900.0
"""How long the others may take to come [s]: a cold node pulls an image of some gigabytes."""
SAY_S = 30.0
"""Between two lines while waiting [s]."""
TRY_S = 0.5
"""Between two attempts [s]."""

_log = logging.getLogger("qm_trainer")


@dataclass(frozen=True, slots=True)
class Gang:
    """All workers of the job, and which one this is."""

    nodes: int
    node_rank: int
    processes: int
    """On each worker [count]."""
    host: str
    port: int
    id: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Gang":
        """What torchrun would read; one worker of one process where nothing is said.

        Raises:
            ConfigError: If a variable is not what it should be.
        """
        nodes = _whole(environment, "PET_NNODES", 1)
        default_rank = _whole(environment, "JOB_COMPLETION_INDEX", 0) if nodes > 1 else 0
        gang = cls(
            nodes=nodes,
            node_rank=_whole(environment, "PET_NODE_RANK", default_rank),
            processes=_whole(environment, "PET_NPROC_PER_NODE", 1),
            host=environment.get("PET_MASTER_ADDR", "127.0.0.1"),
            port=_whole(environment, "PET_MASTER_PORT", 0),
            id=environment.get("PET_RDZV_ID", "local"),
        )
        if gang.nodes > 1 and not ("PET_MASTER_ADDR" in environment and gang.port):
            raise ConfigError(
                "PET_NNODES asks for a gang; PET_MASTER_ADDR and PET_MASTER_PORT must be set"
            )
        if not 0 <= gang.node_rank < gang.nodes:
            raise ConfigError(
                f"PET_NODE_RANK {gang.node_rank} is not below PET_NNODES {gang.nodes}"
            )
        return gang


def wait_for_leader(
    host: str,
    port: int,
    *,
    wait_s: float = WAIT_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    probe: Callable[[str, int], str] | None = None,
) -> None:
    """Return when worker 0 answers; say every 30 s what is in the way.

    Its name enters the DNS only when its pod runs, so an unknown host is no fault yet.

    Raises:
        PeerLost: If it has not answered after `wait_s` [s].
    """
    probe, address = probe or _probe, f"{host}:{port}"
    began = said = clock()
    while trouble := probe(host, port):
        now = clock()
        if now - began >= wait_s:
            raise PeerLost(f"worker 0 at {address} did not answer in {duration(wait_s)}: {trouble}")
        if now - said >= SAY_S:
            said = now
            _log.info(
                "waiting for worker 0 at %s: %s (%s)", address, trouble, duration(now - began)
            )
        sleep(TRY_S)
    if clock() - began > 1.0:
        _log.info("worker 0 at %s answered after %s", address, duration(clock() - began))


def free_port() -> int:
    """A port that nobody listens on at this moment, for a gang on one machine."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def _probe(host: str, port: int) -> str:
    """Why worker 0 does not answer, or nothing if it does."""
    try:
        with socket.create_connection((host, port), timeout=2.0):
            return ""
    except socket.gaierror:
        return "its name is not in the DNS yet"
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return (error.strerror or str(error)).lower()


def _whole(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name, "")
    if not value:
        return default
    if not value.isdigit():
        raise ConfigError(f"{name} must be a whole number, not {value!r}")
    return int(value)
