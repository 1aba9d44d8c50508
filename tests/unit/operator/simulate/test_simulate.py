"""Simulated time, by trainings that can be worked out by hand."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import pytest

from quartermaster.decide.elastic.configurations import Capacity, PoolRoom
from quartermaster.decide.elastic.values import Policy
from quartermaster.simulate.application import Application, Steps, StepTable, normal
from quartermaster.simulate.job import Placement, SimulatedJob
from quartermaster.simulate.run import OvercommittedError, Pool, StarvedError, run
from quartermaster.simulate.scheduler import GoodputRounds

POOLS = (Pool("t4", 2, 4),)
RESTART = 30.0


def table(shapes: Sequence[tuple[int, ...]]) -> StepTable:
    """A step is 10 ms a sample of a worker, and 20 ms to synchronise where there are several."""
    return StepTable(
        [
            Steps(shape, len(shape), sum(shape), batch, batch / 100 + sync, sync)
            for shape in shapes
            for batch in (8.0, 16.0, 64.0)
            for sync in (0.0 if sum(shape) == 1 else 0.02,)
        ]
        + [
            Steps(None, nodes, workers, batch, batch / 100 + 0.02, 0.02)
            for nodes, workers in ((2, 2), (2, 8), (3, 6))
            for batch in (8.0, 64.0)
        ]
    )


def application(epochs: int = 2, noise: float = 0.0) -> Application:
    """100 steps of the initial batch of 16 an epoch; a larger batch teaches nothing more."""
    sizes = np.array([16.0, 64.0])
    return Application(
        name="toy",
        tables={"t4": table([(1,), (2,), (4,), (1, 1), (4, 4)])},
        batches=sizes,
        progress=np.array([[100.0 * (e + 1) for e in range(epochs)]] * 2),
        gradient_square=np.ones((2, epochs)),
        gradient_variance=np.full((2, epochs), noise),
        epochs=epochs,
        restart_seconds=RESTART,
        slowdown=1.0,
    )


def job(
    uid: str = "a", submitted: float = 0.0, workers: int = 1, *, adapts: bool = False
) -> SimulatedJob:
    return SimulatedJob(
        uid, application(noise=64.0 if adapts else 0.0), submitted, workers, 16, adapts
    )


class Fixed:
    """The same placements at every round."""

    period = 60.0

    def __init__(self, *rounds: Mapping[str, Placement]) -> None:
        self.rounds = list(rounds)

    def decide(self, now: float, jobs: Sequence[SimulatedJob]) -> Mapping[str, Placement]:
        del now, jobs
        return self.rounds.pop(0) if len(self.rounds) > 1 else self.rounds[0]


ONE = Placement("t4", (("t4-0", 1),))
OTHER = Placement("t4", (("t4-1", 1),))


def test_a_job_ends_when_its_steps_are_done() -> None:
    outcome = run([job()], POOLS, Fixed({"a": ONE}), charged=True)
    # Placed at 60 s, 30 s to start, 200 steps of 16 samples of 10 ms.
    assert outcome.completion_seconds == pytest.approx((60 + RESTART + 200 * 0.16,))
    assert outcome.gpu_hours == pytest.approx((RESTART + 32) / 3600)
    assert outcome.restarts == 0


def test_two_workers_halve_the_gradients_and_synchronise() -> None:
    two = Placement("t4", (("t4-0", 2),))
    outcome = run([job(workers=2)], POOLS, Fixed({"a": two}), charged=True)
    assert outcome.completion_seconds == pytest.approx((60 + RESTART + 200 * (0.08 + 0.02),))


def test_time_is_counted_from_the_submission() -> None:
    late = run([job(submitted=100.0)], POOLS, Fixed({"a": ONE}), charged=True)
    assert late.completion_seconds == pytest.approx((20 + RESTART + 32,))


@pytest.mark.parametrize(("charged", "want"), [(True, 2), (False, 1)])
def test_other_nodes_cost_a_restart_where_that_is_charged(charged: bool, want: int) -> None:
    it = SimulatedJob("a", application(8), 0.0, 1, 16, adapts=False)
    run([it], POOLS, Fixed({"a": ONE}, {"a": OTHER}), charged=charged)
    assert it.starts == want


def test_a_suspended_job_starts_anew() -> None:
    it = SimulatedJob("a", application(8), 0.0, 1, 16, adapts=False)
    outcome = run([it], POOLS, Fixed({"a": ONE}, {}, {"a": ONE}), charged=True)
    assert outcome.restarts == 1
    assert outcome.completion_seconds == pytest.approx((60 + 60 + 60 + RESTART + 8 * 16 - 30,))


def test_a_scheduler_that_gives_away_too_much_is_found_out() -> None:
    both = {"a": Placement("t4", (("t4-0", 4),)), "b": ONE}
    with pytest.raises(OvercommittedError, match="t4/t4-0"):
        run([job("a"), job("b")], POOLS, Fixed(both), charged=True)
    spread = {"a": Placement("t4", (("x", 1), ("y", 1), ("z", 1)))}
    with pytest.raises(OvercommittedError, match="t4"):
        run([job("a", workers=3)], POOLS, Fixed(spread), charged=True)


def test_a_scheduler_that_starves_is_found_out() -> None:
    with pytest.raises(StarvedError, match="not ended after 0 days: a"):
        run([job()], POOLS, Fixed({}), charged=True, patience_seconds=3600.0)


def test_steps_between_measured_batches_are_interpolated() -> None:
    assert table([(1,)]).measured((1,), 12.0) == pytest.approx((0.12, 0.0))
    assert table([(1,)]).measured((3, 3), 8.0) == pytest.approx((0.10, 0.02), abs=0.03)
    with pytest.raises(ValueError, match="were not measured"):
        table([(1,)]).measured((1,), 65.0)
    with pytest.raises(ValueError, match="were not measured"):
        table([(1,)]).measured((9, 9, 9), 8.0)


def test_a_shape_is_known_by_its_smallest_rotation() -> None:
    assert normal((4, 2, 4)) == (2, 4, 4)
    assert normal((4, 0, 1)) == (1, 4)


def test_the_operators_rounds_widen_an_adapting_job_step_by_step() -> None:
    room = PoolRoom("t4", "t4", (("t4-0", 4), ("t4-1", 4)), 4)
    it = job(adapts=True)
    it.application = application(epochs=40, noise=64.0)
    widths: list[int] = []
    scheduler = GoodputRounds(Capacity((room,)), Policy())
    run(
        [it],
        POOLS,
        scheduler,
        charged=True,
        after_round=lambda now, left: widths.append(it.placement.workers if it.placement else 0),
    )
    seen = [w for w in widths if w]
    assert seen[0] == 1
    assert max(seen) > 1
    assert all(b <= 2 * a for a, b in pairwise(seen))


def test_the_operators_rounds_give_a_rigid_job_what_it_asks_for() -> None:
    room = PoolRoom("t4", "t4", (("t4-0", 4), ("t4-1", 4)), 4)
    jobs = [
        SimulatedJob(uid, application(), 0.0, workers, 64, adapts=False)
        for uid, workers in (("a", 4), ("b", 8), ("c", 2))
    ]
    outcome = run(jobs, POOLS, GoodputRounds(Capacity((room,)), Policy()), charged=True)
    assert len(outcome.completion_seconds) == 3
    assert all(it.placement is None or it.placement.workers == it.workers for it in jobs)


def test_the_same_workload_has_the_same_outcome() -> None:
    room = PoolRoom("t4", "t4", (("t4-0", 4), ("t4-1", 4)), 4)

    def once() -> object:
        jobs = [job(str(i), 50.0 * i, adapts=True) for i in range(5)]
        return run(jobs, POOLS, GoodputRounds(Capacity((room,)), Policy()), charged=True)

    assert once() == once()
