"""Traces told exactly: who is stopped when, and what stopping costs."""

from dataclasses import replace
from typing import Any

import pytest

from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.queue import Queue, WithinQueue
from quartermaster.simulate.trace.job import Submission, Terms, moment
from quartermaster.simulate.trace.loop import Simulation
from quartermaster.simulate.trace.outcome import Ending, Record, Spread, spread, summary, whole
from tests.support import gpus, make

TEAM = Queue("team", nominal={make.T4: 64}, within_queue=WithinQueue.LOWER_PRIORITY)
ONE_NODE = make.snapshot([make.node(gpus=4)], make.pool("pool", make.price("1")))


def job(name: str, submit: float, duration: float, workers: int = 4, **more: Any) -> Submission:
    steps = more.pop("steps", None)
    gang = make.gang(workers, 1, name=name, queue="team", created=moment(submit), **more)
    return Submission(gang, submit, duration, steps)


def simulated(
    *jobs: Submission, cluster: Snapshot = ONE_NODE, hardware: Hardware | None = None, **terms: Any
) -> dict[str, Record]:
    simulation = Simulation(cluster, tree_of([TEAM]), Terms(**terms), hardware or Hardware(
        lambda _: None, lambda _: None
    ))  # fmt: skip
    return {record.job.gang.key.name: record for record in simulation.run(jobs)}


def times(record: Record) -> list[tuple[float, float]]:
    return [(stay.start_s, stay.end_s) for stay in record.stays]


def test_a_stopped_job_saves_waits_and_goes_on_from_where_it_was() -> None:
    found = simulated(
        job("low", 0, 1000), job("high", 400, 100, priority=1), stop_s=30, restart_s=10
    )
    assert times(found["low"]) == [(0, 430), (530, 1140)]
    assert [stay.worked_s for stay in found["low"].stays] == pytest.approx([400, 600])
    assert times(found["high"]) == [(430, 530)]
    assert (found["low"].preemptions, found["high"].preemptions) == (1, 0)
    assert found["low"].wait_s == 0
    assert found["low"].completion_s == pytest.approx(1140)
    # Four GPUs at a dollar, for what was held: the saving and the starting again are paid for.
    assert float(found["low"].usd or 0) == pytest.approx(4 * (430 + 610) / 3600)


def test_a_job_that_ends_at_the_moment_of_the_stop_has_ended() -> None:
    found = simulated(job("low", 0, 400), job("high", 400, 100, priority=1))
    assert times(found["low"]) == [(0, 400)]
    assert times(found["high"]) == [(400, 500)]


def test_who_has_lost_least_since_its_checkpoint_is_stopped() -> None:
    found = simulated(
        job("old", 0, 5000, workers=2),
        job("young", 550, 5000, workers=2),
        job("high", 620, 100, workers=2, priority=1),
        checkpoint_s=600,
    )
    # The old one saved 20 s ago, the young one began 70 s ago.
    assert (found["old"].preemptions, found["young"].preemptions) == (1, 0)


def test_a_small_job_is_let_past_a_large_one_where_it_does_not_delay_it() -> None:
    found = simulated(
        job("running", 0, 100, workers=3),
        job("large", 1, 100, workers=4),
        job("short", 2, 50, workers=1, runtime_s=60.0),
        job("long", 3, 500, workers=1, runtime_s=600.0),
    )
    starts = {name: record.stays[0].start_s for name, record in found.items()}
    assert starts == {"running": 0, "large": 100, "short": 2, "long": 200}


def test_a_job_ends_by_its_deadline() -> None:
    (found,) = simulated(job("slow", 0, 1000, runtime_s=600.0)).values()
    assert (found.ending, found.end_s, found.left) == (Ending.DEADLINE, 600, pytest.approx(0.4))


def test_a_job_that_never_fits_says_why() -> None:
    found = simulated(job("huge", 0, 10, workers=5), job("other", 0, 10))
    assert found["huge"].ending is Ending.NEVER_PLACED
    assert "only 4 would ever fit" in found["huge"].why
    assert found["other"].wait_s == 0
    total = summary(found.values())
    assert (total.jobs, total.complete, total.never_placed) == (2, 1, 1)
    assert whole(list(found.values()), ONE_NODE).utilisation == pytest.approx(1.0)


def test_where_the_speed_is_known_the_steps_tell_how_long_it_takes() -> None:
    hardware = Hardware(gpus.CATALOGUE.get, gpus.INSTANCES.get)
    node = replace(make.node(gpus=4, gpu=gpus.T4.name), instance_type="g4dn.12xlarge")
    cluster = make.snapshot([node], make.pool("pool", make.price("1")))
    told = job("told", 0, 7, profile=gpus.profile(), steps=1000.0)
    untold = job("untold", 0, 7, profile=gpus.profile())
    for one, takes in ((told, None), (untold, 7)):
        (found,) = simulated(one, cluster=cluster, hardware=hardware).values()
        each = found.stays[0].placed.predicted_step_seconds
        assert each is not None
        assert found.end_s == pytest.approx(1000 * each if takes is None else takes)


def test_percentiles_are_by_nearest_rank() -> None:
    assert spread([]) is None
    assert spread([3.0]) == Spread(3.0, 3.0, 3.0)
    assert spread([float(n) for n in range(100, 0, -1)]) == Spread(50.5, 50.0, 99.0)
