"""Elastic jobs on the real cluster, over its two GPUs: fewer workers for others, and more again."""

import pytest

from tests.e2e.test_queues import condition, gpu_job
from tests.support.stage import Stage, digits_job

pytestmark = pytest.mark.e2e

RESIZE_S = 120.0
"""Save, stop, start again, on two shared processors [s]."""
GROW_S = 180.0
"""That, and the wait for a look at who might grow [s]."""


def test_a_training_job_shrinks_for_another_and_learns_on_from_its_checkpoint(
    stage: Stage,
) -> None:
    job = digits_job("elastic", epochs=90)
    job["spec"]["trainer"]["minWorkers"] = 1
    stage.apply(job)
    stage.wait("elastic", lambda s: (s.get("checkpoint") or {}).get("step", 0) > 0, 120, "saved")
    assert stage.status("elastic")["workers"] == "2/2"
    stage.apply(gpu_job("rigid", 20))
    stage.wait("rigid", lambda s: s.get("state") in ("Running", "Complete"), RESIZE_S, "Running")
    told = condition(stage.status("elastic"), "Resizing")
    makes_room = f"makes room for {stage.namespace}/rigid"
    assert told["message"] == f"shrinks from 2 to 1 workers: {makes_room}"
    status = stage.wait_for("elastic", "Complete", 300)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.9
    assert status["goodput"]["restarts"] == 0
    stage.agrees_with_witness("elastic")
    stage.agrees_with_witness("rigid")


def test_a_job_starts_small_and_grows_when_there_is_room(stage: Stage) -> None:
    """The operator is killed when it has just decided, before anything has moved."""
    stage.apply(gpu_job("rigid", 10))
    stage.wait_for("rigid", "Running", 60)
    job = gpu_job("elastic", 300, workers=2)
    job["spec"]["trainer"]["minWorkers"] = 1
    stage.apply(job)
    status = stage.wait_for("elastic", "Running", 60)
    assert status["workers"] == "1/1"
    assert "1 of up to 2 workers have room" in condition(status, "Placed")["message"]
    stage.wait("elastic", lambda s: bool(condition(s, "Resizing")), GROW_S, "growing")
    stage.kill_operator()
    status = stage.wait("elastic", lambda s: s.get("workers") == "2/2", GROW_S, "2/2")
    sizes = {
        pod["metadata"]["annotations"]["quartermaster.dev/workers"]
        for pod in stage.pods("elastic")
        if pod["status"]["phase"] == "Running"
    }
    assert sizes == {"2"}
    assert not stage.witness.doubles, stage.witness.doubles
