"""Devices by DeviceClass: what a node has, who holds it, and what is not counted."""

import logging
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.catalog.device_classes import resource
from quartermaster.decide.cost.rates import worker_rate
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.resources import Resources, amounts
from tests.support import dra, make
from tests.unit.operator.adapters.test_documents import node as node_document
from tests.unit.operator.adapters.test_documents import pod

Json = dict[str, Any]
GPU, MIG, ALL = "gpu.example.com", "mig.example.com", "any.example.com"
CPU_ONLY = {"cpu": "32", "memory": "128Gi", "pods": "110"}


class Cluster:
    """A view, fed with documents of which each has a version."""

    def __init__(self, *classes: Json) -> None:
        self.rooms = 0
        self.touched: list[str] = []
        self.view = ClusterView(touched=self.touched.append, room=self._room)
        self.view.devices.served = True
        self._version = 0
        self.put(self.view.devices.classes, *classes)

    def _room(self) -> None:
        self.rooms += 1

    def put(self, cache: Any, *documents: Json) -> None:
        for document in documents:
            self._version += 1
            name = document["metadata"]["name"]
            told = {"uid": name, **document["metadata"], "resourceVersion": str(self._version)}
            cache.put({**document, "metadata": told})

    def node(self, name: str = "a", labels: Json | None = None, **offers: str) -> None:
        document = node_document(
            allocatable=CPU_ONLY | {k.replace("_", "/"): v for k, v in offers.items()}
        )
        document["metadata"] = {"name": name, "labels": labels or {}}
        self.put(self.view.nodes, document)

    def slices(self, *documents: Json) -> None:
        self.put(self.view.devices.slices, *documents)

    def claims(self, *documents: Json) -> None:
        self.put(self.view.devices.claims, *documents)

    def worker(self, uid: str, where: str, device_class: str, count: int, **status: Any) -> None:
        """A placed pod of ours that claims devices."""
        notes = {meta.DEVICES_ANNOTATION: f"{device_class}={count}"}
        document = pod({"nodeName": where, "containers": []}, status, annotations=notes, uid=uid)
        document["metadata"]["name"] = uid
        self.put(self.view.pods, document)

    def found(self, name: str = "a") -> Node:
        return next(node for node in self.view.snapshot().nodes if node.name == name)

    def has(self, name: str = "a") -> dict[str, int]:
        return plain(self.found(name).allocatable)

    def holds(self, name: str = "a") -> dict[str, int]:
        return plain(self.found(name).used)


def plain(amount: Resources) -> dict[str, int]:
    return {name.removeprefix(resource("")): count for name, count in amount.parts}


def cluster() -> Cluster:
    """A node of which four GPUs are whole, and two in four parts."""
    made = Cluster(
        dra.device_class(GPU, dra.of_type("gpu")),
        dra.device_class(MIG, dra.of_type("mig")),
    )
    made.node()
    parts = [dra.device(f"mig-{index}", "mig", parent=f"g{index % 2}") for index in range(4)]
    made.slices(dra.resource_slice("a", [*dra.devices(4), *parts]))
    return made


def test_a_nodes_devices_are_amounts_by_class_and_their_model_is_the_nodes() -> None:
    found = cluster().found()
    assert plain(found.allocatable) == {GPU: 4, MIG: 4}
    assert found.accelerator == "NVIDIA-H100-80GB-HBM3"
    assert found.allocatable.devices == 8
    assert found.gpu_count == 6


def test_a_device_costs_its_share_of_the_nodes_gpus() -> None:
    made = cluster()
    price = Pool("p", prices=(make.price("2"),))
    whole, part = (Resources(parts=((resource(it), 1),)) for it in (GPU, MIG))
    assert worker_rate(made.found(), price, whole) == 2
    assert worker_rate(made.found(), price, part) == 1
    made.slices(dra.resource_slice("a", dra.devices(4), pool={"generation": 2}))
    assert made.found().fractions == {resource(GPU): Fraction(1)}
    per_node = Pool("p", prices=(make.PriceRow(usd_per_node_hour=Fraction(10)),))
    assert worker_rate(made.found(), per_node, whole) == Fraction(10, 4)


def test_the_label_of_a_node_goes_before_what_its_devices_say() -> None:
    made = cluster()
    made.node(labels={"quartermaster.dev/accelerator": "mine"})
    assert made.found().accelerator == "mine"
    made.node()
    other = dra.resource_slice("a", [dra.device("x", product="NVIDIA L4")], driver="gpu.other.com")
    made.slices(other)
    assert made.found().accelerator == ""


@pytest.mark.parametrize(
    "doubt",
    [
        {"taints": [{"key": "sick", "effect": "NoSchedule"}]},
        {"taints": [{"key": "sick", "effect": "NoExecute"}]},
        {"consumesCounters": [{"counterSet": "gpu-0", "counters": {"slices": {"value": "1"}}}]},
        {"allowMultipleAllocations": True},
        {"bindingConditions": ["attached"]},
        {"nodeName": "b"},
    ],
    ids=lambda it: next(iter(it)),
)
def test_a_device_that_may_not_be_had_whole_is_not_counted(doubt: Json) -> None:
    made = cluster()
    made.slices(dra.resource_slice("a", [dra.device("x", **doubt), dra.device("y")]))
    assert made.has() == {GPU: 1}
    made.claims(dra.claim("c", {"a": ["x"]}))
    assert made.holds() == {}


def test_a_taint_without_effect_on_pods_leaves_a_device_there() -> None:
    made = cluster()
    noted = dra.device("x", taints=[{"key": "old", "effect": "None"}])
    made.slices(dra.resource_slice("a", [noted]))
    assert made.has() == {GPU: 1}


@pytest.mark.parametrize("where", [{"allNodes": True}, {"nodeSelector": {"nodeSelectorTerms": []}}])
def test_devices_for_several_nodes_are_counted_on_none(where: Json) -> None:
    made = cluster()
    shared = dra.resource_slice("", dra.devices(8), name="shared", pool={"name": "s"}, **where)
    made.slices(shared)
    assert made.has() == {GPU: 4, MIG: 4}


def test_only_the_newest_generation_of_a_pool_counts_and_only_when_it_is_whole() -> None:
    made = cluster()
    first = dra.resource_slice(
        "a", dra.devices(1), name="a-1", pool={"generation": 2, "resourceSliceCount": 2}
    )
    second = dra.resource_slice(
        "a", dra.devices(2, "mig"), name="a-2", pool={"generation": 2, "resourceSliceCount": 2}
    )
    made.slices(first)
    assert made.has() == {}
    made.slices(second)
    assert made.has() == {GPU: 1, MIG: 2}
    made.view.devices.slices.drop("a-2")
    assert made.has() == {}


def test_a_pool_that_names_a_device_twice_is_not_used() -> None:
    made = cluster()
    made.slices(dra.resource_slice("a", [dra.device("x"), dra.device("x")]))
    assert made.has() == {}


def test_network_cards_are_no_gpus() -> None:
    made = Cluster(dra.device_class(ALL))
    made.node()
    card = {"name": "eth1", "attributes": {"type": {"string": "nic"}}}
    made.slices(dra.resource_slice("a", [card], driver="dra.net"))
    assert made.found().allocatable.devices == 0
    assert made.found().gpu_count == 0


def test_where_a_device_plugin_offers_gpus_too_only_its_are_counted() -> None:
    made = cluster()
    made.node(nvidia_gpu="2")
    made.view.nodes.put(
        node_document() | {"metadata": {"name": "a", "uid": "a", "resourceVersion": "99"}}
    )
    assert made.has() == {}
    assert made.found().allocatable.gpus == 1


def test_allocated_devices_are_held_whoever_claimed_them() -> None:
    made = cluster()
    made.put(made.view.devices.classes, dra.device_class(ALL))
    assert made.holds() == {}
    made.claims(dra.claim("c", {"a": ["gpu-0", "gpu-1"], "b": ["gpu-2"]}))
    assert made.holds() == {GPU: 2, ALL: 2}
    made.claims(dra.claim("d", {"a": ["gpu-1"]}))
    assert made.holds() == {GPU: 2, ALL: 2}, "two claims may share a device"
    made.claims(dra.claim("c", None))
    assert made.holds() == {GPU: 1, ALL: 1}
    made.view.devices.claims.drop("d")
    assert made.holds() == {}


def test_who_looks_in_as_an_administrator_holds_nothing() -> None:
    made = cluster()
    claim = dra.claim("c", {"a": ["gpu-0"]})
    claim["status"]["allocation"]["devices"]["results"][0]["adminAccess"] = True
    made.claims(claim)
    assert made.holds() == {}


def test_a_placed_pod_holds_its_devices_before_and_after_they_are_allocated_and_once() -> None:
    made = cluster()
    made.worker("p", "a", GPU, 2)
    assert made.holds() == {GPU: 2}
    made.claims(dra.claim("c", None, pod="p"))
    assert made.holds() == {GPU: 2}
    made.claims(dra.claim("c", {"a": ["gpu-0", "gpu-3"]}, pod="p"))
    assert made.holds() == {GPU: 2}
    made.worker("p", "a", GPU, 2, phase="Succeeded")
    assert made.holds() == {GPU: 2}, "the claim is allocated until it is deleted"
    made.view.devices.claims.drop("c")
    assert made.holds() == {}


def test_a_claim_that_is_not_allocated_yet_may_get_any_device_of_its_class() -> None:
    made = cluster()
    made.put(made.view.devices.classes, dra.device_class(ALL))
    made.worker("p", "a", ALL, 3)
    assert made.holds() == {ALL: 3, GPU: 3, MIG: 3}
    made.worker("p", "a", ALL, 3, phase="Failed")
    made.worker("q", "a", GPU, 3)
    assert made.holds() == {ALL: 3, GPU: 3}


def test_a_note_of_devices_on_somebody_elses_pod_says_nothing() -> None:
    made = cluster()
    stranger = pod(
        {"nodeName": "a", "containers": []},
        labels={},
        annotations={meta.DEVICES_ANNOTATION: f"{GPU}=2"},
    )
    made.put(made.view.pods, stranger)
    assert made.holds() == {}


def test_a_class_that_changes_is_evaluated_anew_and_its_jobs_are_told() -> None:
    made = cluster()
    spec = make.spec(trainer={"resourcesPerWorker": {"deviceClass": GPU}})
    document = {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "generation": 1,
            "creationTimestamp": "2026-11-23T10:00:00Z",
        },
        "spec": spec.model_dump(mode="json", by_alias=True, exclude_none=True),
    }
    made.put(made.view.training_jobs, document)
    made.touched.clear()
    made.put(made.view.devices.classes, dra.device_class(GPU, dra.of_type("mig")))
    assert made.has() == {GPU: 4, MIG: 4}
    assert made.touched == ["job"]
    made.view.devices.classes.drop(GPU)
    assert made.has() == {MIG: 4}


def test_a_class_without_a_usable_selector_is_said_once_and_has_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = cluster()
    made.put(made.view.devices.classes, dra.device_class(GPU, "device.attributes['x'].y == 'z'"))
    assert made.has() == {MIG: 4}
    made.node()
    assert made.has() == {MIG: 4}
    said = [record.getMessage() for record in caplog.records if GPU in record.getMessage()]
    assert said == [f"DeviceClass {GPU} does not match {dra.DRIVER}/a/gpu-0: no such key: x"]


def test_why_nobody_can_have_devices_of_a_class() -> None:
    made = cluster()
    assert made.view.why_no_devices(GPU) == ""
    assert made.view.why_no_devices("mine").startswith("there is no DeviceClass mine")
    made.put(made.view.devices.classes, dra.device_class("mine", "[1].all(x, true)"))
    assert "uses what is not evaluated here" in made.view.why_no_devices("mine")
    made.view.devices.served = False
    assert "does not serve" in made.view.why_no_devices(GPU)


def test_a_cluster_without_devices_has_the_same_nodes_as_before_them() -> None:
    made = Cluster()
    made.node()
    (before,) = made.view.snapshot().nodes
    assert made.view.snapshot().nodes[0] is before
    assert made.view.node("a") is before


OWNERS = st.sampled_from(["", "p0", "p1"])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 2), st.sets(st.integers(0, 5)), OWNERS),
        st.tuples(st.just("drop"), st.integers(0, 2)),
        st.tuples(st.just("pod"), st.integers(0, 1), st.integers(1, 3)),
        st.tuples(st.just("over"), st.integers(0, 1)),
        st.tuples(st.just("slice"), st.integers(0, 6)),
        st.tuples(st.just("none")),
    ),
    max_size=12,
)  # fmt: skip


@given(EVENTS)
def test_what_is_held_is_what_a_count_of_everything_gives(events: list[tuple[Any, ...]]) -> None:
    made = Cluster(dra.device_class(GPU, dra.of_type("gpu")))
    made.node()
    claims: dict[int, tuple[set[int], str]] = {}
    pods: dict[str, int] = {}
    size = 0
    for number, (kind, *told) in enumerate(events):
        if kind == "claim":
            claims[told[0]] = (told[1], told[2])
            taken = {"a": [f"gpu-{it}" for it in sorted(told[1])]}
            made.claims(dra.claim(f"c{told[0]}", taken, pod=told[2]))
        elif kind == "drop" and claims.pop(told[0], None) is not None:
            made.claims(dra.claim(f"c{told[0]}", None))
        elif kind == "pod":
            pods[f"p{told[0]}"] = told[1]
            made.worker(f"p{told[0]}", "a", GPU, told[1])
        elif kind == "over" and pods.pop(f"p{told[0]}", None) is not None:
            made.worker(f"p{told[0]}", "a", GPU, 1, phase="Failed")
        elif kind == "slice":
            size = told[0]
            made.slices(dra.resource_slice("a", dra.devices(size), pool={"generation": number}))
        # Looking in between must not change what is found at the end.
        assert made.has() == ({GPU: size} if size else {})
    allocated = Counter(it for taken, _ in claims.values() for it in taken if it < size)
    served = {owner for _, owner in claims.values()}
    waiting = sum(count for uid, count in pods.items() if uid not in served)
    want = amounts({GPU: len(allocated) + waiting}) if size else ()
    assert made.holds() == dict(want)
