"""A Prometheus on this machine's loopback, for as long as somebody needs one.

Debian's build, which `make cluster-up` installs, cannot ask the API server whom to scrape: it is
told the address of the operator's Service, which this machine reaches like a node.
"""

import contextlib
import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from devcluster.errors import DevclusterError

_START_S = 30.0
_STOP_S = 30.0


def scrape(address: str, name: str = "quartermaster") -> dict[str, object]:
    """Scrapes one address; `honor_labels` keeps `job` and `namespace` for what they mean to us."""
    targets = [{"targets": [address]}]
    return {"job_name": name, "honor_labels": True, "static_configs": targets}


@contextlib.contextmanager
def prometheus(folder: Path, *scrapes: dict[str, object], every_s: int = 5) -> Iterator[str]:
    """Run one, and give its address; what it has scraped stays in the folder.

    Args:
        folder: Where its data, configuration and log lie.
        scrapes: Whom it scrapes.
        every_s: Between two scrapes [s].

    Raises:
        DevclusterError: It is not installed, or does not start; the message has its log.
    """
    config, log = folder / "prometheus.yml", folder / "prometheus.log"
    times = {"scrape_interval": f"{every_s}s", "scrape_timeout": f"{every_s}s"}
    # JSON is YAML, and needs no library here.
    config.write_text(json.dumps({"global": times, "scrape_configs": scrapes}))
    address = f"127.0.0.1:{_free_port()}"
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={address}",
    ]
    with log.open("w") as sink:
        try:
            process = subprocess.Popen(command, stdout=sink, stderr=sink)
        except FileNotFoundError:
            raise DevclusterError("no prometheus: `make cluster-up` installs it") from None
    try:
        _await_ready(process, f"http://{address}/-/ready", log)
        yield f"http://{address}"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=_STOP_S)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _await_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    end = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()  # noqa: S310 # our own address
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    raise DevclusterError(f"Prometheus did not start: {log.read_text()[-1000:]}")
