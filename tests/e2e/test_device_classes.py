"""Jobs by DeviceClass on the real API server: kube-scheduler allocates what the operator counted.

The node is kwok's, and its driver is this file: it writes the ResourceSlice that a real one would.
"""

import json
from collections.abc import Iterator

import pytest

from devcluster.hardware import FAKE_TAINT, FAKE_TYPE
from tests.support.fake_nodes import fake_nodes
from tests.support.stage import KIND, Json, Stage, shell_job

pytestmark = pytest.mark.e2e

POOL = "a-devices"
"""Before all others: a node belongs to the first pool by name that holds it."""
CLASS, LATE = "gpu.e2e.quartermaster.dev", "late.e2e.quartermaster.dev"
DRIVER, NODE = "gpu.e2e.quartermaster.dev", "devices-0"
DEVICES = 4


def pool() -> Json:
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "nodeSelector": {"type": FAKE_TYPE},
            "tolerations": [{"key": FAKE_TAINT["key"]}],
            "prices": [{"accelerator": "NVIDIA-H100-80GB-HBM3", "usdPerNodeHour": "10"}],
        },
    }


def driver() -> list[Json]:
    """A node, its devices, two of which are parts of a fifth GPU, and a class of the whole ones."""
    has = {"cpu": "32", "memory": "128Gi", "pods": "110"}
    labels = {"type": FAKE_TYPE, "kubernetes.io/hostname": NODE}
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "labels": labels},
        "spec": {"taints": [FAKE_TAINT]},
        "status": {"capacity": has, "allocatable": has},
    }
    product = {"string": "NVIDIA H100 80GB HBM3"}
    devices = [
        {"name": f"gpu-{n}", "attributes": {"type": {"string": "gpu"}, "productName": product}}
        for n in range(DEVICES)
    ]
    devices += [
        {
            "name": f"mig-{n}",
            "attributes": {
                "type": {"string": "mig"},
                "productName": product,
                "parentUUID": {"string": "GPU-5"},
            },
        }
        for n in range(2)
    ]
    offered = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceSlice",
        "metadata": {"name": NODE},
        "spec": {
            "driver": DRIVER,
            "nodeName": NODE,
            "pool": {"name": NODE, "generation": 1, "resourceSliceCount": 1},
            "devices": devices,
        },
    }
    chosen = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == 'gpu'"
    device_class = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": CLASS},
        "spec": {"selectors": [{"cel": {"expression": chosen}}]},
    }
    return [node, offered, device_class]


@pytest.fixture
def devices(stage: Stage) -> Iterator[Stage]:
    with fake_nodes(stage, 1, pool()):
        text = "\n---\n".join(json.dumps(document) for document in driver())
        stage.kubectl.out("create", "-f", "-", stdin=text)
        stage.kubectl.out("wait", "node", NODE, "--for=condition=Ready", "--timeout=50s")
        yield stage
        stage.kubectl.run("-n", stage.namespace, "delete", KIND, "--all", "--timeout=50s")
        stage.kubectl.run("delete", "resourceslice", NODE)
        stage.kubectl.run("delete", "deviceclass", CLASS)


def job(name: str, workers: int, each: int) -> Json:
    needs = {"gpus": each, "deviceClass": CLASS, "cpu": "1", "memory": "1Gi"}
    document = shell_job(name, "sleep 600", workers=workers, resourcesPerWorker=needs)
    document["spec"]["placement"] = {"pools": [POOL]}
    return document


def allocated(stage: Stage) -> list[str]:
    """The devices that kube-scheduler has given to the namespace's claims."""
    found = stage.kubectl.out("-n", stage.namespace, "get", "resourceclaims", "-o", "json")
    return sorted(
        result["device"]
        for item in json.loads(found)["items"]
        for result in (item.get("status") or {})
        .get("allocation", {})
        .get("devices", {})
        .get("results", [])
    )


def test_jobs_get_devices_of_their_class_and_wait_where_too_few_are_free(devices: Stage) -> None:
    devices.apply(job("first", 2, 1))
    status = devices.wait_for("first", "Running", 60)
    assert status["placement"]["nodes"] == [NODE, NODE]
    assert status["placement"]["accelerator"] == "NVIDIA-H100-80GB-HBM3"
    assert status["cost"]["ratePerHour"] == "4.0000"  # two of a node's five GPUs at 10
    assert len(allocated(devices)) == 2

    devices.apply(job("second", 1, 3))
    told = devices.wait_for("second", "Waiting", 30)
    message = next(c["message"] for c in told["conditions"] if c["type"] == "Placed")
    assert f"3 x device of {CLASS}" in message

    devices.kubectl.out("-n", devices.namespace, "delete", KIND, "first", "--timeout=50s")
    devices.wait_for("second", "Running", 60)
    assert len(allocated(devices)) == 3
    assert set(allocated(devices)) <= {f"gpu-{n}" for n in range(DEVICES)}
    templates = devices.kubectl.out(
        "-n", devices.namespace, "get", "resourceclaimtemplates", "-o", "name"
    )
    assert templates.split() == ["resourceclaimtemplate.resource.k8s.io/second"]


def test_a_class_that_is_not_there_is_told_and_comes_into_its_own(devices: Stage) -> None:
    document = job("early", 1, 1)
    document["spec"]["trainer"]["resourcesPerWorker"]["deviceClass"] = LATE
    devices.apply(document)
    status = devices.wait_for("early", "Stalled", 30)
    told = next(c for c in status["conditions"] if c["type"] == "Stalled")
    assert told["reason"] == "NoDevices"
    assert f"there is no DeviceClass {LATE}" in told["message"]
    late = next(it for it in driver() if it["kind"] == "DeviceClass")
    late["metadata"]["name"] = LATE
    devices.kubectl.out("create", "-f", "-", stdin=json.dumps(late))
    try:
        devices.wait_for("early", "Running", 60)
    finally:
        devices.kubectl.run("-n", devices.namespace, "delete", KIND, "early", "--timeout=50s")
        devices.kubectl.run("delete", "deviceclass", LATE)
