"""A spot node is reclaimed in the middle of a training: it saves, moves, and ends right."""

from collections.abc import Iterator

import pytest

from tests.e2e.test_queues import condition, gpu_job
from tests.support.stage import Json, Stage, digits_job

pytestmark = pytest.mark.e2e

NOTICE = "aws-node-termination-handler/spot-itn"
"""What AWS's node termination handler sets two minutes before the node is gone."""
SPOT = "qm-spot"
MOVE_S = 90.0
"""Save, stop, start again, on two shared processors [s]."""


@pytest.fixture
def spot(stage: Stage) -> Iterator[Stage]:
    yield stage
    stage.kubectl.run("taint", "node", SPOT, f"{NOTICE}:NoSchedule-")


def runs_on(status: Json, *nodes: str) -> bool:
    return status.get("state") == "Running" and status["placement"]["nodes"] == list(nodes)


def reclaim(stage: Stage) -> None:
    stage.kubectl.out("taint", "node", SPOT, f"{NOTICE}=1764000000:NoSchedule", "--overwrite")


def test_a_training_leaves_a_reclaimed_node_and_learns_on_from_its_checkpoint(
    spot: Stage,
) -> None:
    job = digits_job("moved", epochs=60)
    job["spec"]["trainer"]["workers"] = 1
    job["spec"]["placement"] = {"objective": "Cost"}
    spot.apply(job)
    status = spot.wait(
        "moved", lambda s: (s.get("progress") or {}).get("step", 0) > 20, 120, "at step 20"
    )
    assert status["placement"]["nodes"] == [SPOT]
    reclaim(spot)
    status = spot.wait("moved", lambda s: runs_on(s, "qm-ondemand"), MOVE_S, "moved")
    told = condition(spot.status("moved"), "Resizing")
    assert told["message"] == (f"moves off {SPOT}: AWS spot interruption, 120 s from the notice")
    status = spot.wait("moved", lambda s: bool(s.get("checkpoint")), 60, "telling its checkpoint")
    assert status["checkpoint"]["step"] >= 20, "nothing was saved when it was told to go"
    status = spot.wait_for("moved", "Complete", 240)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.9
    assert status["goodput"]["restarts"] == 0
    assert status["goodput"]["interruptions"] == 1
    parts = {name: float(text) for name, text in status["cost"]["parts"].items()}
    assert abs(sum(parts.values()) - float(status["cost"]["total"])) < 0.001
    assert parts["Useful"] > 0
    assert parts["Recovery"] > 0
    spot.agrees_with_witness("moved")


def test_an_elastic_gang_shrinks_off_a_reclaimed_node_and_grows_again(spot: Stage) -> None:
    job = gpu_job("elastic-spot", 300, workers=2)
    job["spec"]["trainer"]["minWorkers"] = 1
    spot.apply(job)
    spot.wait("elastic-spot", lambda s: s.get("workers") == "2/2", 120, "at 2 workers")
    reclaim(spot)
    status = spot.wait("elastic-spot", lambda s: runs_on(s, "qm-ondemand"), MOVE_S, "moved")
    assert status["workers"] == "1/1"
    spot.kubectl.out("taint", "node", SPOT, f"{NOTICE}:NoSchedule-")
    spot.wait("elastic-spot", lambda s: s.get("workers") == "2/2", 180, "at 2 workers again")
