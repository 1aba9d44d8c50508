"""What the kernel says of this container: its cores, and how often its OOM killer struck.

Reads cgroup v2 and v1. Inside a container its own group is mounted at the root; on a host the path
in `/proc/self/cgroup` leads there. What cannot be read is unknown, never guessed.
"""

import os
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


def cores(root: Path = ROOT, membership: Path = SELF, machine: int | None = None) -> int:
    """Cores that this container may keep busy, at least one [count].

    The limit of its group, rounded down, where there is one; else those it may run on.

    Args:
        root: Where the groups are mounted.
        membership: Says which group this is.
        machine: Cores that this process may run on; None: asked of the kernel [count].
    """
    found = len(os.sched_getaffinity(0)) if machine is None else machine
    for folder in (_own("", root, membership), root):
        quota = _quota(folder / "cpu.max")
        if quota is not None:
            found = min(found, int(quota))
    for folder in (_own("cpu", root, membership), root / "cpu"):
        quota = _ratio(folder / "cpu.cfs_quota_us", folder / "cpu.cfs_period_us")
        if quota is not None:
            found = min(found, int(quota))
    return max(1, found)


def _quota(path: Path) -> float | None:
    """Version 2 writes both numbers into one file, and `max` for no limit."""
    try:
        limit, period = path.read_text().split()
        return int(limit) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _ratio(limit: Path, period: Path) -> float | None:
    """Version 1 has a file for each, and -1 for no limit."""
    try:
        found = int(limit.read_text()) / int(period.read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
    return found if found > 0 else None


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
