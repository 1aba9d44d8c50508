"""Starting and stopping the cluster's processes, and knowing them again later.

A process is known by its id, the tick it started at and the machine's boot: an id alone can have
passed to a stranger by the time somebody wants to end it.
"""

import hashlib
import http.client
import json
import os
import signal
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from devcluster.errors import DevclusterError
from devcluster.layout import Layout
from devcluster.progress import Progress

_POLL_S = 0.1
_ANSWER_S = 2.0
"""How long a readiness probe waits for its answer [s]."""


@dataclass(frozen=True, slots=True)
class Component:
    """One process: how it is started, and how to tell that it works."""

    name: str
    argv: tuple[str, ...]
    probe: str
    """What answers when ready: ``http://``, ``https://`` (any certificate) or ``unix://``."""
    files: Mapping[Path, str] = field(default_factory=dict)
    """Configuration to write before the start."""
    env: Mapping[str, str] = field(default_factory=dict)
    grace_s: float = 10.0
    """Seconds between SIGTERM and SIGKILL."""

    def fingerprint(self) -> str:
        """Changes whenever the process would have to be started again to look the same."""
        parts = {
            "argv": self.argv,
            "files": {str(path): text for path, text in self.files.items()},
            "env": dict(self.env),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Record:
    """A process that was started."""

    pid: int
    start_ticks: int
    """Clock ticks after boot at which it started, from ``/proc/PID/stat``."""
    boot: str
    """The kernel's boot id."""
    fingerprint: str


def boot_id() -> str:
    """Identifies this run of the machine's kernel."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def start_ticks(pid: int) -> int | None:
    """When a process started [ticks after boot]; None when there is none, or only its remains."""
    try:
        # The program's name may hold spaces and parentheses: count from its closing one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] == "Z" else int(fields[19])


def running(layout: Layout, name: str) -> Record | None:
    """The record of a component that runs now; None when it does not."""
    try:
        record = Record(**json.loads(_record_file(layout, name).read_text()))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    alive = record.boot == boot_id() and start_ticks(record.pid) == record.start_ticks
    return record if alive else None


def recorded_names(layout: Layout) -> list[str]:
    """Every component that was started and not stopped by us, alive or not."""
    return sorted(path.stem for path in layout.records.glob("*.json"))


def start(layout: Layout, component: Component) -> Record:
    """Start a component and record it; a running one with the same configuration is left alone.

    Raises:
        DevclusterError: The program is missing.
    """
    record = running(layout, component.name)
    if record is not None:
        if record.fingerprint == component.fingerprint():
            return record
        stop(layout, component.name, grace_s=component.grace_s)
    _write_files(component.files)
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.records.mkdir(parents=True, exist_ok=True)
    pid = _spawn(component, log_file(layout, component.name))
    record = Record(pid, start_ticks(pid) or 0, boot_id(), component.fingerprint())
    _record_file(layout, component.name).write_text(json.dumps(asdict(record)) + "\n")
    return record


def _spawn(component: Component, log: Path) -> int:
    """Start a process that outlives this one; returns its id.

    It gets a session of its own, so that the terminal's signals do not reach it.
    """
    append = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    try:
        return os.posix_spawnp(
            component.argv[0],
            component.argv,
            {**os.environ, **component.env},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), append, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
    except FileNotFoundError:
        raise DevclusterError(f"{component.name}: {component.argv[0]} is missing") from None


def stop(layout: Layout, name: str, *, grace_s: float = 10.0) -> bool:
    """End a component and forget it; returns whether it was running."""
    record = running(layout, name)
    if record is not None:
        end(record.pid, record.start_ticks, grace_s=grace_s)
    _record_file(layout, name).unlink(missing_ok=True)
    return record is not None


def end(pid: int, ticks: int, *, grace_s: float) -> None:
    """Ask a process to end, wait, then insist."""
    for sign, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        try:
            if start_ticks(pid) != ticks:
                return
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        while time.monotonic() < deadline:
            if start_ticks(pid) != ticks:
                return
            time.sleep(_POLL_S / 4)


def wait_ready(
    layout: Layout,
    components: Iterable[Component],
    progress: Progress,
    *,
    patience_s: float = 90.0,
) -> None:
    """Wait until every component answers, naming each as it does.

    Raises:
        DevclusterError: One died or did not answer in time; its log's last line is shown.
    """
    waiting = {component.name: component for component in components}
    deadline = time.monotonic() + patience_s
    while waiting:
        for name, component in list(waiting.items()):
            if answers(component.probe):
                progress.say(f"{name} ready")
                del waiting[name]
            elif running(layout, name) is None or time.monotonic() > deadline:
                raise DevclusterError(_unready(layout, name))
        if waiting:
            time.sleep(_POLL_S)


def _unready(layout: Layout, name: str) -> str:
    """One line about a component that does not answer."""
    state = "does not answer" if running(layout, name) else "ended at once"
    log = log_file(layout, name)
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return f"{name} {state}: {lines[-1][:300] if lines else 'no output'} (log: {log})"


def answers(probe: str) -> bool:
    """Whether a probe's address answers as ready, within two seconds."""
    if probe.startswith("unix://"):
        return _listens(probe.removeprefix("unix://"))
    # Only asks whether something is alive on this machine: no secret goes there, none comes back.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    direct = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    try:
        with direct.open(probe, timeout=_ANSWER_S):
            return True
    except (urllib.error.URLError, OSError, http.client.HTTPException):
        return False


def _listens(path: str) -> bool:
    """Whether a Unix socket takes connections."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_ANSWER_S)
        try:
            client.connect(path)
        except OSError:
            return False
        return True


def log_file(layout: Layout, name: str) -> Path:
    """Where a component's output goes."""
    return layout.logs / f"{name}.log"


def _record_file(layout: Layout, name: str) -> Path:
    return layout.records / f"{name}.json"


def _write_files(files: Mapping[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
