"""What the trainer's loop costs beside a plain hand-written DDP loop.

    PYTHONPATH=trainer_image python benchmarks/trainer_overhead.py

Both loops train the same model on the same data with the same optimizer and schedule, in the same
two processes, turn by turn (A B B A ...), so that whatever else the machine does meets both. The
trainer's turns include its checkpoints, its progress reports to a listening server, and its log
lines; the plain loop has none of these. The figure is the ratio of the times of each pair of turns.
"""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel
from typing_extensions import override

from qm_trainer import config, factory, loop, optim, progress, session
from qm_trainer.config import Run
from qm_trainer.data import order, sources
from qm_trainer.parallel import processes
from qm_trainer.parallel.processes import World

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "benchmarks/results/trainer_overhead.md"

CASES: dict[str, tuple[str, int, int, int]] = {
    # name: (factory, batch of one process [sample], steps in a turn, pairs of turns)
    "resnet": ("qm_trainer.zoo:resnet", 32, 10, 120),
    "mlp": ("qm_trainer.zoo:mlp", 32, 200, 40),
}
PROCESSES = 2
Times = dict[str, list[tuple[float, float]]]


def run_config(path: str, batch: int) -> Run:
    """The same run for both loops; more epochs than will be taken."""
    tree = {
        "model": {"factory": path},
        "dataset": {"uri": "builtin://digits"},
        "trainer": {"epochs": 100_000, "batchSize": batch, "learningRate": "0.0001"},
    }
    return config.parse(json.dumps(tree))


def plain_loop(run: Run, world: World) -> Iterator[None]:
    """What a careful person writes by hand; one step at each `next`."""
    data = sources.open_data(run.dataset).train
    inputs, targets = data.take(range(len(data)))
    torch.manual_seed(0)
    model = factory.call(run.model.factory, run.model.args, "model.factory")
    ddp = DistributedDataParallel(model, gradient_as_bucket_view=True)
    optimizer = optim.adamw(model, run.trainer.learning_rate)
    everything = run.trainer.batch_size * world.size
    total, step = run.trainer.epochs * len(data) // everything, 0
    for epoch in range(run.trainer.epochs):
        shuffled = torch.randperm(len(data), generator=torch.Generator().manual_seed(epoch))
        for start in range(0, len(data), everything):
            mine = shuffled[start : start + everything][world.rank :: world.size]
            for group in optimizer.param_groups:
                group["lr"] = (
                    run.trainer.learning_rate * 0.5 * (1 + math.cos(math.pi * step / total))
                )
            loss = cross_entropy(ddp(inputs[mine]), targets[mine])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]  # torch's own
            optimizer.step()
            step += 1
            yield


def our_loop(run: Run, world: World, run_dir: Path, reporter: progress.Reporter) -> Iterator[None]:
    """The trainer's own loop, without evaluation; one step at each `next`."""
    out = session.Surroundings(
        run_dir=run_dir,
        world=world,
        reporter=reporter,
        now=lambda: datetime.now(UTC),  # noqa: TID251 - a benchmark is an edge
        clock=time.monotonic,
        stop=lambda: False,
    )
    made = loop.prepare(run, out)
    loop.resume(made)
    while True:
        for share in order.shares(made.plan, made.cursor, world.rank):
            loop.advance(made, share)
            yield
        made.cursor = order.Cursor(made.cursor.step, made.cursor.epoch + 1, 0)


def turn(steps: Iterator[None], count: int, meet: Callable[[], None]) -> tuple[float, float]:
    """What one step takes, over `count` of them: on the clock, and of this process's CPU [s]."""
    meet()
    began, used = time.perf_counter(), time.process_time()
    for _ in range(count):
        next(steps)
    used = time.process_time() - used
    meet()
    return (time.perf_counter() - began) / count, used / count


def measure(name: str, run_dir: Path) -> None:
    """In each process: take turns, and let rank 0 write the times."""
    torch.set_num_threads(1)
    path, batch, count, pairs = CASES[name]
    world, run = processes.join(), run_config(path, batch)
    loops = {
        "plain": plain_loop(run, world),
        "ours": our_loop(run, world, run_dir, progress.from_environment()),
    }
    times: Times = {"plain": [], "ours": []}
    for pair in range(-3, pairs):
        for which in ("plain", "ours") if pair % 2 else ("ours", "plain"):
            seconds = turn(loops[which], count, lambda: processes.barrier(world))
            if pair >= 0:
                times[which].append(seconds)
    if world.leads:
        (run_dir / "times.json").write_text(json.dumps(times))
    os._exit(0)


class Listener(BaseHTTPRequestHandler):
    """Takes progress reports."""

    def do_POST(self) -> None:
        """Read and accept."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(204)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def gang(name: str) -> Times:
    """Run one case in its processes; answers the times."""
    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={PROCESSES}"]
        command += ["--standalone", __file__, "--case", name, "--run-dir", folder]
        url = f"http://127.0.0.1:{server.server_address[1]}/v1/progress"
        environment = {**os.environ, "QM_PROGRESS_URL": url, "OMP_NUM_THREADS": "1"}
        subprocess.run(command, check=True, env=environment)
        times: Times = json.loads((Path(folder) / "times.json").read_text())
    server.shutdown()
    return times


def row(name: str, times: Times) -> str:
    """One line of the table."""
    cells = []
    for clock in (0, 1):
        plain = [turn[clock] for turn in times["plain"]]
        ours = [turn[clock] for turn in times["ours"]]
        ratios = [ours_s / plain_s for ours_s, plain_s in zip(ours, plain, strict=True)]
        low, middle, high = ((quarter - 1) * 100 for quarter in statistics.quantiles(ratios, n=4))
        cells += [f"{statistics.median(plain) * 1e3:.2f}", f"{statistics.median(ours) * 1e3:.2f}"]
        cells += [f"{middle:+.1f} % ({low:+.1f} to {high:+.1f})"]
    _, batch, count, pairs = CASES[name]
    return f"| {name} | {batch} | {pairs} x {count} | {' | '.join(cells)} |"


def processor() -> str:
    """The CPU's name as the kernel knows it."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def document(rows: list[str], load: float) -> str:
    """The result as a page."""
    git = ["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, check=True, capture_output=True, text=True).stdout.strip()
    table = "\n".join(rows)
    head = (
        "| model | batch | pairs x steps | plain, clock [ms] | qm_trainer, clock [ms] | overhead "
        "| plain, CPU [ms] | qm_trainer, CPU [ms] | overhead |"
    )
    return f"""# What the trainer's loop costs beside a plain DDP loop

{head}
|---|---|---|---|---|---|---|---|---|
{table}

Two processes (gloo), one thread each, FP32, the digits. Times of one step are medians over turns;
an overhead is the median of the ratios of neighbouring turns, with their quartiles. CPU time is
rank 0's, the rank that also saves and reports; other work on the machine moves it less than the
clock. qm_trainer's turns include checkpoints, progress reports and log lines; the plain loop has
none.

- Command: `PYTHONPATH=trainer_image python benchmarks/trainer_overhead.py`
- Commit: {commit}
- Machine: {processor()}, {os.cpu_count()} cores; Python {platform.python_version()},
  torch {torch.__version__}; load average before the run: {load:.1f}
"""


def main() -> None:
    """Measure every case and write the page; or be one process of one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=sorted(CASES))
    parser.add_argument("--run-dir", type=Path)
    asked = parser.parse_args()
    if asked.case:
        measure(asked.case, asked.run_dir)
    load = os.getloadavg()[0]
    rows = [row(name, gang(name)) for name in CASES]
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(document(rows, load))
    print("\n".join(rows))


if __name__ == "__main__":
    main()
