"""What a round of the queues costs, beside placing alone: 500 nodes of 8 GPUs, no cluster needed.

python -m benchmarks.queues
"""

import time
from collections.abc import Callable

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.placement.choose import choose
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.room import taken
from quartermaster.decide.queue.scene import Scene
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding, Queue, WithinQueue
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import holding, occupied, queue

NODES = 500
GPUS = 8
REPEATS = 5


def main() -> None:
    """Prints one row a case: the least of some repeats [ms]."""
    print(f"| {NODES} nodes of {GPUS} GPUs | round [ms] | placing alone [ms] |\n|---|---|---|")
    for running in (0, 1000):
        gangs = [make.gang(1, name=f"new-{i:03}") for i in range(100)]
        held = jobs(running)
        row(f"{running} jobs run, 100 more are placed", gangs, held, ())
    full = jobs(NODES * GPUS)
    row("all GPUs are held, a gang of 64 gets a reservation", [make.gang(64)], full, ())
    lab = queue("default", t4=NODES * GPUS, within_queue=WithinQueue.LOWER_PRIORITY)
    urgent = make.gang(64, priority=5)
    row("all GPUs are held, 64 of 4,000 jobs are to be stopped", [urgent], full, (lab,))


def jobs(count: int) -> list[Holding]:
    """Jobs of one GPU, on the first nodes, that end one after the other."""
    return [
        holding(
            f"job-{i:04}",
            "default",
            {f"node-{i // GPUS:03}": 1},
            remaining_s=float(i + 1),
            lost_s=float(i % 97),
        )
        for i in range(count)
    ]


def row(what: str, gangs: list[Gang], held: list[Holding], queues: tuple[Queue, ...]) -> None:
    """Times one case both ways."""
    nodes = [make.node(f"node-{i:03}", GPUS) for i in range(NODES)]
    cluster = occupied(make.snapshot(nodes, make.pool("pool", make.price("0.5"))), held)
    scene = Scene(cluster, gangs, held, tree_of(queues))

    def alone() -> None:
        left = fleet_of(cluster)
        for gang in gangs:
            decision = choose(gang, left)
            if isinstance(decision, Placed):
                left = taken(left, decision.assignments, gang.per_worker)

    whole, placing = least(lambda: list(admit(scene))), least(alone)
    print(f"| {what} | {whole * 1000:.0f} | {placing * 1000:.0f} |")


def least(work: Callable[[], object]) -> float:
    """The least time of some repeats [s]: what is above it is the machine's other work."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    main()
