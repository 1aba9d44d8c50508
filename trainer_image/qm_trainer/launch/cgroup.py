"""What the kernel says of this container's memory: how often its OOM killer struck.

Reads cgroup v2 and v1. Inside a container its own group is mounted at the root; on a host the path
in `/proc/self/cgroup` leads there. What cannot be read is unknown, never guessed.
"""

from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
SELF = Path("/proc/self/cgroup")


def oom_kills(root: Path = ROOT, membership: Path = SELF) -> int | None:
    """Processes of this group that the OOM killer has ended [count]; None if unknown."""
    for controller, name in (("", "memory.events"), ("memory", "memory.oom_control")):
        for folder in (_own(controller, root, membership), root / controller):
            found = _counter(folder / name)
            if found is not None:
                return found
    return None


def _counter(path: Path) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    counts = [line.removeprefix("oom_kill ") for line in lines if line.startswith("oom_kill ")]
    return int(counts[0]) if counts else None


def _own(controller: str, root: Path, membership: Path) -> Path:
    """This process's group below the mount of `controller`; version 2 has no controller's name."""
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        lines = []
    for line in lines:
        _, names, path = line.split(":", 2)
        if controller in names.split(","):
            return root / controller / path.lstrip("/")
    return root / controller
