"""Runs torchrun's own agent for one worker and writes what became of its processes.

A process of its own, because the agent can only be interrupted where torch lets it: the launcher
stays awake beside it.
"""

import json
import logging
import os
import sys
from dataclasses import asdict
from pathlib import Path

from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.launcher.api import LaunchConfig, launch_agent

from qm_trainer.launch.gang import WAIT_S, Gang
from qm_trainer.launch.outcome import Failure

LATE_S = 30
"""How long the others may take when one process has ended [s]: nothing is left to wait for."""


def config(gang: Gang) -> LaunchConfig:
    """What torchrun would make of the gang; no restarts, the Job controller does those."""
    return LaunchConfig(
        min_nodes=gang.nodes,
        max_nodes=gang.nodes,
        nproc_per_node=gang.processes,
        run_id=gang.id,
        rdzv_backend="static",
        rdzv_endpoint=gang.address,
        rdzv_configs={"rank": gang.node_rank, "timeout": int(WAIT_S)},
        max_restarts=0,
        monitor_interval=0.1,
        start_method="spawn",
        logs_specs=DefaultLogsSpecs(),
        shutdown_timeout=LATE_S,
    )


def run(gang: Gang, command: list[str], report: Path) -> None:
    """Start `command` once a process and write its failures to `report`."""
    _quiet()
    failures: list[Failure] = []
    try:
        launch_agent(config(gang), command[0], command[1:])
    except ChildFailedError as error:
        failures = [
            Failure(rank, failure.exitcode, float(failure.timestamp))
            for rank, failure in error.failures.items()
        ]
    except SignalException:
        pass  # the processes' own endings tell the rest
    report.write_text(json.dumps([asdict(failure) for failure in failures]))


def _quiet() -> None:
    """The launcher says how it ends, in one line; the agent's own modules each set their level."""
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)


if __name__ == "__main__":
    described = json.loads(sys.argv[1])
    run(Gang(**described["gang"]), described["command"], Path(described["report"]))
    # The interpreter takes seconds to take torch apart, and a pod's grace period is short.
    os._exit(0)
