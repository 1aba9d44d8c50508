"""How full pods arriving one by one leave the GPUs of a real cluster, by policy.

    make bench-packing          (python -m benchmarks.packing --help)

The protocol of FGD (Weng et al., ATC 2023): the pods of a list in a random order, then random pods
of the list, until they ask for 130 % of the cluster's GPUs; what fits nowhere is dropped; none
leaves. Measured is the GPU that is allocated when 100 % and 130 % have been asked for. All policies
see the same pods and the same order of nodes for a seed, so they are compared in pairs.
"""

import argparse
import math
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from benchmarks import openb
from benchmarks.machine import RESULTS, commit, machine
from benchmarks.packing_results import (
    POLICIES,
    REPRODUCED,
    SEEDS,
    STOPS,
    Outcome,
    Outcomes,
    Run,
    document,
    mean_and_spread,
)
from quartermaster.decide.packing.fleet import Fleet
from quartermaster.decide.packing.fragmentation import Fragmentation
from quartermaster.decide.packing.packer import Packer, ScoreBook
from quartermaster.decide.packing.scorers import (
    BestFit,
    FragmentationGradient,
    GpuPacking,
    Indifferent,
    Scorer,
)
from quartermaster.decide.packing.stranding import LeastStranding
from quartermaster.decide.packing.workload import Workload, observed, typical


def scorer(policy: str, workload: Workload, fleet: Fleet) -> Scorer:
    """What a policy's name stands for."""
    match policy:
        case "fgd":
            return FragmentationGradient(Fragmentation.of(typical(workload)))
        case "best-fit":
            per_node = fleet.gpu.clip(min=0).sum(axis=1)
            return BestFit(int(fleet.cpu.max()), int(per_node.max()))
        case "gpu-packing":
            return GpuPacking()
        case "random":
            return Indifferent()
        case _:
            return LeastStranding.of(workload, fleet)


def measure(run: Run) -> Outcome:
    """All seeds of a run."""
    fleet, bits = openb.read_fleet(run.folder)
    pods = openb.read_pods(run.folder, run.pods, bits)
    workload = observed(pods.classes, pods.pods)
    book = ScoreBook(pods.classes, scorer(run.policy, workload, fleet))
    begun = time.process_time()
    allocated = [fill(pods, fleet, book, seed, run.policy) for seed in run.seeds]
    return Outcome(run, tuple(allocated), (time.process_time() - begun) / len(run.seeds))


def fill(
    pods: openb.PodList, fleet: Fleet, book: ScoreBook, seed: int, policy: str
) -> tuple[float, float]:
    """Fill the cluster once; allocated GPU at both stops [%]."""
    chance = np.random.default_rng(seed)
    capacity = fleet.idle
    coming = openb.arrivals(pods, math.ceil(STOPS[-1] * capacity), chance)
    nodes = fleet.reordered(chance.permutation(len(fleet)))
    packer = Packer(nodes, book, chance if policy == "random" else None)
    demand = pods.classes.demand
    asked = np.cumsum(demand[coming])
    placed = [packer.place(int(task_class)) is not None for task_class in coming]
    allocated = np.cumsum(np.where(placed, demand[coming], 0))
    first, last = (
        100 * float(allocated[np.searchsorted(asked, stop * capacity)]) / capacity for stop in STOPS
    )
    return first, last


def outcomes(runs: Sequence[Run], jobs: int) -> Iterator[Outcome]:
    """The runs' outcomes, in their order."""
    if jobs == 1:
        yield from map(measure, runs)
        return
    with Pool(jobs) as pool:
        yield from pool.imap(measure, runs)


def plan(options: argparse.Namespace) -> list[Run]:
    """What is to be run, what has to be reproduced first."""
    first = [policy for policy in options.policies if policy in REPRODUCED]
    rest = [policy for policy in options.policies if policy not in REPRODUCED]
    return [
        Run(pods, policy, options.seeds, options.data)
        for policies in (first, rest)
        for pods in options.lists
        for policy in policies
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print as it goes, write the document as it grows."""
    options = parse(arguments)
    runs = plan(options)
    done: Outcomes = {}
    where = f"Commit {commit()}; {machine()}"
    begun = time.monotonic()
    try:
        for number, outcome in enumerate(outcomes(runs, options.jobs), 1):
            done[outcome.run.pods, outcome.run.policy] = outcome
            print(
                f"[{number}/{len(runs)}, {time.monotonic() - begun:.0f} s] {outcome.run.pods}"
                f" {outcome.run.policy}: {mean_and_spread(outcome.at(0))} %"
                f" / {mean_and_spread(outcome.at(1))} %",
                flush=True,
            )
            if options.output:
                options.output.write_text(document(done, len(runs), where))
    except openb.DataError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{options.output}: {error.strerror}: --output has to be writable", file=sys.stderr)
        return 1
    return 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.packing",
        description="GPU allocation by policy, over the OpenB lists (the protocol of FGD).",
    )
    parser.add_argument(
        "--lists", type=_names(openb.LISTS), default=openb.LISTS, help="default: all nine, a,b,c"
    )
    parser.add_argument(
        "--policies", type=_names(POLICIES), default=POLICIES, help=f"of {','.join(POLICIES)}"
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=SEEDS, help="as 42-51 or 42,43 (default: 42-51)"
    )
    parser.add_argument("--jobs", type=_jobs, default=1, help="processes (default: 1)")
    parser.add_argument(
        "--data",
        type=Path,
        default=openb.data_folder(),
        help="folder of the lists (default: QM_BENCH_DATA/openb-fgd)",
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="document to write (default: benchmarks/results/packing.md if nothing is left out)",
    )
    options = parser.parse_args(arguments)
    whole = (options.lists, options.policies, options.seeds) == (openb.LISTS, POLICIES, SEEDS)
    if options.output is None and whole:
        options.output = RESULTS / "packing.md"
    return options


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        asked = tuple(dict.fromkeys(text.split(",")))
        for name in asked:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(known)}")
        return asked

    return names


def _seeds(text: str) -> tuple[int, ...]:
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise argparse.ArgumentTypeError(f"{part!r} is neither a number nor a range as 42-51")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds:
        raise argparse.ArgumentTypeError(f"{text!r} holds no seed")
    return tuple(dict.fromkeys(seeds))


def _jobs(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of processes, 1 or more")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
