"""What the profile costs a run of 200 steps, and whether what it calls communication is that.

    PYTHONPATH=trainer_image:. python -m benchmarks.profile_cost

Two processes train in turns of 200 steps, one turn with a fresh probe, the next without. The
steps that are looked at are compared with the same steps of the turn without, by the CPU time of
the process that leads; that is far steadier than comparing whole turns. For the
check, backward is timed with and without DDP's synchronisation, by turns, beside what the probe
says.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import torch

from benchmarks.trainer_overhead import CASES, PROCESSES, run_config
from qm_trainer import loop, optim, progress, session
from qm_trainer.data import order
from qm_trainer.parallel import processes
from qm_trainer.profile.probe import COUNTED, WARM_UP, WINDOW, Probe
from qm_trainer.session import Session

STEPS = 200
PAIRS = {"resnet": 6, "mlp": 30}
PROBES = 60
"""Backward passes with, and without, synchronisation [count]."""


def opened(name: str, run_dir: Path) -> Session:
    """The trainer's own loop, ready for its first step."""
    path, batch, _, _ = CASES[name]
    out = session.Surroundings(
        run_dir=run_dir,
        world=processes.join(),
        reporter=progress.Reporter(None),
        now=lambda: datetime.now(UTC),  # noqa: TID251 - a benchmark is an edge
        clock=time.monotonic,
        stop=lambda: False,
    )
    made = loop.prepare(run_config(path, batch), out)
    loop.resume(made)
    return made


def shares(made: Session) -> Iterator[order.Share]:
    """What each step trains on, epoch after epoch."""
    while True:
        yield from made.supply.shares(made.plan, made.cursor, made.out.world.rank)
        made.cursor = order.Cursor(made.cursor.step, made.cursor.epoch + 1, 0)


def turn(made: Session, supply: Iterator[order.Share], *, looking: bool) -> list[float]:
    """CPU time of each of 200 steps [s]."""
    made.probe = Probe(made.probe.setting, looking=looking and made.out.world.leads)
    processes.barrier(made.out.world)
    times = []
    for _ in range(STEPS):
        share = next(supply)
        began = time.process_time()
        loop.advance(made, share)
        times.append(time.process_time() - began)
    return times


def extra(looked_at: list[float], alone: list[float]) -> tuple[float, float, float]:
    """What looking added: to the counted step [s], to the timed steps [s], to the turn [1]."""
    window = slice(WARM_UP, WARM_UP + WINDOW)
    counting = looked_at[COUNTED] - alone[COUNTED]
    timing = WINDOW * (statistics.median(looked_at[window]) - statistics.median(alone[window]))
    reading = looked_at[window.stop - 1] - statistics.median(looked_at[window])
    timing += reading
    plain = statistics.median(looked_at[window.stop :] + alone[window.stop :])
    return counting, timing, (counting + timing) / (STEPS * plain)


def backward_seconds(made: Session, share: order.Share, *, synchronised: bool) -> float:
    """One backward whose gradients nobody uses, between barriers [s]."""
    batch = made.data.train.take(share.indices)
    engine = made.engine
    assert isinstance(engine, torch.nn.parallel.DistributedDataParallel)  # noqa: S101 - two processes
    engine.require_backward_grad_sync = synchronised
    loss, _ = engine(*batch)
    made.optimizer.zero_grad(set_to_none=True)
    loaded = made.heart.load(loss, loss.detach() * share.own, stop=False)
    processes.barrier(made.out.world)
    began = time.perf_counter()
    loaded.backward()  # type: ignore[no-untyped-call]  # torch's own
    return time.perf_counter() - began


def measure(name: str, run_dir: Path) -> None:
    """In each process: take the turns; the process that leads writes what it found."""
    torch.set_num_threads(1)
    made = opened(name, run_dir)
    optim.set_rate(made.optimizer, 0.0)
    supply = shares(made)
    turn(made, supply, looking=False)
    looked, found = [], []
    for _ in range(PAIRS[name]):
        times = turn(made, supply, looking=True)
        found.append(made.probe.told())
        looked.append(extra(times, turn(made, supply, looking=False)))
    differences = []
    for _ in range(PROBES):
        share = next(supply)
        with_it = backward_seconds(made, share, synchronised=True)
        differences.append(with_it - backward_seconds(made, share, synchronised=False))
    if made.out.world.leads:
        seconds = [profile["communicationSeconds"] for profile in found if profile]
        told = {"extra": looked, "exposed": seconds, "difference": differences, "last": found[-1]}
        (run_dir / "found.json").write_text(json.dumps(told))
    os._exit(0)


def row(name: str) -> str:
    """One case in its processes, as a line."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={PROCESSES}"]
        command += ["--standalone", "-m", "benchmarks.profile_cost", "--case", name]
        command += ["--run-dir", folder]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        found = json.loads((Path(folder) / "found.json").read_text())
    counting, timing, share = zip(*found["extra"], strict=True)
    low, middle, high = (100 * q for q in statistics.quantiles(share, n=4))
    told = [1e3 * q for q in statistics.quantiles(found["exposed"], n=4)]
    by_hand = [1e3 * q for q in statistics.quantiles(found["difference"], n=4)]
    return (
        f"{name}: profile {middle:+.2f} % of {STEPS} steps ({low:+.2f} to {high:+.2f}), of it "
        f"counting {1e3 * statistics.median(counting):.2f} ms, "
        f"timing {1e3 * statistics.median(timing):.2f} ms; "
        f"exposed communication {told[1]:.2f} ms ({told[0]:.2f} to {told[2]:.2f}); "
        f"backward with less without synchronisation {by_hand[1]:.2f} ms "
        f"({by_hand[0]:.2f} to {by_hand[2]:.2f})\n{json.dumps(found['last'])}"
    )


def main() -> None:
    """Measure every case; or be one process of one case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--case", choices=sorted(CASES))
    parser.add_argument("--run-dir", type=Path)
    asked = parser.parse_args()
    if asked.case:
        measure(asked.case, asked.run_dir)
    for name in CASES:
        print(row(name))


if __name__ == "__main__":
    main()
