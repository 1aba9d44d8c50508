"""What breaks while jobs run: workers, a kubelet, the operator, the API server."""

import re
import time
from collections.abc import Callable

import pytest

from tests.support.stage import (
    SYSTEM,
    Json,
    Stage,
    component,
    digits_job,
    napping,
    shell_job,
)

pytestmark = pytest.mark.e2e

RUN_S = 240.0
"""A run of the digits on two shared processors, start included [s]."""


def finished_well(status: Json) -> None:
    assert status["progress"]["percentage"] == 100
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.95
    assert status["result"]["modelUri"].endswith("/model/model.safetensors")


def first_steps(stage: Stage, name: str) -> set[int]:
    """The steps at which the lives of rank 0 that are still readable took up the run."""
    found: set[int] = set()
    for pod in stage.pods(name):
        log = stage.kubectl.run("-n", stage.namespace, "logs", pod["metadata"]["name"]).stdout
        found |= {int(step) for step in re.findall(r"resum\w+ (?:from|at|after) step (\d+)", log)}
    return found


def test_a_run_survives_the_loss_of_a_worker_and_of_the_operator(stage: Stage) -> None:
    """One worker deleted, one killed outright, the operator killed: from the last checkpoint."""
    # Long enough to be still at it when a new operator has waited for the lease of the killed one.
    stage.apply(digits_job("tough", epochs=60))
    stage.wait("tough", lambda s: bool(s.get("checkpoint")), RUN_S, "saved a checkpoint")
    stage.delete_pod("tough", 1)
    stage.wait("tough", lambda s: s["goodput"]["restarts"] > 0, 60, "restarted")
    stage.wait_for("tough", "Running", RUN_S)
    stage.kill_operator()
    saved = stage.status("tough")["checkpoint"]["step"]
    stage.wait(
        "tough", lambda s: s["checkpoint"]["step"] > saved, RUN_S, "saved another checkpoint"
    )
    assert stage.kill_in_pod(stage.living("tough", 0)["metadata"]["uid"]) > 0
    status = stage.wait_for("tough", "Complete", 2 * RUN_S)
    finished_well(status)
    assert any(step > 0 for step in first_steps(stage, "tough")), "every life began at step 0"
    stage.agrees_with_witness("tough")


def test_a_run_survives_a_dead_node(stage: Stage) -> None:
    """Kubelet and worker are gone; the worker is given up and placed anew when the node is back."""
    stage.apply(digits_job("cut-off", epochs=24))
    stage.wait("cut-off", lambda s: bool(s.get("checkpoint")), RUN_S, "saved a checkpoint")
    component("stop", "kubelet@qm-spot")
    try:
        lost = next(p for p in stage.pods("cut-off") if p["spec"]["nodeName"] == "qm-spot")
        assert stage.kill_in_pod(lost["metadata"]["uid"]) > 0
        stage.wait(
            "cut-off",
            lambda s: s["goodput"]["interruptions"] > 0,
            240,
            "noticed the lost node",
        )
    finally:
        component("start", "kubelet@qm-spot")
    status = stage.wait_for("cut-off", "Complete", RUN_S)
    finished_well(status)
    assert any(step > 0 for step in first_steps(stage, "cut-off")), "every life began at step 0"
    stage.agrees_with_witness("cut-off")


PHASES: dict[str, Callable[[Json], bool]] = {
    "as soon as it is applied": lambda status: True,
    "once it is placed": lambda status: bool(status.get("placement")),
    "while it runs": lambda status: status.get("state") == "Running",
    "while it ends": lambda status: status.get("workers") == "1/2",
}


@pytest.mark.parametrize("phase", PHASES)
def test_an_operator_killed_in_any_phase_loses_nothing(stage: Stage, phase: str) -> None:
    # Worker 1 ends before worker 0, so that there is a time in which the job ends.
    stage.apply(shell_job("unaware", napping("$((10 - 4 * PET_NODE_RANK))")))
    if phase != "as soon as it is applied":
        stage.wait("unaware", PHASES[phase], 60, phase)
    stage.kill_operator()
    status = stage.wait_for("unaware", "Complete", 120)
    assert status["goodput"]["restarts"] == 0
    stage.agrees_with_witness("unaware")


def test_an_api_server_that_restarts_is_only_a_pause(stage: Stage) -> None:
    stage.apply(shell_job("patient", napping("15")))
    stage.wait_for("patient", "Running", 60)
    component("stop", "apiserver")
    time.sleep(5)
    component("start", "apiserver")
    status = stage.wait_for("patient", "Complete", 120)
    assert status["goodput"]["restarts"] == 0
    stage.agrees_with_witness("patient")


def test_a_worker_that_always_fails_is_not_restarted_for_ever(stage: Stage) -> None:
    document = shell_job("hopeless", "sleep 2; echo the disk said no; exit 3")
    document["spec"]["failurePolicy"] = {"maxRestarts": 1}
    stage.apply(document)
    status = stage.wait_for("hopeless", "Failed", 90)
    told = {c["type"]: c for c in status["conditions"]}["Failed"]
    assert told["reason"] == "RestartsExhausted"
    assert "the disk said no" in told["message"]
    stage.agrees_with_witness("hopeless")


def test_a_standby_takes_over_when_the_leader_is_lost(stage: Stage) -> None:
    """Two operators, one lease; the leader's pod is killed and the other finishes the job."""
    scale(stage, 2)
    try:
        leader = holder(stage)
        stage.apply(shell_job("handed-over", napping("20")))
        stage.wait_for("handed-over", "Running", 60)
        stage.kubectl.out("-n", SYSTEM, "delete", "pod", leader, "--force", "--grace-period=0")
        status = stage.wait_for("handed-over", "Complete", 120)
        assert holder(stage) != leader
        assert status["goodput"]["restarts"] == 0
        stage.agrees_with_witness("handed-over")
    finally:
        scale(stage, 1)


def scale(stage: Stage, replicas: int) -> None:
    stage.kubectl.out("-n", SYSTEM, "scale", "deployment", "--all", f"--replicas={replicas}")
    stage.kubectl.out("-n", SYSTEM, "rollout", "status", "deployment", "--timeout=50s")


def holder(stage: Stage) -> str:
    """The pod that holds the lease, once it is one that lives."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        path = "jsonpath={.items[*].spec.holderIdentity}"
        name = stage.kubectl.out("-n", SYSTEM, "get", "lease", "-o", path).strip()
        if name and stage.kubectl.run("-n", SYSTEM, "get", "pod", name).returncode == 0:
            return name
        time.sleep(1)
    raise AssertionError("nobody holds the lease")
