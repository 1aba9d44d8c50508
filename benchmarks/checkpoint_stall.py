"""How long training stands still for a checkpoint, beside three other ways to take one.

    PYTHONPATH=trainer_image:. python -m benchmarks.checkpoint_stall

Two processes (gloo, one thread each) train one model and take checkpoints in turns by each way, in
an order that changes, in the same run. What is measured is the time from one step to the next that
the way takes from rank 0, the processes having met before.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
from torch.distributed.checkpoint.state_dict_saver import async_save

from benchmarks.machine import RESULTS, commit, machine
from qm_trainer import config, loop, progress, saving, session
from qm_trainer.data import order
from qm_trainer.parallel import processes, sharding
from qm_trainer.session import Session

PROCESSES, ROUNDS, QUIET_STEPS, STEPS_BEHIND, WIDTH = 2, 10, 2, 2, 2000
MODES = ("DDP", "FSDP")
Times = dict[str, list[float]]
WAYS = {
    "ours": "ours",
    "sync": "ours, waited for",
    "gather": "gathered whole by rank 0, written by it in the step",
    "dcp": "`dcp.async_save`, safetensors, a group of its own",
}


def prepare(mode: str, run_dir: Path) -> Session:
    """A run that never saves by itself."""
    tree = {
        "model": {"factory": "qm_trainer.zoo:mlp", "args": {"numClasses": 10, "width": WIDTH}},
        "dataset": {"uri": "builtin://digits"},
        "trainer": {"epochs": 100_000, "batchSize": 32, "strategy": mode},
        "checkpoint": {"periodSeconds": 1_000_000},
    }
    out = session.Surroundings(
        run_dir=run_dir,
        world=processes.join(),
        reporter=progress.Reporter(None),
        now=lambda: datetime.now(UTC),  # noqa: TID251 - a benchmark is an edge
        clock=time.monotonic,
        stop=lambda: False,
        profiling=False,
    )
    made = loop.prepare(config.parse(json.dumps(tree)), out)
    loop.resume(made)
    return made


def steps(made: Session) -> Iterator[None]:
    """One step at each `next`."""
    while True:
        for share in order.shares(made.plan, made.cursor, made.out.world.data_rank):
            loop.advance(made, share)
            yield
        made.cursor = order.Cursor(made.cursor.step, made.cursor.epoch + 1, 0)


def state(made: Session) -> dict[str, torch.Tensor]:
    """Weights and moments, split as they are."""
    found = dict(made.model.state_dict())
    for name, parameter in made.model.named_parameters():
        for key, value in made.optimizer.state[parameter].items():
            found[f"{name}.{key}"] = value
    return found


def take(way: str, made: Session, group: Any) -> Callable[[], object]:
    """Take a checkpoint; answers how to wait for what is left to do behind training."""
    folder = made.out.run_dir / way
    if way == "dcp":
        writer = HuggingFaceStorageWriter(str(folder), save_distributed=True)
        future = async_save(state(made), storage_writer=writer, process_group=group)
        return future.result  # type: ignore[union-attr]
    if way == "gather":
        whole = {name: sharding.whole(value) for name, value in state(made).items()}
        if made.out.world.leads:
            folder.mkdir(exist_ok=True)
            save_file(whole, folder / "state.safetensors")
        return lambda: None
    saving.save(made)
    if way == "sync":
        made.saver.wait()
        processes.barrier(made.out.world)
    return made.saver.wait


def measure(mode: str, run_dir: Path) -> None:
    """In each process: train, take checkpoints in turns, and let rank 0 write the times."""
    torch.set_num_threads(1)
    made = prepare(mode, run_dir)
    group, going, chance = dist.new_group(backend="gloo"), steps(made), random.Random(0)  # noqa: S311
    world = made.out.world
    times: Times = {name: [] for name in (*WAYS, "quiet", "behind")}

    def timed(work: Callable[[], Any]) -> tuple[float, Any]:
        processes.barrier(world)
        began = time.perf_counter()
        done = work()
        return time.perf_counter() - began, done

    def some(count: int) -> None:
        for _ in range(count):
            next(going)

    for number in range(-1, ROUNDS):
        for way in chance.sample(list(WAYS), len(WAYS)):
            quiet, _ = timed(lambda: some(QUIET_STEPS))
            stall, wait = timed(lambda way=way: take(way, made, group))  # type: ignore[misc]
            behind, _ = timed(lambda: some(STEPS_BEHIND))
            wait()
            if number >= 0:
                times[way].append(stall)
                times["quiet"].append(quiet / QUIET_STEPS)
                if way == "ours":
                    times["behind"].append(behind / STEPS_BEHIND)
    if world.leads:
        size = sum(sharding.local(value).nbytes for value in state(made).values())
        (run_dir / "times.json").write_text(json.dumps({"bytes": size, "times": times}))
    os._exit(0)


def gang(mode: str) -> dict[str, Any]:
    """Run one mode in its processes; answers what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "torch.distributed.run", f"--nproc-per-node={PROCESSES}"]
        command += ["--standalone", __file__, "--mode", mode, "--run-dir", folder]
        subprocess.run(command, check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        read: dict[str, Any] = json.loads((Path(folder) / "times.json").read_text())
    return read


def rows(mode: str, found: dict[str, Any]) -> list[str]:
    """Lines of the table."""
    times: Times = found["times"]
    sync = statistics.median(times["sync"])
    lines = []
    for way, said in WAYS.items():
        low, middle, high = (it * 1e3 for it in statistics.quantiles(times[way], n=4))
        stall = f"{middle:.1f} ({low:.1f} to {high:.1f})"
        lines.append(f"| {mode} | {said} | {stall} | {middle / sync / 1e3:.3f} |")
    return lines


def said(mode: str, found: dict[str, Any]) -> str:
    """What the table's figures are to be held against."""
    times: Times = found["times"]
    quiet, behind = (statistics.median(times[name]) * 1e3 for name in ("quiet", "behind"))
    stall = statistics.median(times["ours"]) * 1e3
    return (
        f"- {mode}: rank 0 holds {found['bytes'] / 1e6:.0f} MB of state. A step takes "
        f"{quiet:.1f} ms, and {behind:.1f} ms while ours is written behind it.\n"
        f"  At one checkpoint in 15 s, the shortest period that is chosen, the stall is "
        f"{stall / 15e3 * 100:.2f} % of the time."
    )


def document(found: dict[str, dict[str, Any]], load: float) -> str:
    """The result as a page."""
    table = "\n".join(line for mode in MODES for line in rows(mode, found[mode]))
    remarks = "\n".join(said(mode, found[mode]) for mode in MODES)
    return f"""# How long training stands still for a checkpoint

| strategy | way | stall [ms], quartiles | of ours, waited for |
|---|---|---|---|
{table}

{remarks}

Two processes (gloo, one thread each), a perceptron {WIDTH} wide, AdamW, {ROUNDS} checkpoints by
each way in an order that changes. Each way writes all of the weights and moments. Ours copies them
into memory that the save before has left, and writes and syncs them to the disk in a thread;
`dcp.async_save` and the gathering do not sync.

- Command: `make bench-checkpoint`
- Commit: {commit()}
- Machine: {machine()}; torch {torch.__version__};
  load average before the run: {load:.1f}
"""


def main() -> None:
    """Measure both modes and write the page; or be one process of one mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=MODES)
    parser.add_argument("--run-dir", type=Path)
    asked = parser.parse_args()
    if asked.mode:
        measure(asked.mode, asked.run_dir)
    load = os.getloadavg()[0]
    found = {mode: gang(mode) for mode in MODES}
    page = document(found, load)
    (RESULTS / "checkpoint_stall.md").write_text(page)
    print(page)


if __name__ == "__main__":
    main()
