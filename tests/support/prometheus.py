"""A real Prometheus, on this machine's loopback, that scrapes what it is told to."""

import json
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.kubectl import Kubectl
from tests.support.stage import SYSTEM

Json = dict[str, Any]

START_S = 30.0
SCRAPE_S = 5
"""Between two scrapes [s]."""


class PrometheusMissingError(Exception):
    """There is no Prometheus on this machine."""


@dataclass(frozen=True)
class Prometheus:
    """One that runs, and its HTTP API."""

    address: str

    def asked(self, path: str, **parameters: str | float) -> Any:
        """What the API answers.

        Raises:
            AssertionError: It refused the question, and why.
        """
        url = f"{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{parameters}: {error.read().decode()}") from None

    def vector(self, query: str, at: float | None = None) -> list[Json]:
        """The series that a query has at a moment, now by default."""
        when = {} if at is None else {"time": at}
        result: list[Json] = self.asked("query", query=query, **when)["result"]
        return result

    def matrix(self, query: str, start: float, end: float, step_s: int) -> list[Json]:
        """The series that a query has over a range of time."""
        result: list[Json] = self.asked(
            "query_range", query=query, start=start, end=end, step=step_s
        )["result"]
        return result

    def number(self, query: str) -> float:
        """The value of the only series of a query."""
        (only,) = self.vector(query)
        return float(only["value"][1])


def scrape(address: str, name: str = "quartermaster") -> Json:
    """Scrapes one address; `honor_labels` keeps `job` and `namespace` for what they mean to us."""
    targets = [{"targets": [address]}]
    return {"job_name": name, "honor_labels": True, "static_configs": targets}


def operator_address(kubectl: Kubectl) -> str:
    """Where the operator's metrics are, as this machine can reach them.

    Debian's Prometheus cannot ask the API server, so it is told the Service's own address.
    """
    (service,) = kubectl.documents(
        "-n", SYSTEM, "get", "services", "-l", "app.kubernetes.io/component=operator"
    )["items"]
    return f"{service['spec']['clusterIP']}:9090"


@contextmanager
def prometheus(folder: Path, *scrapes: Json, port: int = 0) -> Iterator[Prometheus]:
    """Runs one for as long as it is needed; its data lie in the folder.

    Raises:
        PrometheusMissingError: It is not installed.
    """
    program = shutil.which("prometheus")
    if program is None:
        raise PrometheusMissingError("no prometheus: `make cluster-up` installs it")
    config = folder / "prometheus.yml"
    times = {"scrape_interval": f"{SCRAPE_S}s", "scrape_timeout": f"{SCRAPE_S - 1}s"}
    config.write_text(yaml.safe_dump({"global": times, "scrape_configs": list(scrapes)}))
    listen = f"127.0.0.1:{port or _free_port()}"
    command = [
        program,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={listen}",
    ]
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _await_ready(process, f"http://{listen}/-/ready", folder / "prometheus.log")
            yield Prometheus(f"http://{listen}")
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
    raise AssertionError(f"Prometheus is not ready after {START_S:.0f} s: {log.read_text()}")
