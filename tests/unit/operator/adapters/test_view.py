"""The caches' answers: who is whose, what is free, and whom a change concerns."""

from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.resources import pool_record, queue_record
from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.catalog.prices.price_list import Offer, PriceList
from quartermaster.domain.cluster import Capacity, Link, Toleration
from quartermaster.domain.money.price import OnPremises, PriceKind
from quartermaster.domain.queue import History, Reclaim, WithinQueue
from quartermaster.domain.resources import Resources
from tests.support import make
from tests.unit.operator.adapters.test_documents import container, node, on, pod

Json = dict[str, Any]


class Seen:
    """A view, and what it told."""

    def __init__(self) -> None:
        self.touched: list[str] = []
        self.rooms = 0
        self.view = ClusterView(touched=self.touched.append, room=self._room)

    def _room(self) -> None:
        self.rooms += 1


def versioned(document: Json, uid: str, version: int) -> Json:
    document["metadata"] |= {"uid": uid, "resourceVersion": str(version)}
    return document


def gated(uid: str = "pod-uid", version: int = 1) -> Json:
    return versioned(pod({"schedulingGates": [{"name": meta.PLACEMENT_GATE}]}), uid, version)


def test_what_pods_hold_is_taken_off_their_node() -> None:
    seen = Seen()
    seen.view.nodes.put(versioned(node(), "node", 1))
    seen.view.pods.put(versioned(pod({"nodeName": "gpu-1"}), "a", 2))
    stranger = pod({"nodeName": "gpu-1", "containers": [container("500m", "1Gi")]}, labels={})
    seen.view.pods.put(versioned(stranger, "b", 3))
    (found,) = seen.view.snapshot().nodes
    assert found.used == Resources(2500, 5 * 2**30, 1, 2)
    assert seen.view.node("gpu-1") is not None
    bare = seen.view.node("gpu-1")
    assert bare is not None
    assert bare.used == Resources()
    seen.view.pods.drop("a")
    assert seen.view.snapshot().nodes[0].used == Resources(500, 2**30, 0, 1)


def test_nodes_have_the_prices_of_the_lists_in_force_until_there_are_others() -> None:
    seen = Seen()
    document = versioned(node(), "node", 1)
    document["metadata"]["labels"]["topology.kubernetes.io/region"] = "us-east-1"
    seen.view.nodes.put(document)
    assert seen.view.snapshot().nodes[0].price is None
    for rate in (Fraction(1), Fraction(2)):
        offer = Offer("aws", "g4dn.xlarge", "us-east-1", Capacity.SPOT, rate)
        rooms = seen.rooms
        seen.view.use_prices(((PriceKind.LIST, PriceList([offer])),))
        assert seen.rooms > rooms, "who waits may be better placed by the new prices"
        (found,), one = seen.view.snapshot().nodes, seen.view.node("gpu-1")
        assert found.price is not None
        assert found.price.usd_per_hour == rate
        assert one is not None
        assert one.price == found.price
    assert seen.view.snapshot().nodes[0] is found, "kept as it is while nothing changes"


def test_an_overlay_counts_as_long_as_it_is_there() -> None:
    seen = Seen()
    seen.view.nodes.put(versioned(node(), "node", 1))
    overlay = {"metadata": {"name": "cheap"}, "spec": {"price": "0.5"}}
    seen.view.overlays.put(versioned(overlay, "overlay", 2))
    (found,) = seen.view.snapshot().nodes
    assert found.price is not None
    assert (found.price.usd_per_hour, found.price.kind) == (Fraction("0.5"), PriceKind.OVERLAY)
    seen.view.overlays.drop("overlay")
    assert seen.view.snapshot().nodes[0].price is None


def test_a_gated_pod_is_found_until_its_gate_is_off() -> None:
    seen = Seen()
    seen.view.pods.put(gated())
    assert list(seen.view.gated()) == ["uid-job"]
    assert seen.touched == ["uid-job"]
    seen.view.pods.put(versioned(pod({"affinity": on("gpu-1")}), "pod-uid", 2))
    assert list(seen.view.gated()) == []
    assert [worker.node for worker in seen.view.workers("uid-job")] == ["gpu-1"]
    seen.view.pods.drop("pod-uid")
    assert seen.view.workers("uid-job") == []


def test_room_is_told_when_there_may_be_some() -> None:
    seen = Seen()
    seen.view.pods.put(versioned(pod({"nodeName": "gpu-1"}, {"phase": "Running"}), "a", 1))
    assert seen.rooms == 0
    over = versioned(pod({"nodeName": "gpu-1"}, {"phase": "Succeeded"}), "a", 2)
    seen.view.pods.put(over)
    assert seen.rooms == 1
    seen.view.nodes.put(versioned(node(), "node", 1))
    assert seen.rooms == 2


def child(uid: str, version: int) -> Json:
    return {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "uid": uid,
            "resourceVersion": str(version),
            "ownerReferences": [{"uid": "uid-job", "controller": True}],
        }
    }


def test_the_newest_child_of_a_job_is_its_child() -> None:
    seen = Seen()
    seen.view.child_jobs.put(child("old", 1))
    seen.view.child_jobs.put(child("new", 2))
    seen.view.child_jobs.drop("old")
    found = seen.view.child("uid-job")
    assert found is not None
    assert found.uid == "new"
    seen.view.child_jobs.drop("new")
    assert seen.view.child("uid-job") is None


def test_a_node_that_came_again_under_its_name_is_the_new_one() -> None:
    seen = Seen()
    seen.view.nodes.put(versioned(node(), "old", 1))
    seen.view.nodes.put(versioned(node(conditions=[]), "new", 2))
    seen.view.nodes.drop("old")
    found = seen.view.node("gpu-1")
    assert found is not None
    assert not found.ready


def compute_pool(name: str, **spec: Any) -> Json:
    return {"metadata": {"name": name, "uid": name, "resourceVersion": "1"}, "spec": spec}


def test_pools_are_by_name_and_a_pool_that_cannot_be_read_holds_no_node() -> None:
    seen = Seen()
    for name in ("b", "a"):
        seen.view.compute_pools.put(compute_pool(name))
    seen.view.compute_pools.put(compute_pool("broken", prices="none"))
    assert [pool.name for pool in seen.view.pools()] == ["a", "b", "broken"]
    seen.view.nodes.put(versioned(node(), "node", 1))
    (found,) = seen.view.snapshot().nodes
    assert not seen.view.pools()[2].holds(found)
    assert seen.view.pools()[0].holds(found)


def test_a_pools_document_becomes_links_in_bytes_and_seconds() -> None:
    record = pool_record(
        compute_pool(
            "gpus",
            topologyLevels=["example.com/rack"],
            topologyLinks=[
                {"level": "example.com/rack", "gigabitsPerSecond": 100, "latencyMicroseconds": 12},
                {"level": "kubernetes.io/hostname", "gigabitsPerSecond": 400},
            ],
        )
    )
    assert record.pool.topology_levels == ("example.com/rack",)
    assert record.pool.links == (
        Link("example.com/rack", 12.5e9, 12e-6),
        Link("kubernetes.io/hostname", 50e9),
    )


def test_a_pool_of_before_there_were_links_has_none() -> None:
    record = pool_record(compute_pool("gpus", topologyLevels=["example.com/rack"]))
    assert record.pool.topology_levels == ("example.com/rack",)
    assert record.pool.links == ()


def test_a_pools_document_becomes_prices_and_passes() -> None:
    record = pool_record(
        compute_pool(
            "gpus",
            prices=[
                {"accelerator": "Tesla-T4", "capacityType": "Spot", "usdPerGpuHour": "0.526"},
                {"usdPerNodeHour": "1.5"},
            ],
            tolerations=[
                {"key": "team", "operator": "Equal", "value": "x"},
                {"key": "gpu"},
            ],
        )
    )
    spot, any_node = record.pool.prices
    assert (spot.capacity, str(spot.usd_per_gpu_hour)) == (Capacity.SPOT, "263/500")
    assert (any_node.capacity, str(any_node.usd_per_node_hour)) == (None, "3/2")
    assert record.pool.tolerations == (Toleration("team", "x"), Toleration("gpu"))


def test_a_queues_document_becomes_its_shares_and_what_was_written_of_its_past() -> None:
    document = compute_pool(
        "research",
        parent="lab",
        weight="2.5",
        nominalQuota=[{"accelerator": "Tesla-T4", "gpus": 8}],
        borrowingLimit=4,
        preemption={"reclaimWithinCohort": "Any"},
        namespaceSelector={"team": "a"},
    )
    document["status"] = {"history": {"gpus": "1.5", "time": "2026-11-23T10:00:00Z"}}
    queue = queue_record(document).queue
    assert (queue.parent, queue.weight, dict(queue.nominal)) == (
        "lab",
        Fraction(5, 2),
        {"Tesla-T4": 8},
    )
    assert (queue.borrowing_limit, queue.lending_limit) == (4, None)
    assert (queue.reclaim, queue.within_queue) == (Reclaim.ANY, WithinQueue.NEVER)
    assert queue.history == History(Fraction(3, 2), make.T0)
    assert queue.admits({"team": "a", "more": "b"})
    assert not queue.admits({"team": "b"})
    assert queue.fault == ""


def test_a_queue_that_cannot_be_read_says_where_and_forgets_a_past_that_cannot() -> None:
    document = compute_pool("broken", weight="0")
    document["status"] = {"history": {"gpus": "many"}}
    queue = queue_record(document).queue
    assert queue.fault == "spec.weight: must be above zero"
    assert queue.history is None


def test_queues_are_by_name_and_namespaces_known_by_their_labels() -> None:
    seen = Seen()
    for name in ("b", "a"):
        seen.view.compute_queues.put(compute_pool(name))
    labels = {"team": "x"}
    seen.view.namespaces.put(
        {"metadata": {"name": "team", "uid": "n", "resourceVersion": "1", "labels": labels}}
    )
    assert [queue.name for queue in seen.view.queues()] == ["a", "b"]
    assert [name for name, _, _ in seen.view.queue_records()] == ["b", "a"]
    assert seen.view.namespace_labels("team") == labels
    assert seen.view.namespace_labels("other") == {}
    assert seen.rooms == 3
    seen.view.namespaces.drop("n")
    assert seen.view.namespace_labels("team") == {}


def test_the_jobs_of_a_namespace_that_goes_are_looked_at() -> None:
    seen = Seen()
    seen.view.training_jobs.put(training_job(1))
    metadata: Json = {"name": "team", "uid": "n", "resourceVersion": "2"}
    seen.view.namespaces.put({"metadata": metadata})
    assert not seen.view.namespace_ends("team")
    before = len(seen.touched)
    metadata |= {"resourceVersion": "3", "deletionTimestamp": "2026-12-01T00:00:00Z"}
    seen.view.namespaces.put({"metadata": metadata})
    assert seen.view.namespace_ends("team")
    assert not seen.view.namespace_ends("other")
    assert len(seen.touched) == before + 1


def training_job(version: int, **metadata: Any) -> Json:
    told = {
        "name": "job",
        "namespace": "team",
        "uid": "uid-job",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-23T10:00:00Z",
    }
    return {"metadata": told | metadata, "spec": {}}


def test_a_job_that_moves_to_another_queue_is_looked_at_by_the_cycle_and_a_status_is_not() -> None:
    seen = Seen()
    seen.view.training_jobs.put(training_job(1))
    assert seen.rooms == 1
    seen.view.training_jobs.put(training_job(2) | {"status": {"state": "Waiting"}})
    assert seen.rooms == 1
    seen.view.training_jobs.put(training_job(3, labels={meta.QUEUE_LABEL: "research"}))
    assert seen.rooms == 2
    seen.view.training_jobs.drop("uid-job")
    assert seen.touched == ["uid-job"] * 4


def test_slots_that_are_called_gpus_are_held_as_slots_whoever_asks() -> None:
    seen = Seen()
    labels = {"nvidia.com/gpu.product": "Tesla-T4-SHARED", "nvidia.com/gpu.replicas": "4"}
    document = node(allocatable={"cpu": "32", "memory": "64Gi", "nvidia.com/gpu": "8"})
    document["metadata"]["labels"] |= labels
    seen.view.nodes.put(versioned(document, "node", 1))
    seen.view.pods.put(versioned(pod({"nodeName": "gpu-1"}, labels={}), "a", 2))
    (found,) = seen.view.snapshot().nodes
    assert found.used.gpus == 0
    assert found.used.parts == (("nvidia.com/gpu", 1),)


def test_what_daemons_hold_is_told_apart() -> None:
    seen = Seen()
    seen.view.nodes.put(versioned(node(), "node", 1))
    seen.view.pods.put(versioned(pod({"nodeName": "gpu-1"}), "a", 2))
    agent = pod({"nodeName": "gpu-1", "containers": [container("500m", "1Gi")]}, labels={})
    agent["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "agent"}]
    seen.view.pods.put(versioned(agent, "b", 3))
    (found,) = seen.view.snapshot().nodes
    assert found.used == Resources(2500, 5 * 2**30, 1, 2)
    assert found.daemons == Resources(500, 2**30, 0, 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_nodes_hold_is_counted_as_pods_come_move_and_go(seed: int) -> None:
    """Against a count of all pods; a node of which nothing has changed stays the same object."""
    random, seen, there = Random(seed), Seen(), dict[str, tuple[str, int]]()
    gone: set[str] = set()
    for name in ("gpu-1", "gpu-2"):
        document = node()
        document["metadata"]["name"] = name
        seen.view.nodes.put(versioned(document, name, 1))
    for version in range(2, 40):
        uid, name = random.choice("abcd") + str(version // 12), random.choice(["gpu-1", "gpu-2"])
        before = {it.name: it for it in seen.view.snapshot().nodes}
        touched = {there[uid][0]} if uid in there else set()
        if uid in there and random.random() < 0.4:
            seen.view.pods.drop(uid)
            gone.add(uid)
            del there[uid]
        elif uid not in gone:
            millicores = random.choice([0, 250, 500])
            spec = {"nodeName": name, "containers": [container(f"{millicores}m", "1Gi")]}
            seen.view.pods.put(versioned(pod(spec, labels={}), uid, version))
            there[uid] = name, millicores
            touched.add(name)
        for it in seen.view.snapshot().nodes:
            mine = [amount for at, amount in there.values() if at == it.name]
            assert it.used == Resources(sum(mine), len(mine) * 2**30, 0, len(mine))
            assert it.name in touched or it is before[it.name]
    assert all(it.used == Resources() for it in map(seen.view.node, ("gpu-1", "gpu-2")) if it)


def test_what_own_hardware_costs_is_read() -> None:
    row = {
        "accelerator": "NVIDIA-L4", "usdPerGpu": "30000", "depreciationYears": "4",
        "wattsPerGpu": 1000, "usdPerKilowattHour": "0.12", "utilizationPercent": 80,
    }  # fmt: skip
    spec = {"onPremises": [row]}
    record = pool_record({"metadata": {"name": "hall"}, "spec": spec})
    assert record.pool.on_premises == (
        OnPremises(
            Fraction(30000), Fraction(4), 1000, Fraction("0.12"), Fraction(4, 5), "NVIDIA-L4"
        ),
    )


def budget(version: int, *actions: str, generation: int = 1, name: str = "team") -> Json:
    metadata = {
        "name": name,
        "namespace": "team",
        "generation": generation,
        "creationTimestamp": "2026-11-24T12:00:00Z",
    }
    status = {"spent": f"{version}.0000", "actions": list(actions)}
    return versioned(
        {"metadata": metadata, "spec": {"amount": "10"}, "status": status}, f"uid-{name}", version
    )


def test_a_budget_makes_room_when_it_is_edited_or_acts_otherwise_and_not_when_it_counts() -> None:
    seen = Seen()
    told: list[int] = []
    for document in (
        budget(1),
        budget(2),
        budget(3, "BlockNew"),
        budget(4, "BlockNew"),
        budget(5, "BlockNew", generation=2),
        budget(6, generation=2),
    ):
        seen.view.all_budgets.put(document)
        told.append(seen.rooms)
    assert told == [1, 1, 2, 2, 3, 4]
    seen.view.all_budgets.drop("uid-team")
    assert seen.rooms == 5
    assert seen.view.budgets() == ()


def test_budgets_come_by_namespace_and_name() -> None:
    seen = Seen()
    for version, name in enumerate(("c", "a", "b"), 1):
        seen.view.all_budgets.put(budget(version, name=name))
    assert [record.budget.key.name for record in seen.view.budgets()] == ["a", "b", "c"]


def test_a_node_that_is_to_go_is_told_once_while_jobs_are_on_it() -> None:
    told: list[tuple[str, str, str]] = []
    view = ClusterView(
        touched=lambda _: None,
        room=lambda: None,
        reclaimed=lambda pool, model, sign: told.append((pool, model, sign.by)),
    )
    notice = {"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"}
    spec = {"taints": [notice]}

    def see(version: int, **more: Any) -> None:
        view.nodes.put(versioned(node(**more), "node", version))

    see(1)
    see(2, spec=spec)
    assert told == [], "nobody of ours is on it"
    view.pods.put(versioned(pod({"nodeName": "gpu-1"}), "a", 3))
    see(4)
    see(5, spec=spec)
    see(6, spec=spec)
    assert told == [("", "Tesla-T4", "Google")]


def test_what_was_announced_before_this_operator_began_is_not_told() -> None:
    told: list[object] = []
    view = ClusterView(
        touched=lambda _: None, room=lambda: None, reclaimed=lambda *what: told.append(what)
    )
    view.pods.put(versioned(pod({"nodeName": "gpu-1"}), "a", 3))
    notice = {"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"}
    view.nodes.put(versioned(node(spec={"taints": [notice]}), "node", 4))
    assert told == []
