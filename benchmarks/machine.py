"""What a figure was measured on and with, for the head of its document."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks/results"


def commit() -> str:
    """The commit that is measured, with a plus sign where the tree has changes."""
    head = _output("git", "rev-parse", "--short", "HEAD")
    return head + ("+" if _output("git", "status", "--porcelain", "-uno") else "")


def machine() -> str:
    """The processor, the cores and the memory."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.split(":", 1)[1] for line in lines if line.startswith("model name")), "?")
    memory = int(Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return f"{model.strip()}, {os.cpu_count()} cores, {memory:.0f} GiB"


def _output(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
