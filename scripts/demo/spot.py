"""The scene in which a spot node is taken away in the middle of a training."""

import os
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from kubectl_qm.views import Job
from scripts.demo.errors import DemoError
from scripts.demo.place import Place

NOTICE = "aws-node-termination-handler/spot-itn"
"""What AWS's node termination handler sets two minutes before a node is gone."""
FIRST_STEPS = 1200
"""Steps that the job may make before its node is taken away [count]: fewer, and what starting again
costs is more than what spot has saved by then."""
PATIENCE_S = 30.0


@dataclass
class Reclaim:
    """Takes the node of a job away once it is well under way, and gives it back at the end."""

    kubectl: Callable[..., None]
    node: str = ""
    """The node that was taken away."""
    places: list[str] = field(default_factory=list)
    """Where the job was, in order."""

    def seen(self, job: Job) -> None:
        """Look at the job: what it is on now, and whether it is time."""
        nodes = job.placement.nodes if job.placement and job.state == "Running" else ()
        self.places += [node for node in nodes if node not in self.places]
        under_way = job.progress is not None and job.progress.step >= FIRST_STEPS
        if not self.node and under_way and nodes:
            self.node = nodes[0]
            # Its value is the time at which AWS takes the node, as that handler writes it.
            self.kubectl("taint", "node", self.node, f"{NOTICE}=2m:NoSchedule", "--overwrite")

    def tidy(self) -> None:
        """An earlier demonstration that was killed may have left its notice."""
        with suppress(DemoError):
            self.kubectl("taint", "nodes", "--all", f"{NOTICE}:NoSchedule-")

    def give_back(self) -> None:
        """The node is a node like any other again."""
        if self.node:
            self.kubectl("taint", "node", self.node, f"{NOTICE}:NoSchedule-")


def taking(where: Place) -> Callable[..., None]:
    """Kubectl for one cluster.

    Raises:
        DemoError: From what is returned: the command failed.
    """

    def kubectl(*arguments: str) -> None:
        done = subprocess.run(
            where.kubectl(*arguments),
            env={**os.environ, **where.environment},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        if done.returncode:
            raise DemoError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")

    return kubectl
