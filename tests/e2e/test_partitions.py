"""Whole GPUs, MIG devices, slots and CPUs: each job on nodes of its kind, on the real API server.

The nodes are kwok's: they have no GPUs, and nothing runs on them. What is tested is what the
operator decides from the labels and amounts that device plugins would show it, that kube-scheduler
agrees with it, and what it costs.
"""

import json
from collections.abc import Iterator

import pytest

from devcluster.hardware import FAKE_TAINT, FAKE_TYPE
from tests.support.fake_nodes import fake_nodes
from tests.support.stage import Json, Stage, shell_job

pytestmark = pytest.mark.e2e

POOL = "a-parts"
"""Before all others: a node belongs to the first pool by name that holds it."""
A100, T4, L4 = "NVIDIA-A100-SXM4-80GB", "Tesla-T4", "NVIDIA-L4"
PRICE = "quartermaster.dev/usd-per-hour"
MIG, SLOT = "nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared"


def pool() -> Json:
    """Prices that divide well; nobody's."""
    usd = {A100: "7", T4: "4", L4: "2"}
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "nodeSelector": {"type": FAKE_TYPE},
            "tolerations": [{"key": FAKE_TAINT["key"]}],
            "prices": [{"accelerator": gpu, "usdPerGpuHour": price} for gpu, price in usd.items()],
        },
    }


def node(name: str, labels: Json, amounts: Json) -> Json:
    has = {"cpu": "32", "memory": "128Gi", "pods": "110", **amounts}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"type": FAKE_TYPE, "kubernetes.io/hostname": name, **labels},
        },
        "spec": {"taints": [FAKE_TAINT]},
        "status": {"capacity": has, "allocatable": has},
    }


def nodes() -> list[Json]:
    """One of each kind: MIG devices, slots by both names, and no GPUs at all."""
    mig = {"nvidia.com/gpu.product": A100, "nvidia.com/gpu.count": "1"}
    slots = {"nvidia.com/gpu.product": T4, "nvidia.com/gpu.replicas": "4"}
    as_gpus = {
        "nvidia.com/gpu.product": f"{L4}-SHARED",
        "nvidia.com/gpu.replicas": "4",
        "nvidia.com/gpu.sharing-strategy": "time-slicing",
    }
    return [
        node("parts-mig", mig, {MIG: "7"}),
        node("parts-slots", slots, {SLOT: "4"}),
        node("parts-slots-as-gpus", as_gpus, {"nvidia.com/gpu": "4"}),
        node("parts-none", {}, {}),
    ]


@pytest.fixture
def parts(stage: Stage) -> Iterator[Stage]:
    """The nodes, beside one of eight whole H100s, and what they cost."""
    with fake_nodes(stage, 1, pool()):
        text = "\n---\n".join(json.dumps(document) for document in nodes())
        stage.kubectl.out("create", "-f", "-", stdin=text)
        ready = ("wait", "node", "-l", f"type={FAKE_TYPE}", "--for=condition=Ready")
        stage.kubectl.out(*ready, "--timeout=50s")
        yield stage


def job(name: str, workers: int = 2, **per_worker: object) -> Json:
    document = shell_job(
        name,
        "sleep 600",
        workers=workers,
        resourcesPerWorker={"cpu": "1", "memory": "1Gi", **per_worker},
    )
    document["spec"]["placement"] = {"pools": [POOL]}
    return document


def found(stage: Stage, name: str) -> tuple[set[str], set[str], set[str]]:
    """Nodes, device resources and prices of a job's pods."""
    pods = stage.pods(name)
    requests = [pod["spec"]["containers"][0]["resources"]["requests"] for pod in pods]
    return (
        {pod["spec"]["nodeName"] for pod in pods},
        {key for request in requests for key in request if key.startswith("nvidia.com/")},
        {pod["metadata"]["annotations"][PRICE] for pod in pods},
    )


def test_each_kind_of_job_lands_on_its_kind_of_node(parts: Stage) -> None:
    expected = {
        "mig": ({"gpuPartition": "1g.10gb"}, "parts-mig", {MIG}, {"1"}),
        "slots": ({"gpuPartition": "shared"}, "parts-slots", {SLOT}, {"1"}),
        "slots-as-gpus": (
            {"gpuPartition": "shared-gpu"},
            "parts-slots-as-gpus",
            {"nvidia.com/gpu"},
            {"1/2"},
        ),
        # An eighth of a p5.48xlarge, 55.04 USD/h by the shipped list.
        "whole": ({"gpus": 1}, "kwok-0000", {"nvidia.com/gpu"}, {"172/25"}),
        "no-gpus": ({"gpus": 0}, "parts-none", set(), {"unknown"}),
    }
    parts.apply(*(job(name, **asked) for name, (asked, *_) in expected.items()))
    for name, (_, where, resources, prices) in expected.items():
        parts.wait_for(name, "Running", 60)
        assert found(parts, name) == ({where}, resources, prices), name


def test_more_slots_than_there_are_wait_and_are_told_why(parts: Stage) -> None:
    parts.apply(job("first", 4, gpuPartition="shared"))
    parts.wait_for("first", "Running", 60)
    parts.apply(job("second", 2, gpuPartition="shared"))
    told = parts.wait(
        "second", lambda s: "fit now" in json.dumps(s.get("conditions") or []), 30, "told why"
    )
    message = json.dumps(told["conditions"])
    assert "slot of a GPU" in message
    assert "without GPUs in such parts" in message
    assert "offer slots of GPUs by the other name" in message


def test_work_without_gpus_leaves_free_gpus_what_they_need(parts: Stage) -> None:
    """Where it does not fit beside no GPUs, it gets what eight free H100s do not need."""
    parts.apply(job("fills", 2, gpus=0, cpu="16"))
    parts.wait_for("fills", "Running", 60)
    assert found(parts, "fills")[0] == {"parts-none"}
    parts.apply(job("beside", 2, gpus=0, cpu="2"), job("too-large", 1, gpus=0, cpu="185"))
    parts.wait_for("beside", "Running", 60)
    assert "parts-none" not in found(parts, "beside")[0]
    told = parts.wait(
        "too-large", lambda s: "free GPUs need" in json.dumps(s.get("conditions")), 30, "told why"
    )
    assert told["state"] != "Running"
