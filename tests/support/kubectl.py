"""The cluster that end-to-end tests run against, through the programs that its users have."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0


class NoClusterError(Exception):
    """There is no cluster to test against."""


@dataclass(frozen=True)
class Kubectl:
    """`kubectl` with a kubeconfig of its own."""

    program: str
    kubeconfig: Path

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Runs one command, whatever its end."""
        return subprocess.run(
            [self.program, *arguments],
            input=stdin,
            env={**os.environ, "KUBECONFIG": str(self.kubeconfig)},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )

    def out(self, *arguments: str, stdin: str | None = None) -> str:
        """The output of a command that has to succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def documents(self, *arguments: str) -> Any:
        """What a `get` finds, parsed."""
        return yaml.safe_load(self.out(*arguments, "-o", "yaml"))


def connect() -> Kubectl:
    """kubectl for `KUBECONFIG`, or else for the development cluster.

    Raises:
        NoClusterError: There is no kubectl, or nothing answers.
    """
    kubeconfig = Path(os.environ.get("KUBECONFIG") or _asked("kubeconfig"))
    if not kubeconfig.is_file():
        raise NoClusterError(f"no kubeconfig at {kubeconfig}: run `make cluster-up`")
    kubectl = Kubectl(program("kubectl"), kubeconfig)
    if kubectl.run("get", "--raw", "/readyz", "--request-timeout=10s").returncode != 0:
        raise NoClusterError(f"the cluster of {kubeconfig} does not answer: run `make cluster-up`")
    return kubectl


def program(name: str) -> str:
    """The path of kubectl or helm: the development cluster's own, or else one on PATH.

    Raises:
        NoClusterError: There is none.
    """
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    built = sorted((home / "quartermaster/binaries").glob(f"*/{name}"), key=_age)
    found = str(built[-1]) if built else shutil.which(name)
    if found is None:
        raise NoClusterError(f"there is no {name}: install it, or run `make cluster-up`")
    return found


def _age(path: Path) -> float:
    return path.stat().st_mtime


def _asked(*arguments: str) -> str:
    command: Sequence[str] = [sys.executable, "-m", "devcluster", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NoClusterError(f"python -m devcluster {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout.strip()
