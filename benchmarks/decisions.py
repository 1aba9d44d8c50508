"""How long placement decisions take as the cluster grows; no cluster needed.

    make bench-decisions          (python -m benchmarks.decisions)

A synthetic fleet: nodes of eight GPUs, four models, both capacity types, racks of eight in three
zones, half of the GPUs in use at random. Gangs of one GPU a worker come one after the other: each
is decided on by itself, its places are given away, and the gang that came some time before leaves,
so that the fleet stays half in use. What a decision finds out is kept for the next one, as in the
operator. Every decision with what it changes is timed; the first of a stream, for which nothing is
known yet, is told apart, and is in the rate.

Beside it first fit, which takes the first nodes by name that have room, and knows no price, no
topology and no reason: what a decision costs at least when Python walks over the nodes.
"""

import argparse
import gc
import itertools
import math
import random
import resource
import statistics
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction

from benchmarks.machine import RESULTS, commit, machine
from devcluster.hardware import fake_nodes
from quartermaster.adapters.scene import KNOWN
from quartermaster.decide.fleet import Fleet, fleet_of
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.profile.hardware import NOTHING_KNOWN
from quartermaster.decide.queue.reserve import begun
from quartermaster.decide.queue.room import taken, without
from quartermaster.domain.cluster import Capacity, Node, Pool, PriceRow, Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.profile import JobProfile
from quartermaster.domain.queue import Holding
from quartermaster.domain.resources import Resources
from quartermaster.domain.workload import Gang

WORKER = Resources(cpu_m=1000, memory=2**30, gpus=1, pods=1)
PROFILE = JobProfile(
    flops_per_sample=1.2e13, parameters=25_000_000, batch=64, number_format=NumberFormat.BF16
)
PRICES = {
    "p5.48xlarge": "55.04",
    "p4d.24xlarge": "21.96",
    "g6.48xlarge": "13.35",
    "g5.48xlarge": "16.29",
}
"""On demand, AWS us-east-1, 2026-07-20 [USD/h]; spot is taken as two fifths of it."""
LEVELS = (
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    "topology.quartermaster.dev/rack",
)
MIXED = (1, 2, 4, 8, 16, 32)
"""Workers of gangs that come in turn [count]."""
STAYING = 0.05
"""Share of the fleet's GPUs that a stream's gangs hold before the first of them leaves."""


def fleet(count: int, chance: random.Random) -> Snapshot:
    """Nodes of which each holds some GPUs already."""
    nodes = tuple(
        Node(
            name=shape.name,
            allocatable=Resources(
                shape.hardware.cpus * 1000,
                shape.hardware.memory_gib * 2**30,
                shape.hardware.gpus,
                110,
            ),
            used=Resources(gpus=chance.choice((0, 0, 4, 8, 8))),
            labels=shape.labels(),
            accelerator=shape.hardware.product,
            instance_type=shape.hardware.instance_type,
            capacity=Capacity.SPOT if shape.capacity_type == "spot" else Capacity.ON_DEMAND,
        )
        for shape in fake_nodes(count)
    )
    rows = [
        PriceRow(kind, None, capacity, Fraction(usd) * share)
        for kind, usd in PRICES.items()
        for capacity, share in ((Capacity.ON_DEMAND, 1), (Capacity.SPOT, Fraction(2, 5)))
    ]
    return Snapshot(nodes, (Pool("fleet", topology_levels=LEVELS, prices=tuple(rows)),))


def gang(size: int, profile: JobProfile | None) -> Gang:
    """Workers of one GPU each."""
    return Gang(
        key=NamespacedName("bench", f"gang-of-{size}"),
        uid="bench",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        indices=tuple(range(size)),
        per_worker=WORKER,
        profile=profile,
    )


def first_fit(wanted: Gang, snapshot: Snapshot) -> list[str]:
    """The first nodes by name that have room; empty where the gang does not fit."""
    seats: list[str] = []
    for node in sorted(snapshot.nodes, key=lambda node: node.name):
        seats += [node.name] * min(
            wanted.per_worker.times_within(node.free), wanted.size - len(seats)
        )
        if len(seats) == wanted.size:
            return seats
    return []


@dataclass(frozen=True, slots=True)
class Stream:
    """Processor time of decisions one after the other [ms]."""

    first: float
    """Of the first one."""
    later: Sequence[float]
    """Of the others, sorted."""

    @property
    def rate(self) -> float:
        """Decisions in a second, the first one among them."""
        return 1e3 * (1 + len(self.later)) / (self.first + sum(self.later))

    def told(self) -> str:
        """The first, the median, the 99th percentile, the largest, and the rate."""
        last = len(self.later) - 1
        middle, high = statistics.median(self.later), self.later[math.ceil(0.99 * last)]
        cells = (f"{it:.2f}" for it in (middle, high, self.later[-1]))
        return f"{self.first:.0f} | {' | '.join(cells)} | {self.rate:,.0f}"


def stream(start: Fleet, gangs: Iterable[Gang], *, speed: bool) -> Stream:
    """Place one gang after the other; those that have stayed long enough leave."""
    now, holding, held = start, deque[Holding](), 0
    times: list[float] = []
    room = STAYING * start.devices([True] * len(start.estate.classes))
    for wanted in gangs:
        began = time.process_time()
        decision = choose(wanted, now, KNOWN if speed else NOTHING_KNOWN)
        if isinstance(decision, Placed):
            now = taken(now, decision.assignments, wanted.per_worker)
            holding.append(begun(wanted, decision))
            held += wanted.size
        while held > room and len(holding) > 1:
            gone = holding.popleft()
            now, held = without(now, [gone]), held - len(gone.seats)
        times.append(1e3 * (time.process_time() - began))
        if not isinstance(decision, Placed):
            raise SystemExit(f"no place for {wanted.size} workers: {decision.message}")
    return Stream(times[0], sorted(times[1:]))


def peer(snapshot: Snapshot, wanted: Gang) -> str:
    """Median time of first fit [ms]."""
    times = []
    for _ in range(5):
        began = time.process_time()
        first_fit(wanted, snapshot)
        times.append(1e3 * (time.process_time() - began))
    return f"{statistics.median(times):.2f}"


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for, and how often."""

    name: str
    sizes: tuple[int, ...]
    gangs: int
    speed: bool = False


def peak_mib() -> float:
    """The most memory that this process had so far [MiB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Measure, print as it goes, and write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    sizes = [100, 500, 1000, 2000, 5000, 10_000]
    parser.add_argument("--nodes", type=int, nargs="+", default=sizes)
    parser.add_argument("--gangs", type=int, default=1000, help="gangs of 8, by price")
    parser.add_argument(
        "--uncollected",
        action="store_true",
        help="without Python's cyclic garbage collector; prints, and leaves the document alone",
    )
    options = parser.parse_args()
    if options.uncollected:
        gc.disable()
    few = max(options.gangs // 5, 2)
    loads = [
        Load("8, by price", (8,), options.gangs),
        Load("1 to 32 in turn, by price", MIXED, options.gangs),
        Load("1,024, by price", (1024,), few),
        Load("8, by predicted speed", (8,), few, speed=True),
        Load("1,024, by predicted speed", (1024,), few // 4, speed=True),
    ]
    rows: dict[str, list[tuple[int, Stream, str]]] = {load.name: [] for load in loads}
    arrays: list[str] = []
    for count in options.nodes:
        snapshot = fleet(count, random.Random(42))  # noqa: S311 - a benchmark's fleet
        began = time.process_time()
        fleet_of(snapshot)
        built = 1e3 * (time.process_time() - began)
        for load in loads:
            if max(load.sizes) > 2 * count:
                continue
            asked = [gang(size, PROFILE if load.speed else None) for size in load.sizes]
            gangs = itertools.islice(itertools.cycle(asked), load.gangs)
            gc.collect()  # what an earlier stream has left is not this one's to clear away
            found = stream(fleet_of(snapshot), gangs, speed=load.speed)
            rows[load.name].append((count, found, peer(snapshot, asked[-1])))
            print(f"{count:>6} {load.name}: {found.told()}", flush=True)
        arrays.append(f"| {count:,} | {built:.1f} | {peak_mib():.0f} |")
    if not options.uncollected:
        write(rows, arrays, options.gangs)


def growth(found: Sequence[tuple[int, Stream, str]]) -> str:
    """By which power of the number of nodes the median grows, from a thousand on."""
    large = [(nodes, it) for nodes, it, _ in found if nodes >= 1000]
    if len(large) < 2:
        return ""
    line = statistics.linear_regression(
        [math.log(nodes) for nodes, _ in large],
        [math.log(statistics.median(it.later)) for _, it in large],
    )
    return f"Median by nodes, from 1,000 on: power {line.slope:.2f}."


def write(
    rows: dict[str, list[tuple[int, Stream, str]]], arrays: Sequence[str], gangs: int
) -> None:
    """The document."""
    lines = [
        "# Decisions: time of placements as the cluster grows",
        "",
        f"Command: `make bench-decisions` (gangs of 8: {gangs:,}).",
        f"Commit {commit()}; {machine()}.",
        "",
        "Processor time in milliseconds. Nodes of 8 GPUs, half in use; racks of 8 in three zones;",
        "four GPU models, spot and on-demand. Gangs come one after the other, each is decided on",
        "by itself, with its reason and what was rejected, and each time includes giving its",
        "places away and taking back those of a gang that leaves. `first` is the decision for",
        "which nothing was kept; the rate includes it.",
        "",
    ]
    for name, found in rows.items():
        lines += [
            f"## Gangs of {name}",
            "",
            "| nodes | first | median | p99 | largest | decisions in a second | first fit |",
            "|---|---|---|---|---|---|---|",
            *(f"| {nodes:,} | {it.told()} | {peer} |" for nodes, it, peer in found),
            "",
            *((growth(found), "") if growth(found) else ()),
        ]
    lines += [
        "First fit (median) knows no price, no topology and no reason, and keeps nothing. What is",
        "largest is mostly a full collection by Python's garbage collector, or the first decision",
        "on a shape: `python -m benchmarks.decisions --uncollected` prints it without the former.",
        "",
        "## Arrays and memory",
        "",
        "Making the arrays from objects [ms], once where nodes do not change, and the most memory",
        "that the process had until then, all streams of this size and the smaller ones [MiB].",
        "",
        "| nodes | arrays | memory |",
        "|---|---|---|",
        *arrays,
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "decisions.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()
