"""The life of a job, pass by pass, against the cluster in memory."""

import json
from typing import Any

import pytest

from quartermaster.api.record import parse
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import State
from quartermaster.reconcile.progress import read_report
from quartermaster.settings import Settings
from tests.support import make
from tests.support.operation import Operation


def operation(spec: TrainingJobSpec | None = None, **more: Any) -> Operation:
    it = Operation(**more)
    it.cluster.add_node(make.node("node-a", 2), make.node("node-b", 2))
    it.cluster.all_pools = (make.pool("pool", make.price("0.5"), price_source="list"),)
    it.cluster.submit(make.record(spec=spec or make.spec(trainer={"workers": 2})))
    return it


async def running(it: Operation) -> Operation:
    await it.drive()
    it.cluster.run_pods()
    it.cluster.clock.advance(10)
    await it.drive()
    return it


def pods(it: Operation) -> list[str]:
    return [worker.uid for worker in it.cluster.workers("uid-job")]


async def test_objects_come_in_the_order_in_which_they_are_needed() -> None:
    it = operation()
    await it.once()
    assert it.cluster.writes == [
        "add finalizer team/job",
        "create claim job-artifacts",
        "create Service job",
        "create Job job",
        "set status team/job",
    ]
    await it.once()
    assert len(it.cluster.writes) == 5
    assert it.state() is State.PENDING


async def test_a_claim_of_ones_own_is_not_made() -> None:
    it = operation(make.spec(checkpoint={"uri": "pvc://mine/runs"}))
    await it.once()
    assert "create claim job-artifacts" not in it.cluster.writes


async def test_a_gang_starts_whole_runs_and_completes() -> None:
    it = await running(operation())
    assert it.state() is State.RUNNING
    status = it.status()
    assert status.workers == "2/2"
    assert status.placement is not None
    assert status.placement.node_count == 1
    assert status.placement.pool == "pool"
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()
    status = it.status()
    assert it.state() is State.COMPLETE
    assert status.result is not None
    assert status.result.duration_seconds == 10
    assert status.cost is not None
    assert status.cost.price_source == "pool pool: list"
    assert [told.reason for told in it.recorder.told] == [
        "GangPlaced",
        "GangRunning",
        "AllWorkersSucceeded",
    ]


async def test_what_is_finished_stays_finished() -> None:
    it = await running(operation())
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()
    before = it.status()
    it.cluster.edit("uid-job", suspend=True)
    it.cluster.nodes.clear()
    it.cluster.clock.advance(9999)
    writes = len(it.cluster.writes)
    await it.drive()
    assert it.status() == before
    assert len(it.cluster.writes) == writes


async def test_a_pod_that_is_heard_of_after_the_end_is_charged_and_released() -> None:
    """The Job's end and its pods' ends come by two watches: the Job's may be the faster."""
    it = await running(operation())
    it.cluster.end(it.cluster.living(0))
    late = it.cluster.living(1)
    it.cluster.children["uid-job"] = make.child(complete=True, ended=it.cluster.clock.now())
    await it.drive()
    it.cluster.end(late)
    await it.drive()
    assert it.accrued() == it.owed()
    assert not [worker.uid for worker in it.cluster.ever() if worker.accounted]


async def test_waiting_says_why_and_starts_when_there_is_room() -> None:
    it = operation(make.spec(trainer={"workers": 5}))
    await it.drive()
    assert it.state() is State.WAITING
    placed = it.condition("Placed")
    assert placed.reason == "Unsatisfiable"
    assert "only 4 would ever fit" in placed.message
    assert (it.recorder.told[-1].warning, it.recorder.told[-1].reason) == (True, "Unsatisfiable")
    it.cluster.add_node(make.node("node-c", 2))
    await it.drive()
    assert it.condition("Placed").reason == "GangPlaced"


async def test_suspending_frees_the_nodes_and_resuming_starts_anew() -> None:
    it = await running(operation())
    it.cluster.edit("uid-job", suspend=True)
    await it.drive()
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker, 76)
    await it.drive()
    assert it.state() is State.SUSPENDED
    assert pods(it) == []
    assert it.status().goodput is not None
    assert it.status().goodput.restarts == 0  # type: ignore[union-attr]  # checked above
    it.cluster.edit("uid-job", suspend=False)
    await running(it)
    assert it.state() is State.RUNNING
    assert it.condition("Suspended").reason == "NotSuspended"


async def test_a_deleted_job_goes_after_its_pods() -> None:
    it = await running(operation())
    it.cluster.delete("uid-job")
    assert await it.once() == 2.0
    assert "uid-job" in it.cluster.records
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker, 76)
    await it.drive()
    assert "uid-job" not in it.cluster.records
    assert pods(it) == []
    assert it.reports.forgotten


@pytest.mark.parametrize("over", [False, True], ids=["running", "failed, and not replaced"])
async def test_a_job_goes_with_its_namespace(*, over: bool) -> None:
    it = await running(operation())
    for worker in it.cluster.workers("uid-job"):
        if over:
            it.cluster.end(worker, 76)
        it.cluster.delete_pod(worker.uid)
    it.cluster.ending.add("team")
    await it.once()
    assert it.cluster.records["uid-job"].deleting
    for worker in it.cluster.workers("uid-job"):
        if not worker.over:
            it.cluster.end(worker, 76)
    await it.drive()
    assert "uid-job" not in it.cluster.records
    assert pods(it) == []


async def test_a_deleted_job_waits_for_no_node_that_is_gone() -> None:
    it = await running(operation())
    it.cluster.delete("uid-job")
    it.cluster.nodes.clear()
    await it.once()
    it.cluster.clock.advance(120)
    await it.drive()
    assert "uid-job" not in it.cluster.records


async def test_a_job_that_is_deleted_before_it_began_goes_at_once() -> None:
    it = operation()
    it.cluster.delete("uid-job")
    await it.drive()
    assert it.cluster.records == {}
    assert it.cluster.writes == []


async def test_pods_of_a_job_that_is_gone_are_released() -> None:
    it = await running(operation())
    it.cluster.records.pop("uid-job")
    it.cluster.children.pop("uid-job")
    for worker in it.cluster.workers("uid-job"):
        it.cluster.end(worker)
        it.cluster.delete_pod(worker.uid)
    await it.once()
    assert pods(it) == []


async def test_time_to_live_runs_from_the_end() -> None:
    it = await running(operation(make.spec(ttlSecondsAfterFinished=100)))
    it.cluster.end(it.cluster.living(0))
    await it.drive()
    assert it.state() is State.COMPLETE
    assert await it.once() == pytest.approx(100)
    it.cluster.clock.advance(99)
    assert await it.once() == pytest.approx(1)
    it.cluster.clock.advance(1)
    await it.drive()
    assert "uid-job" not in it.cluster.records


async def test_a_taken_name_stalls_the_job_until_it_is_free() -> None:
    it = operation()
    it.cluster.objects["Job", "job"] = "somebody else"
    assert await it.once() == 3.0
    assert it.state() is State.STALLED
    assert it.condition("Stalled").reason == "NameConflict"
    del it.cluster.objects["Job", "job"]
    await running(it)
    assert it.state() is State.RUNNING
    assert it.condition("Stalled").reason == "NotStalled"


async def test_a_stored_spec_that_cannot_be_read_fails_with_its_paths() -> None:
    it = Operation()
    it.cluster.submit(
        parse(
            {
                "metadata": {
                    "name": "job",
                    "namespace": "team",
                    "uid": "uid-job",
                    "creationTimestamp": "2026-11-23T10:00:00Z",
                },
                "spec": {"trainer": {"workers": "two"}, "model": {"factory": "x"}},
            }
        )
    )
    await it.drive()
    assert it.state() is State.FAILED
    failed = it.condition("Failed")
    assert failed.reason == "InvalidSpec"
    assert "spec.trainer.workers: " in failed.message
    assert "spec.model.factory: " in failed.message
    assert [told.reason for told in it.recorder.told] == ["InvalidSpec"]
    assert it.cluster.writes == ["set status team/job"]


async def test_a_job_of_another_controller_is_left_alone() -> None:
    it = operation(make.spec(managedBy="kueue.x-k8s.io/multikueue"))
    await it.drive()
    assert it.cluster.writes == []


async def test_what_only_ticks_is_written_at_a_bounded_rate() -> None:
    it = await running(operation(settings=Settings(status_interval_seconds=2.0)))
    it.cluster.writes.clear()
    for tick in range(100):
        it.cluster.clock.advance(0.1)
        body = {"schemaVersion": 1, "state": "Training", "step": tick, "totalSteps": 100}
        report = read_report(body, it.cluster.clock.now())
        assert report is not None
        it.reports.reports["uid-job"] = report
        await it.once()
    assert 4 <= len(it.cluster.writes) <= 5
    it.cluster.writes.clear()
    it.cluster.end(it.cluster.living(0))
    await it.once()
    assert it.cluster.writes[0] == "set status team/job"


async def test_progress_reaches_the_status_and_survives_a_new_operator() -> None:
    it = await running(operation())
    body = {
        "schemaVersion": 1,
        "state": "Training",
        "step": 270,
        "totalSteps": 600,
        "secondsRemaining": 200,
        "checkpoint": {"step": 200, "time": "2026-11-23T10:00:00Z"},
    }
    it.reports.reports["uid-job"] = read_report(body, it.cluster.clock.now())  # type: ignore[assignment]  # it is one
    await it.once()
    it.cluster.clock.advance(5)
    await it.once()
    it.reports.reports.clear()
    it.begin()
    await it.once()
    status = it.status()
    assert status.progress is not None
    assert (status.progress.summary, status.progress.remaining) == ("45% 270/600", "3m20s")
    assert status.checkpoint is not None
    assert status.checkpoint.uri == "pvc://job-artifacts/job-uid-job/checkpoints/200"


async def test_last_words_are_the_result_even_if_nobody_listened() -> None:
    it = await running(operation(make.spec()))
    report = {
        "schemaVersion": 1,
        "state": "Done",
        "step": 600,
        "totalSteps": 600,
        "model": "model/model.safetensors",
    }
    it.cluster.end(it.cluster.living(0), 0, json.dumps({"class": "Done", "report": report}))
    await it.drive()
    status = it.status()
    assert status.result is not None
    assert status.result.model_uri == "pvc://job-artifacts/job-uid-job/model/model.safetensors"
    assert status.progress is not None
    assert (status.progress.percentage, status.progress.remaining) == (100, "")


async def test_a_pass_says_when_to_look_again() -> None:
    it = operation(make.spec())
    assert await it.once() == 3.0
    await running(it)
    assert await it.once() == 10.0
    it.cluster.delete_pod(it.cluster.living(0).uid)
    assert await it.once() == 5.0


async def test_a_condition_keeps_the_time_at_which_it_turned() -> None:
    it = await running(operation())
    turned = {c.type: c.last_transition_time for c in it.status().conditions}
    it.cluster.clock.advance(100)
    await it.once()
    assert {c.type: c.last_transition_time for c in it.status().conditions} == turned
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()
    later = {c.type: c.last_transition_time for c in it.status().conditions}
    assert {kind for kind in turned if later[kind] != turned[kind]} == {
        "Placed",
        "Running",
        "Complete",
    }


async def test_pods_that_never_ran_go_with_their_job() -> None:
    it = operation(make.spec(trainer={"workers": 5}))
    await it.drive()
    assert len(pods(it)) == 5
    it.cluster.delete("uid-job")
    await it.drive()
    assert it.cluster.records == {}
    assert pods(it) == []


async def test_a_lost_status_is_rebuilt_from_what_is() -> None:
    it = await running(operation())
    record = it.cluster.records["uid-job"]
    document: dict[str, Any] = {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "uid": "uid-job",
            "creationTimestamp": "2026-11-23T10:00:00Z",
            "finalizers": list(record.finalizers),
        },
        "spec": record.spec.model_dump(mode="json", by_alias=True, exclude_none=True),  # type: ignore[union-attr]  # it has one
        "status": {"state": "Dancing"},
    }
    it.cluster.submit(parse(document))
    it.begin()
    await it.drive()
    assert it.state() is State.RUNNING


async def test_two_jobs_do_not_share_a_gpu() -> None:
    it = operation(make.spec(trainer={"workers": 3}))
    it.cluster.submit(
        make.record("other", make.spec(trainer={"workers": 3}), created=make.after(1))
    )
    await it.drive("uid-job", "uid-other")
    assert it.state("uid-job") is State.STARTING
    assert it.state("uid-other") is State.WAITING
    assert it.condition("Placed", "uid-other").reason == "NoCapacity"


def reported(step: int, **profile: Any) -> Any:
    body = {"schemaVersion": 1, "state": "Training", "step": step, "totalSteps": 100}
    return read_report({**body, "profile": profile or None}, make.after(20))


async def test_a_report_with_a_profile_is_told_in_the_status_and_in_the_condition() -> None:
    it = await running(operation())
    assert it.status().profile is None
    it.reports.reports["uid-job"] = reported(30, stepSeconds=0.04, communicationSeconds=0.01)
    it.cluster.clock.advance(10)
    await it.drive()
    profile = it.status().profile
    assert profile is not None
    assert (profile.bound, profile.communication_fraction) == ("Compute", "0.250")
    assert profile.accelerator == make.T4
    sentence = "40 ms: compute 75 %, communication 25 %, data wait 0 %: compute-bound"
    assert it.condition("Running").message == f"all 2 workers run; a step takes {sentence}"
    it.reports.reports["uid-job"] = reported(40)
    it.cluster.clock.advance(10)
    await it.drive()
    assert it.status().profile == profile, "a report without one takes nothing back"


async def test_a_job_of_equal_steps_knows_them_before_its_first() -> None:
    it = await running(operation())
    it.reports.reports["uid-job"] = reported(30, stepSeconds=0.04, dataWaitSeconds=0.03)
    it.cluster.clock.advance(10)
    await it.drive()
    for index in (0, 1):
        it.cluster.end(it.cluster.living(index))
    await it.drive()
    again = make.record("again", spec=make.spec(trainer={"workers": 2, "seed": 7, "epochs": 9}))
    it.cluster.submit(again)
    await it.drive("uid-job", "uid-again")
    profile = it.status("uid-again").profile
    assert profile is not None
    assert (profile.bound, profile.source, profile.from_job) == ("Input", "Measured", "job")
    assert "a step takes" not in it.condition("Running", "uid-again").message
    it.cluster.run_pods()
    it.reports.reports["uid-again"] = reported(30, stepSeconds=0.02)
    it.cluster.clock.advance(10)
    await it.drive("uid-job", "uid-again")
    profile = it.status("uid-again").profile
    assert profile is not None
    assert (profile.step_seconds, profile.from_job) == ("0.02", "")
