"""What a job was predicted to take, and what came of it, pass by pass."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from quartermaster.api.status.outcome import OutcomeStatus, PredictionStatus
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import Profile, Progress, TrainingJobStatus
from quartermaster.domain.measurement import Measurement
from quartermaster.domain.money.outcome import Basis, Cause
from quartermaster.domain.progress import Report
from quartermaster.reconcile.profile import measured
from tests.support import make
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_life import operation

COSTS = {"flopsPerSample": 12 * 10**9, "parameters": 25_600_000}
STEP = Measurement(step_seconds=0.5, flops=4e11, parameters=25_600_000, processes=2)
FINISHED = "uid-earlier"


def spec(**more: Any) -> TrainingJobSpec:
    return make.spec(**({"trainer": {"workers": 2, "resourcesPerWorker": {"gpus": 1}}} | more))


def prediction(it: Operation) -> PredictionStatus:
    found = it.status().prediction
    assert found is not None
    return found


def outcome(it: Operation) -> OutcomeStatus:
    found = it.status().outcome
    assert found is not None
    return found


def earlier(it: Operation, steps: int = 2000) -> None:
    """A job of equal steps that has ended."""
    known = measured.profile(
        STEP,
        spec(),
        measured.mark(spec(), it.settings.trainer_image),
        accelerator=make.T4,
        nodes=1,
    )
    status = TrainingJobStatus(
        profile=known, completion_time=make.T0, progress=Progress(total_steps=steps)
    )
    it.cluster.submit(make.record("earlier", spec=spec(), status=status))


async def start(it: Operation) -> None:
    await it.drive()
    it.cluster.run_pods()
    await it.drive()


async def after(it: Operation, seconds: float, step: int, left: float, total: int = 2000) -> None:
    it.cluster.clock.advance(seconds)
    it.reports.reports["uid-job"] = Report(
        it.cluster.clock.now(),
        "Training",
        step=step,
        total_steps=total,
        seconds_remaining=left,
        measured=STEP,
    )
    await it.drive()


async def finish(it: Operation) -> None:
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()


async def test_nothing_is_predicted_while_it_waits() -> None:
    it = operation(spec(trainer={"workers": 9}, stepCosts=COSTS))
    await it.drive()
    assert it.status().prediction is None


async def test_at_the_first_placement_by_a_job_of_equal_steps() -> None:
    it = operation(spec())
    earlier(it)
    await it.drive()
    found = prediction(it)
    assert (found.basis, found.from_job, found.steps) == (Basis.PROFILE, "earlier", 2000)
    placement = it.status().placement
    assert placement is not None
    assert found.step_seconds == placement.predicted_step_seconds
    assert found.duration_seconds == round(float(found.step_seconds) * 2000)
    assert found.usd_per_hour == "1.000000000"
    assert found.cost == f"{found.duration_seconds / 3600:.4f}"


async def test_by_step_costs_and_the_steps_that_the_run_tells() -> None:
    it = operation(spec(stepCosts=COSTS))
    await start(it)
    found = prediction(it)
    assert (found.basis, found.steps, found.duration_seconds) == (Basis.STEP_COSTS, None, None)
    await after(it, 10, step=5, left=500)
    told = prediction(it)
    assert told.steps == 2000
    assert told.duration_seconds == round(float(found.step_seconds) * 2000)
    assert (told.time, told.step_seconds) == (found.time, found.step_seconds)


async def test_the_first_prediction_stays_whatever_comes_later() -> None:
    it = operation(spec())
    earlier(it)
    await start(it)
    found = prediction(it)
    await after(it, 100, step=150, left=9000, total=4000)
    it.begin()
    await it.drive()
    assert prediction(it) == found


async def test_where_nothing_was_known_its_own_first_steps_count() -> None:
    it = operation(spec())
    await start(it)
    assert it.status().prediction is None
    await after(it, 20, step=30, left=980)
    found = prediction(it)
    assert (found.basis, found.from_job, found.steps) == (Basis.FORECAST, "", 2000)
    assert found.duration_seconds == 1000
    assert found.cost is not None
    assert it.status().cost is not None
    assert found.cost == it.status().cost.forecast  # type: ignore[union-attr]
    await after(it, 20, step=30, left=5000)
    assert prediction(it) == found


async def test_without_a_price_there_is_no_cost_and_the_rest_stands() -> None:
    it = operation(spec())
    it.cluster.all_pools = ()
    earlier(it)
    await start(it)
    found = prediction(it)
    assert (found.usd_per_hour, found.cost) == (None, None)
    assert found.duration_seconds
    it.cluster.clock.advance(1500)
    await finish(it)
    assert (outcome(it).cost, outcome(it).cost_ratio) == (None, None)
    assert outcome(it).duration_ratio


async def test_what_came_of_it_is_told_at_the_end() -> None:
    it = operation(spec())
    earlier(it)
    await start(it)
    told = prediction(it)
    assert it.status().outcome is None
    await after(it, 100, step=10, left=900)
    it.cluster.clock.advance(1000)
    await finish(it)
    found = outcome(it)
    assert found.duration_seconds == 1100
    assert told.duration_seconds is not None
    assert found.duration_ratio == f"{1100 / told.duration_seconds:.3f}"
    assert found.step_seconds == "0.5"
    cost = it.status().cost
    assert cost is not None
    assert found.cost == cost.total == f"{2 * 1100 * 0.5 / 3600:.4f}"


async def test_interruptions_are_named_where_they_explain_it() -> None:
    it = operation(spec())
    earlier(it)
    await start(it)
    told = prediction(it)
    assert told.duration_seconds is not None
    await after(it, 2, step=2, left=900)
    # Nothing is saved: all of these steps are lost with the pod.
    it.cluster.clock.advance(400)
    it.cluster.evict(it.cluster.living(0))
    it.cluster.end(it.cluster.living(1), 75)
    await it.drive()
    it.cluster.clock.advance(5)
    it.cluster.run_pods()
    await it.drive()
    await after(it, 2, step=2, left=900)
    it.cluster.clock.advance(told.duration_seconds)
    await finish(it)
    found = outcome(it)
    assert found.causes[0].cause is Cause.INTERRUPTIONS
    assert 395 <= found.causes[0].seconds <= 410


async def test_places_that_were_taken_after_a_forecast_are_waiting() -> None:
    it = operation(spec())
    await start(it)
    await after(it, 20, step=30, left=980)
    made = prediction(it)
    assert (made.basis, made.held_seconds) == (Basis.FORECAST, 2 * 20)
    it.cluster.edit("uid-job", suspend=True)
    await it.drive()
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker, 75)
    await it.drive()
    it.cluster.clock.advance(7200)
    it.cluster.edit("uid-job", suspend=False)
    await start(it)
    await after(it, 20, step=50, left=960)
    it.cluster.clock.advance(960)
    await finish(it)
    found = outcome(it)
    assert [each.cause for each in found.causes] == [Cause.WAITING]
    assert found.causes[0].seconds == 7200


async def test_what_was_charged_before_a_forecast_was_held_before_it_once() -> None:
    it = operation(spec())
    await start(it)
    it.cluster.clock.advance(300)
    it.cluster.evict(it.cluster.living(0))
    it.cluster.end(it.cluster.living(1), 75)
    await it.drive()
    it.cluster.run_pods()
    await it.drive()
    await after(it, 20, step=30, left=980)
    assert prediction(it).held_seconds == 2 * 320


async def test_pods_that_are_charged_in_the_pass_of_the_forecast_count_once() -> None:
    it = operation(spec())
    await start(it)
    it.cluster.clock.advance(300)
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index), 75)
    await after(it, 0, step=30, left=980)
    assert prediction(it).held_seconds == 2 * 300


async def test_a_first_report_before_the_first_written_status_changes_no_basis() -> None:
    """As after a time in which no status could be written."""
    it = operation(spec(stepCosts=COSTS))
    await it.drive()
    record = it.cluster.records["uid-job"]
    bare = record.status.model_copy(update={"prediction": None})
    it.cluster.records["uid-job"] = replace(record, status=bare)
    it.cluster.run_pods()
    await after(it, 20, step=30, left=980)
    assert (prediction(it).basis, prediction(it).from_job) == (Basis.STEP_COSTS, "")


async def test_where_nobody_can_tell_its_basis_any_more_the_forecast_counts() -> None:
    it = operation(spec())
    earlier(it)
    await it.drive()
    record = it.cluster.records["uid-job"]
    bare = record.status.model_copy(update={"prediction": None, "profile": None})
    it.cluster.records["uid-job"] = replace(record, status=bare)
    it.cluster.run_pods()
    await after(it, 20, step=30, left=980)
    assert (prediction(it).basis, prediction(it).from_job) == (Basis.FORECAST, "")


async def test_a_price_beyond_all_measure_is_no_price() -> None:
    it = operation(spec())
    pool = it.cluster.all_pools[0]
    row = replace(pool.prices[0], usd_per_gpu_hour=Fraction(10**15))
    it.cluster.all_pools = (replace(pool, prices=(row,)),)
    earlier(it)
    await start(it)
    found = prediction(it)
    assert (found.usd_per_hour, found.cost) == (None, None)
    assert found.duration_seconds


async def test_a_pod_that_is_heard_of_after_the_end_is_in_the_outcome_too() -> None:
    it = operation(spec())
    earlier(it)
    await start(it)
    it.cluster.clock.advance(1000)
    it.cluster.end(it.cluster.living(0))
    late = it.cluster.living(1)
    it.cluster.children["uid-job"] = make.child(
        workers=2, complete=True, ended=it.cluster.clock.now()
    )
    await it.drive()
    before = outcome(it)
    it.cluster.clock.advance(500)
    it.cluster.end(late)
    await it.drive()
    cost = it.status().cost
    assert cost is not None
    assert before.cost != outcome(it).cost == cost.total


async def test_a_job_that_fails_has_no_outcome() -> None:
    it = operation(spec())
    earlier(it)
    await start(it)
    it.cluster.end(it.cluster.living(0), 64, "wrong")
    it.cluster.end(it.cluster.living(1), 75)
    it.cluster.fail_child("uid-job")
    await it.drive()
    assert it.status().completion_time is not None
    assert it.status().prediction is not None
    assert it.status().outcome is None


async def test_a_job_placed_by_an_earlier_version_is_not_predicted_in_its_middle() -> None:
    it = operation(spec(stepCosts=COSTS))
    await start(it)
    record = it.cluster.records["uid-job"]
    bare = record.status.model_copy(update={"prediction": None})
    it.cluster.records["uid-job"] = replace(record, status=bare)
    it.begin()
    it.cluster.clock.advance(30)
    await it.drive()
    assert it.status().prediction is None
    await after(it, 30, step=60, left=940)
    assert prediction(it).basis is Basis.FORECAST


async def test_a_profile_that_nothing_can_be_predicted_from_predicts_nothing() -> None:
    it = operation(spec())
    earlier(it)
    other = it.cluster.records[FINISHED]
    assert isinstance(other.status.profile, Profile)
    dull = other.status.profile.model_copy(update={"flops_per_step": None})
    status = other.status.model_copy(update={"profile": dull})
    it.cluster.records[FINISHED] = replace(other, status=status)
    await start(it)
    assert it.status().prediction is None
