"""Laws of simulated traces: nothing is over-committed, work is conserved, chance has no part."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from heapq import heapify, heapreplace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.queue.tree import ledger_of, tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.queue import Holding, Queue, WithinQueue
from quartermaster.simulate.trace.job import Submission, Terms, moment
from quartermaster.simulate.trace.loop import Simulation
from quartermaster.simulate.trace.outcome import Ending, Record
from tests.property.test_queues import MODELS, gang_of, world_of
from tests.support import make

SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=100, deadline=None)


def trace_of(random: Random, queues: Sequence[Queue], jobs: int = 14) -> list[Submission]:
    found = []
    for number in range(random.randint(1, jobs)):
        submit = float(random.randint(0, 40) * 10)
        gang = gang_of(random, f"job-{number}", queues)
        deadline = random.choice([None, None, None, 50.0, 400.0])
        gang = replace(gang, created=moment(submit), runtime_s=deadline)
        found.append(Submission(gang, submit, float(random.randint(1, 300))))
    return found


def terms_of(random: Random) -> Terms:
    return Terms(
        stop_s=random.choice([0.0, 5.0, 30.0]),
        restart_s=random.choice([0.0, 10.0]),
        checkpoint_s=random.choice([0.0, 60.0]),
        half_life_s=random.choice([0.0, 3600.0]),
        ends_known=random.random() < 0.7,
    )


def scene(seed: int) -> tuple[Simulation, Snapshot, tuple[Queue, ...], list[Submission]]:
    random = Random(seed)
    world = world_of(random)
    empty, queues = world.empty, world.queues
    if random.random() < 0.5:
        # One team that has all and preempts, so that many are stopped.
        everything = dict.fromkeys(MODELS, 64)
        queues = (Queue("team", nominal=everything, within_queue=WithinQueue.LOWER_PRIORITY),)
    jobs = trace_of(random, queues)
    if len(queues) == 1:
        jobs = [replace(job, gang=replace(job.gang, queue="team")) for job in jobs]
    return Simulation(empty, tree_of(queues), terms_of(random)), empty, queues, jobs


def told(records: Sequence[Record]) -> dict[str, object]:
    return {str(record.job.gang.key): replace(record, why="") for record in records}


@law
@given(SEEDS)
def test_no_gpu_is_over_committed_and_no_quota_exceeded_at_any_time(seed: int) -> None:
    simulation, empty, queues, jobs = scene(seed)
    whole = {node.name: node.allocatable for node in empty.nodes}
    seen: list[float] = []

    def look(now: float, cluster: Snapshot, holdings: Sequence[Holding]) -> None:
        seen.append(now)
        seats = Counter(
            {node.name: 0 for node in cluster.nodes}
            | Counter(
                seat.node
                for one in holdings
                for seat in one.seats
                for _ in range(one.per_worker.gpus)
            )
        )
        for node in cluster.nodes:
            assert node.used.gpus == seats[node.name] <= whole[node.name].gpus
            assert min(node.free.cpu_m, node.free.memory, node.free.pods) >= 0
        ledger = ledger_of(tree_of(queues), holdings)
        for name, queue in ledger.tree.queues.items():
            for model in MODELS:
                assert queue.unlimited or ledger.available(name, model) >= 0

    simulation.after_decision = look
    simulation.run(jobs)
    assert seen == sorted(seen)
    assert len(seen) >= 1


@law
@given(SEEDS)
def test_work_is_conserved_over_every_preemption(seed: int) -> None:
    simulation, _, _, jobs = scene(seed)
    for record in simulation.run(jobs):
        worked = sum(stay.worked_s for stay in record.stays)
        limit = record.job.gang.runtime_s
        assert abs(worked - record.job.duration_s * (1 - record.left)) < 1e-6
        if record.ending is Ending.COMPLETE:
            assert abs(worked - record.job.duration_s) < 1e-6
        elif record.ending is Ending.DEADLINE:
            last = record.stays[-1]
            assert last.end_s - last.start_s == limit
            assert worked < record.job.duration_s
        for stay in record.stays:
            assert 0 <= stay.worked_s <= stay.end_s - stay.start_s + 1e-6
        ends = [record.job.submit_s, *(t for s in record.stays for t in (s.start_s, s.end_s))]
        assert ends == sorted(ends)


@law
@given(SEEDS)
def test_who_could_run_alone_is_not_left_waiting(seed: int) -> None:
    simulation, empty, queues, jobs = scene(seed)
    for record in simulation.run(jobs):
        if record.ending is Ending.NEVER_PLACED:
            assert not record.stays
            alone = Simulation(empty, tree_of(queues), Terms())
            (again,) = alone.run([replace(record.job, submit_s=0.0)])
            assert again.ending is Ending.NEVER_PLACED
            assert record.why


@law
@given(SEEDS)
def test_the_order_of_the_rows_does_not_matter_and_a_second_run_is_the_same(seed: int) -> None:
    simulation, _, _, jobs = scene(seed)
    shuffled = list(jobs)
    Random(seed + 1).shuffle(shuffled)
    assert told(simulation.run(jobs)) == told(scene(seed)[0].run(shuffled))


@law
@given(SEEDS, st.integers(1, 4))
def test_single_gpu_jobs_on_one_node_are_served_like_a_queue_with_servers(
    seed: int, servers: int
) -> None:
    """First come, first served by several servers: the textbook recursion is the oracle."""
    random = Random(seed)
    jobs, submit = [], 0.0
    for number in range(random.randint(1, 25)):
        submit += random.choice([1.0, 5.0, 40.0])
        gang = make.gang(1, 1, name=f"job-{number:02d}", created=moment(submit))
        jobs.append(Submission(gang, submit, float(random.randint(1, 99))))
    free = [0.0] * servers
    heapify(free)
    starts = []
    for job in jobs:
        starts.append(max(job.submit_s, free[0]))
        heapreplace(free, starts[-1] + job.duration_s)
    cluster = make.snapshot([make.node(gpus=servers)])
    for record, start in zip(
        Simulation(cluster, tree_of([]), Terms()).run(jobs), starts, strict=True
    ):
        assert record.stays[0].start_s == start
        assert record.end_s == start + record.job.duration_s


@law
@given(SEEDS)
def test_money_is_the_price_of_the_places_times_the_time_on_them(seed: int) -> None:
    simulation, empty, _, jobs = scene(seed)
    for record in simulation.run(jobs):
        if not empty.pools:
            assert record.usd is None or not record.stays
            continue
        total = Fraction(0)
        for stay in record.stays:
            gpus = Counter(one.accelerator for one in stay.placed.assignments)
            each = record.job.gang.per_worker.gpus
            rate = gpus[make.T4] * each * Fraction("0.5") + gpus[make.H100] * each * 4
            total += rate * Fraction(stay.end_s - stay.start_s) / 3600
        if record.job.gang.per_worker.gpus:
            assert record.usd is not None
            assert abs(record.usd - total) < Fraction(1, 10**6)
