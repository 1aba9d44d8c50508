"""The life of a job: applied twice, suspended, deleted in every phase, edited, timed out."""

import json
import time

import pytest

from tests.support.stage import KIND, Stage, napping, shell_job

pytestmark = pytest.mark.e2e


def test_a_job_runs_to_its_end_and_costs_what_its_pods_cost(stage: Stage) -> None:
    stage.apply(shell_job("plain", napping("3")))
    status = stage.wait_for("plain", "Complete", 60)
    assert status["workers"] == "2/2"
    assert status["cost"]["total"] is not None
    stage.agrees_with_witness("plain")
    done = stage.kubectl.run(
        "-n", stage.namespace, "wait", KIND, "plain", "--for=condition=Complete", "--timeout=5s"
    )
    assert done.returncode == 0, done.stderr


def test_applying_the_same_file_twice_changes_nothing(stage: Stage) -> None:
    stage.apply(shell_job("twice", napping("5")))
    stage.wait_for("twice", "Running", 60)
    before = {pod["metadata"]["uid"] for pod in stage.pods("twice")}
    stage.apply(shell_job("twice", napping("5")))
    stage.wait_for("twice", "Complete", 60)
    assert {pod["metadata"]["uid"] for pod in stage.pods("twice")} == before


def test_what_identifies_a_job_cannot_be_edited(stage: Stage) -> None:
    stage.apply(shell_job("fixed", napping("2")))
    refused = stage.patch("fixed", {"trainer": {"workers": 3}})
    assert refused.returncode != 0
    assert "spec.trainer cannot be changed" in refused.stderr


def test_a_suspended_job_frees_its_nodes_and_goes_on_when_resumed(stage: Stage) -> None:
    stage.apply(shell_job("paused", napping("6")))
    stage.wait_for("paused", "Running", 60)
    assert stage.patch("paused", {"suspend": True}).returncode == 0
    stage.wait_for("paused", "Suspended", 60)
    end = time.monotonic() + 60
    while any(pod["status"].get("phase") == "Running" for pod in stage.pods("paused")):
        assert time.monotonic() < end, "pods of a suspended job still run"
        time.sleep(0.5)
    assert stage.patch("paused", {"suspend": False}).returncode == 0
    status = stage.wait_for("paused", "Complete", 120)
    assert status["goodput"]["restarts"] == 0, "a suspension is no failure"
    stage.agrees_with_witness("paused")


@pytest.mark.parametrize("phase", ["Pending", "Starting", "Running"])
def test_a_job_deleted_in_any_phase_leaves_nothing_but_its_volume(stage: Stage, phase: str) -> None:
    name = f"gone-{phase.lower()}"
    document = shell_job(name, napping("60"))
    if phase == "Pending":
        document["spec"]["trainer"]["resourcesPerWorker"]["gpus"] = 8
    stage.apply(document)
    if phase == "Pending":
        stage.wait_for(name, "Waiting", 60)
    elif phase == "Running":
        stage.wait_for(name, "Running", 60)
    stage.kubectl.out("-n", stage.namespace, "delete", KIND, name, "--timeout=50s")
    end = time.monotonic() + 60
    while True:
        left = stage.kubectl.out("-n", stage.namespace, "get", "pods,jobs,services", "-o", "name")
        if not left.strip():
            break
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.5)
    claims = stage.kubectl.out("-n", stage.namespace, "get", "pvc", "-o", "name")
    assert f"{name}-artifacts" in claims


def test_a_namespace_goes_though_a_worker_has_failed_and_was_not_replaced_yet(stage: Stage) -> None:
    name = f"{stage.namespace}-goes"
    stage.kubectl.out("create", "namespace", name)
    own = Stage(stage.kubectl, name, stage.witness)
    own.apply(shell_job("job", napping("300"), workers=1))
    own.wait_for("job", "Running", 60)
    (pod,) = json.loads(stage.kubectl.out("-n", name, "get", "pods", "-o", "json"))["items"]
    pod_name = pod["metadata"]["name"]
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod_name}}
    path = f"/api/v1/namespaces/{name}/pods/{pod_name}/eviction"
    stage.kubectl.out("create", "--raw", path, "-f", "-", stdin=json.dumps(body))
    phase = ("-n", name, "get", "pod", pod_name, "-o", "jsonpath={.status.phase}")
    end = time.monotonic() + 20
    while stage.kubectl.out(*phase) != "Failed":
        assert time.monotonic() < end, "the evicted pod does not end"
        time.sleep(0.1)
    stage.kubectl.out("delete", "namespace", name, "--timeout=60s")


def test_a_finished_job_is_deleted_after_its_time_to_live(stage: Stage) -> None:
    document = shell_job("mayfly", "true")
    document["spec"]["ttlSecondsAfterFinished"] = 5
    stage.apply(document)
    stage.wait_for("mayfly", "Complete", 60)
    end = time.monotonic() + 40
    while stage.job("mayfly"):
        assert time.monotonic() < end, "still there"
        time.sleep(0.5)


def test_a_taken_name_is_explained_and_left_alone(stage: Stage) -> None:
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "taken"},
        "spec": {"ports": [{"port": 80}], "selector": {"app": "mine"}},
    }
    stage.apply(service)
    stage.apply(shell_job("taken", "true"))
    status = stage.wait_for("taken", "Stalled", 30)
    told = {c["type"]: c for c in status["conditions"]}["Stalled"]
    assert told["reason"] == "NameConflict"
    kept = json.loads(
        stage.kubectl.out("-n", stage.namespace, "get", "service", "taken", "-o", "json")
    )
    assert kept["spec"]["selector"] == {"app": "mine"}


def test_gangs_wait_whole_and_start_when_there_is_room(stage: Stage) -> None:
    first = shell_job("first", napping("12"), resourcesPerWorker={"gpus": 1, "memory": "32Mi"})
    second = shell_job("second", napping("2"), resourcesPerWorker={"gpus": 1, "memory": "32Mi"})
    for document in (first, second):
        document["spec"]["trainer"]["resourcesPerWorker"]["cpu"] = "10m"
    stage.apply(first)
    stage.wait_for("first", "Running", 60)
    stage.apply(second)
    status = stage.wait_for("second", "Waiting", 30)
    told = {c["type"]: c for c in status["conditions"]}["Placed"]
    assert told["reason"] == "NoCapacity"
    assert "starts when 2 more fit" in told["message"]
    assert all(pod["spec"].get("schedulingGates") for pod in stage.pods("second"))
    stage.wait_for("second", "Complete", 90)
    stage.agrees_with_witness("second")
