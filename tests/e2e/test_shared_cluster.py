"""A full cluster of 64 GPUs that two teams share, and a gang that wants all of it.

The eight nodes are kwok's: nothing runs on them. A pod ends when the test says so.
"""

import json
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.test_queues import KIND as QUEUES
from tests.e2e.test_queues import condition
from tests.support.fake_nodes import fake_nodes
from tests.support.kubectl import Kubectl
from tests.support.stage import KIND, Json, Stage, shell_job

pytestmark = pytest.mark.e2e

POOL = "a-shared"
"""Before all others: a node belongs to the first pool by name that holds it."""
NODES, GPUS = 8, 8
PART = 4
"""GPUs of a small job [count]: sixteen of them fill the cluster."""
SETTLE_S = 60.0
"""Until stopped jobs are gone and others have their places [s]."""


@pytest.fixture
def full(stage: Stage) -> Iterator[Stage]:
    """Eight nodes of eight GPUs."""
    pool = {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node"}],
            "prices": [{"usdPerGpuHour": "1"}],
        },
    }
    with fake_nodes(stage, NODES, pool):
        yield stage


def job(name: str, *, workers: int = 1, gpus: int = PART, queue: str = "", **spec: object) -> Json:
    needs = {"gpus": gpus, "cpu": "100m", "memory": "64Mi"}
    document = shell_job(name, "sleep 600", workers=workers, resourcesPerWorker=needs)
    document["spec"] |= {"placement": {"pools": [POOL]}, **spec}
    if queue:
        document["metadata"]["labels"] = {"quartermaster.dev/queue": queue}
    return document


def states(stage: Stage) -> dict[str, str]:
    found = json.loads(stage.kubectl.out("-n", stage.namespace, "get", KIND, "-o", "json"))
    return {
        item["metadata"]["name"]: (item.get("status") or {}).get("state", "")
        for item in found["items"]
    }


def running(stage: Stage, prefix: str) -> int:
    return sum(s == "Running" and n.startswith(prefix) for n, s in states(stage).items())


def settles(what: Callable[[], object], want: object, within_s: float = SETTLE_S) -> None:
    end = time.monotonic() + within_s
    while (seen := what()) != want:
        assert time.monotonic() < end, f"{seen}, not {want}, after {within_s:.0f} s"
        time.sleep(1)


def ends(stage: Stage, *names: str) -> None:
    """Let the pods of these jobs succeed."""
    for name in names:
        selector = f"quartermaster.dev/job-name={name}"
        note = "quartermaster.dev/kwok-run=1s"
        stage.kubectl.out("-n", stage.namespace, "annotate", "pods", "-l", selector, note)


def make_queue(kubectl: Kubectl, name: str, **spec: object) -> str:
    document = {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputeQueue",
        "metadata": {"name": name},
        "spec": spec,
    }
    kubectl.out("apply", "-f", "-", stdin=json.dumps(document))
    return name


@pytest.fixture
def teams(full: Stage) -> Iterator[tuple[str, str]]:
    """Research has three times the weight of product; neither has a quota of its own."""
    kubectl, prefix = full.kubectl, full.namespace
    models = json.loads(kubectl.out("get", "nodes", "-l", "type=kwok", "-o", "json"))["items"]
    kinds = {node["metadata"]["labels"]["nvidia.com/gpu.product"] for node in models}
    everything = [{"accelerator": kind, "gpus": NODES * GPUS} for kind in sorted(kinds)]
    lab = make_queue(kubectl, f"{prefix}-lab", nominalQuota=everything)
    reclaims = {"reclaimWithinCohort": "Any"}
    research = make_queue(
        kubectl, f"{prefix}-research", parent=lab, weight="3", preemption=reclaims
    )
    product = make_queue(kubectl, f"{prefix}-product", parent=lab, weight="1", preemption=reclaims)
    yield research, product
    for name in (research, product, lab):
        kubectl.run("delete", QUEUES, name, "--wait=false")


def test_two_teams_share_by_weight_and_who_gave_back_goes_on(
    full: Stage, teams: tuple[str, str]
) -> None:
    research, product = teams
    full.apply(*(job(f"product-{n}", queue=product) for n in range(16)))
    settles(lambda: running(full, "product"), 16)
    full.apply(*(job(f"research-{n}", queue=research) for n in range(16)))
    settles(lambda: (running(full, "research"), running(full, "product")), (12, 4), 180)
    stopped = [n for n, s in states(full).items() if n.startswith("product") and s != "Running"]
    told = condition(full.status(stopped[0]), "Preempted")["message"]
    assert f"queue {research} takes" in told
    assert f"back from queue {product}" in told
    full.kubectl.out(
        "-n", full.namespace, "delete", KIND, *(f"research-{n}" for n in range(16)), "--wait=false"
    )
    settles(lambda: running(full, "product"), 16, 120)
    for name in stopped:
        assert condition(full.status(name), "Preempted")["status"] == "False"


def test_a_gang_of_64_starts_on_time_while_others_are_let_past(full: Stage) -> None:
    """Half of the cluster is free after the first jobs' end, the rest when the others' has come."""
    full.apply(*(job(f"early-{n}", activeDeadlineSeconds=300) for n in range(8)))
    full.apply(*(job(f"late-{n}", activeDeadlineSeconds=120) for n in range(8)))
    settles(lambda: running(full, ""), 16)
    full.apply(job("gang", workers=64, gpus=1, activeDeadlineSeconds=600))
    full.wait(
        "gang",
        lambda s: "nodes are kept for it" in condition(s, "Placed").get("message", ""),
        60,
        "reserved",
    )
    ends(full, *(f"early-{n}" for n in range(8)))
    settles(lambda: running(full, "early"), 0)
    full.apply(*(job(f"unending-{n}") for n in range(2)))
    full.apply(*(job(f"short-{n}", activeDeadlineSeconds=20) for n in range(8)))
    settles(lambda: running(full, "short"), 8)
    assert running(full, "late") == 8, "the cluster is full again"
    assert running(full, "unending") == 0
    ends(full, *(f"short-{n}" for n in range(8)), *(f"late-{n}" for n in range(8)))
    full.wait("gang", lambda s: s.get("workers") == "64/64", SETTLE_S, "running with 64 workers")
    assert running(full, "unending") == 0
    ends(full, "gang")
    settles(lambda: running(full, "unending"), 2)


def test_a_job_that_asks_for_it_gets_a_whole_node_by_moving_another(full: Stage) -> None:
    full.apply(*(job(f"part-{n:02}") for n in range(16)))
    settles(lambda: running(full, ""), 16)
    rows = json.loads(full.kubectl.out("-n", full.namespace, "get", KIND, "-o", "json"))["items"]
    by_node: dict[str, list[str]] = {}
    for row in rows:
        by_node.setdefault(row["status"]["placement"]["nodes"][0], []).append(
            row["metadata"]["name"]
        )
    assert {len(names) for names in by_node.values()} == {2}
    ends(full, *(names[0] for names in by_node.values()))
    settles(lambda: running(full, "part"), 8)
    wide = job("wide", gpus=GPUS)
    full.apply(wide)
    full.wait("wide", lambda s: condition(s, "Placed").get("reason") == "NoCapacity", 30, "waiting")
    full.kubectl.out("-n", full.namespace, "delete", KIND, "wide")
    wide["spec"]["placement"]["defragment"] = True
    full.apply(wide)
    full.wait_for("wide", "Running", SETTLE_S)
    settles(lambda: running(full, "part"), 8)
    told = [c["message"] for row in states(full) if (c := condition(full.status(row), "Resizing"))]
    assert told == [f"moves to other nodes: makes room for {full.namespace}/wide"]
