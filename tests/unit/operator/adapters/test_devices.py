"""Devices of Dynamic Resource Allocation: counted by class, taken by claims, never too many."""

from fractions import Fraction
from typing import Any

import pytest

from quartermaster.adapters.devices.inventory import DeviceInventory
from quartermaster.adapters.devices.selector import MAX_LENGTH, Selector
from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.domain.resources import Resources
from tests.support import make
from tests.support.make import GIB

Json = dict[str, Any]
DRIVER = "gpu.nvidia.com"
GPU, MIG, ANY = (
    f"deviceclass.resource.kubernetes.io/{name}" for name in (DRIVER, "mig.nvidia.com", "any")
)
GPU_CEL = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == 'gpu'"
MIG_CEL = f"device.driver == '{DRIVER}' && device.attributes['{DRIVER}'].type == 'mig'"


def metadata(name: str, **more: Any) -> Json:
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", **more}


def device_class(name: str, *expressions: str) -> Json:
    selectors = [{"cel": {"expression": expression}} for expression in expressions]
    return {"metadata": metadata(name), "spec": {"selectors": selectors}}


def device(name: str, kind: str = "gpu", memory: str = "80Gi", **more: Any) -> Json:
    attributes = {"type": {"string": kind}, "productName": {"string": "NVIDIA H100 80GB HBM3"}}
    return {
        "name": name,
        "attributes": attributes,
        "capacity": {"memory": {"value": memory}},
        **more,
    }


def part(
    node: str, *devices: Json, name: str = "", generation: int = 1, count: int = 1, **spec: Any
) -> Json:
    pool = {"name": node, "generation": generation, "resourceSliceCount": count}
    return {
        "metadata": metadata(name or f"{node}-{generation}"),
        "spec": {"driver": DRIVER, "pool": pool, "nodeName": node, "devices": devices, **spec},
    }


def claim(name: str, node: str, *devices: str, pod: str = "") -> Json:
    owners = [{"kind": "Pod", "uid": pod}] if pod else []
    results = [{"driver": DRIVER, "pool": node, "device": one} for one in devices]
    return {
        "metadata": metadata(name, ownerReferences=owners),
        "status": {"allocation": {"devices": {"results": results}}},
    }


def inventory(*slices: Json, claims: tuple[Json, ...] = ()) -> DeviceInventory:
    it = DeviceInventory(lambda: None)
    for document in (
        device_class(DRIVER, GPU_CEL),
        device_class("mig.nvidia.com", MIG_CEL),
        device_class("any"),
    ):
        it.classes.put(document)
    for document in slices:
        it.slices.put(document)
    for document in claims:
        it.claims.put(document)
    return it


def counts(it: DeviceInventory, node: str = "node-a") -> dict[str, int]:
    return dict(it.offered(make.node(node, 0)).allocatable.parts)


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        (GPU_CEL, True),
        (MIG_CEL, False),
        ("device.attributes['other.example.com'].type == 'gpu'", False),
        (f"device.capacity['{DRIVER}'].memory.compareTo(quantity('40Gi')) >= 0", True),
        (f"device.capacity['{DRIVER}'].memory.isGreaterThan(quantity('100Gi'))", False),
        ("1 +", False),
        ("device.driver", False),
        ("true", True),
        ("nothing.known.here", False),
        ("(" * 3000 + "true" + ")" * 3000, False),
        ("true || " * MAX_LENGTH + "true", False),
    ],
    ids=range(11),
)
def test_a_selector_chooses_or_it_does_not(expression: str, matches: bool) -> None:
    facts = {
        "driver": DRIVER,
        "attributes": {DRIVER: {"type": "gpu"}},
        "capacity": {DRIVER: {"memory": 80 * GIB}},
    }
    assert Selector(expression).matches(facts) is matches


def test_devices_are_counted_by_each_class_that_chooses_them() -> None:
    it = inventory(part("node-a", device("gpu-0"), device("gpu-1"), device("mig-0", "mig")))
    assert counts(it) == {GPU: 2, MIG: 1, ANY: 3}
    assert counts(it, "node-b") == {}


def test_the_model_and_the_share_come_from_the_devices() -> None:
    it = inventory(part("node-a", device("gpu-0"), device("gpu-1"), device("mig-0", "mig")))
    node = it.offered(make.node("node-a", 0))
    assert node.accelerator == make.H100
    assert node.gpu_count == 2
    assert node.gpus_in(Resources(parts=((GPU, 1),))) == Fraction(1)
    assert node.gpus_in(Resources(parts=((MIG, 1),))) is None  # of what size, nobody says


@pytest.mark.parametrize(
    "slices",
    [
        [part("node-a", device("gpu-0"), count=2)],
        [part("node-a", device("gpu-0")), part("node-a", generation=2)],
        [part("node-a", device("gpu-0"), nodeName=None, allNodes=True)],
        [part("node-a", device("gpu-0", taints=[{"key": "xid", "effect": "NoSchedule"}]))],
        [part("node-a", device("gpu-0", consumesCounters=[{"counterSet": "a"}]))],
        [part("node-a", device("gpu-0", allowMultipleAllocations=True))],
    ],
    ids=["not all slices", "an older generation", "of all nodes", "tainted", "shared", "many"],
)
def test_what_cannot_be_counted_truly_is_left_out(slices: list[Json]) -> None:
    assert counts(inventory(*slices)) == {}


def test_gpus_that_a_device_plugin_offers_too_are_not_counted_twice() -> None:
    it = inventory(part("node-a", device("gpu-0"), device("gpu-1")))
    plugged = make.node("node-a", 2)
    assert it.offered(plugged) is plugged


def test_a_pool_of_several_slices_counts_once_all_are_there() -> None:
    one = part("node-a", device("gpu-0"), name="one", count=2)
    it = inventory(one)
    it.slices.put(part("node-a", device("gpu-1"), name="two", count=2))
    assert counts(it)[GPU] == 2


def test_a_claim_takes_its_devices_from_every_class_that_chooses_them() -> None:
    slices = part("node-a", device("gpu-0"), device("gpu-1"))
    it = inventory(slices, claims=(claim("theirs", "node-a", "gpu-0"),))
    assert it.taken("node-a", lambda uid: False) == Resources(parts=((ANY, 1), (GPU, 1)))
    assert it.taken("node-b", lambda uid: False) == Resources()
    ours = inventory(slices, claims=(claim("ours", "node-a", "gpu-0", pod="pod-uid"),))
    assert ours.taken("node-a", lambda uid: uid == "pod-uid") == Resources()


def pod(*, phase: str = "Running", ours: bool = True) -> Json:
    labels = {meta.JOB_UID_LABEL: "uid-job"} if ours else {}
    notes = {meta.DEVICES_ANNOTATION: f"{DRIVER}=1"}
    return {
        "metadata": metadata(
            "pod",
            namespace="team",
            labels=labels,
            annotations=notes,
            creationTimestamp="2026-11-23T10:00:00Z",
        ),
        "spec": {"nodeName": "node-a", "containers": [{"name": "trainer"}]},
        "status": {"phase": phase},
    }


def used(view: ClusterView) -> dict[str, int]:
    (node,) = view.snapshot().nodes
    return dict(node.used.parts)


@pytest.mark.parametrize("ours", [True, False])
def test_what_a_pod_and_its_claim_hold_is_counted_once(*, ours: bool) -> None:
    """From before the claim is allocated until after the pod is over."""
    view = ClusterView(touched=lambda uid: None, room=lambda: None)
    view.nodes.put({"metadata": metadata("node-a"), "spec": {}, "status": {}})
    view.devices.classes.put(device_class(DRIVER, GPU_CEL))
    view.devices.slices.put(part("node-a", device("gpu-0"), device("gpu-1")))
    assert used(view) == {}
    view.pods.put(pod(ours=ours))
    assert used(view) == ({GPU: 1} if ours else {})
    view.devices.claims.put(claim("claim", "node-a", "gpu-1", pod="uid-pod"))
    assert used(view) == {GPU: 1}
    over = pod(phase="Succeeded", ours=ours)
    over["metadata"]["resourceVersion"] = "2"
    view.pods.put(over)
    assert used(view) == {GPU: 1}  # until its claim is free, nobody else gets the device
    view.devices.claims.drop("uid-claim")
    assert used(view) == {}
