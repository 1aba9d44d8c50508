"""Jobs as metrics: what is known of each, who has series, and how many there may be."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import pytest

from quartermaster.adapters.metrics.jobs import JobCollector
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import (
    Condition,
    ConditionStatus,
    Cost,
    DeviceProfile,
    Goodput,
    PlacementStatus,
    Profile,
    Progress,
    State,
    TrainingJobStatus,
)
from quartermaster.domain.decision import Refusal
from quartermaster.domain.measurement import CounterSource
from quartermaster.domain.money.ledger import Held
from quartermaster.domain.profile import Bound
from quartermaster.domain.worker import Phase, Worker
from tests.support import make
from tests.support.memory import FakeClock
from tests.support.scraped import Samples, collected

PROFILE = Profile(
    bound=Bound.COMPUTE,
    step_seconds="0.04",
    compute_fraction="0.650",
    communication_fraction="0.250",
    data_wait_fraction="0.100",
    device=DeviceProfile(source=CounterSource.DCGM, busy_fraction="0.03"),
)
JOB = ("team", "job")


@dataclass
class Jobs:
    """Jobs and their pods."""

    records: list[JobRecord] = field(default_factory=list)
    pods: list[Worker] = field(default_factory=list)

    def jobs(self) -> Iterable[JobRecord]:
        return self.records

    def workers(self, job_uid: str) -> list[Worker]:
        return [pod for pod in self.pods if pod.job_uid == job_uid]


def scraped(source: Jobs, limit: int = 10) -> Samples:
    clock = FakeClock(make.after(600))
    return collected(JobCollector(source, lambda _: 2, clock, limit))


def with_status(**more: Any) -> Jobs:
    return Jobs([make.record(spec=make.spec(), status=TrainingJobStatus(**more))])


def placed(reason: str, status: ConditionStatus = ConditionStatus.FALSE) -> Condition:
    return Condition(
        type="Placed", status=status, reason=reason, last_transition_time=make.after(100)
    )


def test_what_a_job_costs_is_told_whole_and_in_parts() -> None:
    cost = Cost(
        total="8",
        rate_per_hour="0.5",
        forecast="10",
        parts={"Useful": "6", "Rework": "2"},
        on_demand_equivalent="12",
        net_spot_savings="-4",
    )
    found = scraped(with_status(cost=cost))
    assert found["job_cost_usd", *JOB] == 8
    assert found["job_cost_usd_per_hour", *JOB] == 0.5
    assert found["job_forecast_usd", *JOB] == 10
    assert found["job_part_usd", *JOB, "Useful"] == 6
    assert found["job_part_usd", *JOB, "Rework"] == 2
    assert found["job_on_demand_usd", *JOB] == 12
    assert found["job_net_spot_savings_usd", *JOB] == -4
    assert found["job_goodput_ratio", *JOB] == 0.75


def test_how_a_job_runs_is_told() -> None:
    found = scraped(
        with_status(
            state=State.RUNNING,
            placement=PlacementStatus(accelerator=make.T4, capacity_type="Spot", pool="aws"),
            progress=Progress(percentage=45),
            goodput=Goodput(restarts=2, interruptions=1),
            profile=PROFILE,
        )
    )
    assert found["job_info", *JOB, "default", "Running", make.T4, "Spot", "aws", "Compute"] == 1
    assert found["job_progress_ratio", *JOB] == 0.45
    assert found["job_worker_restarts", *JOB] == 2
    assert found["job_interruptions", *JOB] == 1
    assert found["job_step_seconds", *JOB] == 0.04
    assert found["job_step_fraction", *JOB, "compute"] == 0.65
    assert found["job_step_fraction", *JOB, "communication"] == 0.25
    assert found["job_step_fraction", *JOB, "data_wait"] == 0.1
    assert found["job_gpu_busy_ratio", *JOB] == 0.03


def test_a_job_that_nobody_disturbed_has_no_series_of_it() -> None:
    found = scraped(with_status(goodput=Goodput()))
    assert not [key for key in found if key[0] in {"job_worker_restarts", "job_interruptions"}]


def test_what_is_unknown_has_no_sample_rather_than_a_zero() -> None:
    found = scraped(with_status(cost=Cost(unpriced_seconds=60)))
    assert found["job_unpriced_seconds", *JOB] == 60
    money = ("job_cost", "job_progress", "job_part", "job_goodput", "job_forecast", "job_on_demand")
    assert not [key for key in found if key[0].startswith(money)]


def test_a_job_that_takes_no_steps_of_its_own_has_no_step() -> None:
    over = with_status(profile=PROFILE, completion_time=make.T0)
    waits = with_status(profile=PROFILE.model_copy(update={"from_job": "other"}))
    for source in (over, waits):
        found = scraped(source)
        assert not [key for key in found if key[0].startswith(("job_step", "job_gpu_busy"))]


def test_a_job_that_is_over_costs_what_it_did_and_is_nowhere() -> None:
    found = scraped(with_status(cost=Cost(total="8"), completion_time=make.T0))
    assert found["job_cost_usd", *JOB] == 8
    assert not [key for key in found if key[0] in {"job_info", "job_workers", "job_gpus"}]


def test_a_job_that_is_gone_leaves_no_series() -> None:
    source = with_status(cost=Cost(total="8"))
    assert ("job_cost_usd", *JOB) in scraped(source)
    source.records.clear()
    assert not [key for key in scraped(source) if key[1:3] == JOB]


def worker(index: int, **more: Any) -> Worker:
    gpus = Fraction(more.pop("gpus", 4))
    return make.worker(index, held=Held(gpus=gpus), **more)


def test_workers_and_gpus_are_those_that_it_has_now() -> None:
    source = with_status()
    there = {"node": "a", "bound": make.T0}
    gone = worker(0, life=0, phase=Phase.FAILED, ended=make.T0, **there)
    source.pods += [gone, worker(0, life=1, phase=Phase.RUNNING, **there), worker(1, node="b")]
    found = scraped(source)
    assert found["job_workers", *JOB, "wanted"] == 2
    assert found["job_workers", *JOB, "bound"] == 1
    assert found["job_workers", *JOB, "running"] == 1
    assert found["job_gpus", *JOB] == 8


def test_a_worker_that_is_through_leaves_no_gang_that_is_bound_in_part() -> None:
    source = with_status()
    there = {"node": "a", "bound": make.T0}
    source.pods += [
        worker(0, phase=Phase.SUCCEEDED, **there),
        worker(1, phase=Phase.RUNNING, **there),
    ]
    found = scraped(source)
    assert found["job_workers", *JOB, "bound"] == 2
    assert found["job_gpus", *JOB] == 4


def test_gpus_of_which_nobody_noted_how_many_are_unknown() -> None:
    source = with_status()
    source.pods.append(make.worker(0, node="a", bound=make.T0))
    assert ("job_gpus", *JOB) not in scraped(source)


@pytest.mark.parametrize("reason", [*Refusal, "Undecided", "Preempted", "LimitReached"])
def test_a_job_without_a_place_waits_for_a_reason(reason: str) -> None:
    found = scraped(with_status(conditions=[placed(reason)]))
    assert found["job_waiting_seconds", *JOB, reason] == 500
    assert found["waiting_jobs", "default", reason] == 1


def test_a_reason_that_nobody_knows_is_another_one() -> None:
    assert scraped(with_status(conditions=[placed("Mine42")]))["waiting_jobs", "default", "Other"]


@pytest.mark.parametrize(
    "status",
    [
        {"conditions": [placed("GangPlaced", ConditionStatus.TRUE)]},
        {"conditions": [placed("Suspended")]},
        {"conditions": [placed("Finished")], "completion_time": make.T0},
        {"conditions": []},
    ],
)
def test_who_has_a_place_or_wants_none_does_not_wait(status: dict[str, Any]) -> None:
    found = scraped(with_status(**status))
    assert not [key for key in found if key[0] in {"job_waiting_seconds", "waiting_jobs"}]


def costing(name: str, total: str | None, **more: Any) -> JobRecord:
    cost = Cost(total=total, accrued=more.pop("accrued", "0/1"))
    status = TrainingJobStatus(cost=cost, conditions=[placed("NoCapacity")], **more)
    return make.record(name, spec=make.spec(), status=status)


def test_beyond_the_limit_the_costliest_of_those_that_go_on_keep_their_series() -> None:
    source = Jobs(
        [
            costing("cheap", "1"),
            costing("over", "9", completion_time=make.T0),
            costing("dear", "5"),
            costing("unpriced", None, accrued="3/1"),
        ]
    )
    found = scraped(source, limit=2)
    assert {key[2] for key in found if key[0].startswith("job_")} == {"dear", "unpriced"}
    assert found["jobs_without_series",] == 2
    assert found["jobs", "Pending"] == 4
    assert found["waiting_jobs", "default", "NoCapacity"] == 3
    assert scraped(source)["jobs_without_series",] == 0


def test_a_job_that_cannot_be_read_wants_nobody_knows_how_many_workers() -> None:
    source = with_status()
    source.records = [replace(source.records[0], spec=None)]
    found = scraped(source)
    assert ("job_workers", *JOB, "wanted") not in found
    assert found["job_workers", *JOB, "bound"] == 0
