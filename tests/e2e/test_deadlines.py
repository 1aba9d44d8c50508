"""A job with a deadline on the two real nodes: spot while there is time, on demand in time."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from tests.e2e.test_queues import condition
from tests.e2e.test_spot import NOTICE, SPOT, reclaim, runs_on
from tests.support.stage import Json, Stage, digits_job

pytestmark = pytest.mark.e2e

MOVE_S = 90.0
"""Save, stop, start again, on two shared processors [s]."""


@pytest.fixture
def spot(stage: Stage) -> Iterator[Stage]:
    yield stage
    stage.kubectl.run("taint", "node", SPOT, f"{NOTICE}:NoSchedule-")


def within(seconds: float) -> str:
    return datetime.fromtimestamp(time.time() + seconds, UTC).isoformat()


def job(name: str, within_s: float) -> Json:
    found = digits_job(name, epochs=80)
    found["spec"]["trainer"]["workers"] = 1
    found["spec"]["checkpoint"] = {"periodSeconds": 5}
    found["spec"]["placement"] = {"deadlineTime": within(within_s)}
    return found


def stands(status: Json, reason: str) -> bool:
    found = [c for c in status.get("conditions", ()) if c["type"] == "OnTime"]
    return bool(found) and found[0]["reason"] == reason


def test_it_waits_for_spot_while_there_is_time_and_is_on_demand_when_there_is_none(
    spot: Stage,
) -> None:
    spot.apply(job("patient", 6 * 3600))
    spot.wait("patient", lambda s: stands(s, "InTime"), 120, "known to be in time")
    assert runs_on(spot.status("patient"), SPOT)
    reclaim(spot)
    spot.wait("patient", lambda s: s.get("state") == "Waiting", MOVE_S, "waiting")
    told = condition(spot.status("patient"), "Placed")
    assert told["reason"] == "DeadlineAllowsWaiting"
    assert told["message"].startswith("waits: no spot for ")
    step = spot.status("patient")["checkpoint"]["step"]
    assert step > 0
    spot.patch("patient", {"placement": {"deadlineTime": within(60)}})
    spot.wait("patient", lambda s: runs_on(s, "qm-ondemand"), MOVE_S, "on demand")
    status = spot.wait_for("patient", "Complete", 240)
    assert status["goodput"]["restarts"] == 0
    assert stands(status, "DeadlineMet") or stands(status, "DeadlineMissed")
    spot.agrees_with_witness("patient")


def test_a_job_on_spot_that_has_no_more_slack_is_moved_and_says_why(spot: Stage) -> None:
    spot.apply(job("hurried", 6 * 3600))
    spot.wait("hurried", lambda s: stands(s, "InTime"), 120, "known to be in time")
    assert runs_on(spot.status("hurried"), SPOT)
    status = spot.status("hurried")
    enough = status["deadline"]["workSeconds"] + 35
    spot.patch("hurried", {"placement": {"deadlineTime": within(enough)}})
    spot.wait("hurried", lambda s: runs_on(s, "qm-ondemand"), MOVE_S, "moved to on-demand")
    told = condition(spot.status("hurried"), "Resizing")
    assert told["message"].startswith("moves to on-demand: ")
    spot.wait_for("hurried", "Complete", 240)


def test_only_the_deadline_of_a_placement_may_be_changed(stage: Stage) -> None:
    stage.apply(job("fixed", 6 * 3600))
    done = stage.patch("fixed", {"placement": {"capacityType": "Spot"}})
    assert done.returncode != 0
    assert "spec.placement.capacityType cannot be changed after creation" in done.stderr
    assert stage.patch("fixed", {"placement": {"deadlineTime": within(60)}}).returncode == 0
    done = stage.patch("fixed", {"placement": {"deadlineTime": "tomorrow"}})
    assert done.returncode != 0
    assert "deadlineTime" in done.stderr
