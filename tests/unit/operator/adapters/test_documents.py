"""What the operator keeps of Kubernetes' documents."""

from dataclasses import replace
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import pytest

from quartermaster.adapters import documents
from quartermaster.api import meta
from quartermaster.domain.cluster import Capacity, Taint
from quartermaster.domain.resources import NOTHING, Resources
from quartermaster.domain.worker import Exit, Phase
from quartermaster.manifests.worker import CONTAINER

Json = dict[str, Any]
GIB = 2**30


def node(**changes: Any) -> Json:
    return {
        "metadata": {
            "name": "gpu-1",
            "labels": {
                "nvidia.com/gpu.product": "Tesla-T4",
                "node.kubernetes.io/instance-type": "g4dn.xlarge",
                "karpenter.sh/capacity-type": "spot",
            },
        },
        "spec": changes.get("spec", {}),
        "status": {
            "allocatable": changes.get(
                "allocatable",
                {"cpu": "3920m", "memory": "15Gi", "nvidia.com/gpu": "1", "pods": "110"},
            ),
            "conditions": changes.get(
                "conditions",
                [
                    {"type": "MemoryPressure", "status": "False"},
                    {"type": "Ready", "status": "True"},
                ],
            ),
        },
    }


def test_a_node_is_read_with_what_placing_needs() -> None:
    found = documents.node(node())
    assert found.name == "gpu-1"
    assert found.allocatable == Resources(3920, 15 * GIB, 1, 110)
    assert (found.accelerator, found.instance_type) == ("Tesla-T4", "g4dn.xlarge")
    assert found.capacity is Capacity.SPOT
    assert found.ready
    assert not found.cordoned


def test_what_prices_are_found_by_is_read() -> None:
    document = node(spec={"providerID": "aws:///us-east-1a/i-0123"})
    document["metadata"]["labels"] |= {
        "topology.kubernetes.io/region": "us-east-1",
        "topology.kubernetes.io/zone": "us-east-1a",
    }
    document["metadata"]["annotations"] = {meta.NODE_PRICE_ANNOTATION: "3.25"}
    found = documents.node(document)
    assert (found.provider, found.region, found.zone) == ("aws", "us-east-1", "us-east-1a")
    assert found.told_usd_per_hour == Fraction("3.25")
    assert found.price is None


@pytest.mark.parametrize(
    ("provider_id", "want"),
    [
        ("gce://project/us-central1-a/node", "gcp"),
        ("azure:///subscriptions/x", "azure"),
        ("kind://docker/kind/node", "kind"),
        ("", "aws"),
        ("://", "aws"),
        (None, "aws"),
    ],
)
def test_a_nodes_provider_is_that_of_its_id_or_of_its_machine_type(
    provider_id: str | None, want: str
) -> None:
    assert documents.node(node(spec={"providerID": provider_id})).provider == want


@pytest.mark.parametrize("text", ["", "-1", "1e3", "free", "1.", "nan", "1,5", "9" * 10])
def test_an_annotation_that_is_no_price_says_nothing(text: str) -> None:
    document = node()
    document["metadata"]["annotations"] = {meta.NODE_PRICE_ANNOTATION: text}
    assert documents.node(document).told_usd_per_hour is None


@pytest.mark.parametrize(
    "conditions",
    [
        [],
        [{"type": "Ready", "status": "False"}],
        [{"type": "Ready", "status": "Unknown"}],
    ],
)
def test_a_node_that_does_not_say_that_it_is_ready_is_not(conditions: list[Json]) -> None:
    assert not documents.node(node(conditions=conditions)).ready


def test_only_taints_that_keep_pods_off_count() -> None:
    spec = {
        "unschedulable": True,
        "taints": [
            {"key": "a", "effect": "NoSchedule"},
            {"key": "b", "value": "x", "effect": "NoExecute"},
            {"key": "c", "effect": "PreferNoSchedule"},
        ],
    }
    found = documents.node(node(spec=spec))
    assert found.cordoned
    assert found.taints == (Taint("a"), Taint("b", "x"))


def test_a_thousand_pods_are_written_as_1k_by_the_kubelet() -> None:
    found = documents.node(node(allocatable={"cpu": "64", "memory": "1Ti", "pods": "1k"}))
    assert found.allocatable.pods == 1000


def test_a_node_that_has_not_reported_yet_has_nothing() -> None:
    found = documents.node({"metadata": {"name": "new"}})
    assert found.allocatable == NOTHING
    assert not found.ready


def pod(spec: Json | None = None, status: Json | None = None, **metadata: Any) -> Json:
    return {
        "metadata": {
            "name": "job-0-abcde",
            "namespace": "team",
            "uid": "pod-uid",
            "creationTimestamp": "2026-11-23T10:00:00Z",
            "labels": {
                meta.JOB_UID_LABEL: "uid-job",
                meta.JOB_LABEL: "job",
                documents.INDEX_LABEL: "3",
            },
            "annotations": {meta.PRICE_ANNOTATION: "263/500"},
            "finalizers": [meta.POD_FINALIZER, "batch.kubernetes.io/job-tracking"],
            **metadata,
        },
        "spec": {"containers": [container("2", "4Gi", "1")], **(spec or {})},
        "status": status or {"phase": "Pending"},
    }


def container(cpu: str, memory: str, gpus: str = "0") -> Json:
    return {"resources": {"requests": {"cpu": cpu, "memory": memory, "nvidia.com/gpu": gpus}}}


def at(second: int) -> str:
    return f"2026-11-23T10:00:{second:02d}Z"


def moment(second: int) -> datetime:
    return datetime(2026, 11, 23, 10, 0, second, tzinfo=UTC)


def ended(code: int, reason: str = "Error", message: str = "") -> Json:
    state = {
        "exitCode": code,
        "reason": reason,
        "message": message,
        "startedAt": at(8),
        "finishedAt": at(30),
    }
    return {"name": CONTAINER, "state": {"terminated": state}}


SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(5)}


def test_a_running_worker() -> None:
    running = {"name": CONTAINER, "state": {"running": {"startedAt": at(8)}}}
    status = {
        "phase": "Running",
        "conditions": [SCHEDULED],
        "containerStatuses": [{"name": "sidecar", "state": {}}, running],
    }
    found = documents.pod(pod({"nodeName": "gpu-1"}, status))
    worker = found.worker
    assert worker is not None
    assert (worker.index, worker.job_uid, worker.node) == (3, "uid-job", "gpu-1")
    assert (worker.bound, worker.started, worker.ended) == (moment(5), moment(8), None)
    assert worker.usd_per_hour == Fraction(263, 500)
    assert worker.accounted
    assert found.holds == Resources(2000, 4 * GIB, 1, 1)


@pytest.mark.parametrize(
    ("conditions", "taken_in", "bound"),
    [
        ([SCHEDULED], None, 5),
        ([SCHEDULED], 6, 5),
        ([SCHEDULED], 3, 5),
        ([SCHEDULED | {"lastTransitionTime": at(55)}], 5, 5),
        ([], 5, 5),
        ([SCHEDULED | {"status": "False"}], None, None),
    ],
    ids=["as ever", "taken in later", "clocks apart", "written anew", "taken away", "not bound"],
)
def test_a_worker_is_bound_when_it_was_and_not_when_its_kubelet_came_back(
    conditions: list[Json], taken_in: int | None, bound: int | None
) -> None:
    started = {} if taken_in is None else {"startTime": at(taken_in)}
    found = documents.pod(pod({"nodeName": "gpu-1"}, {"conditions": conditions, **started}))
    assert found.worker is not None
    assert found.worker.bound == (None if bound is None else moment(bound))


def test_a_worker_that_is_over_holds_nothing() -> None:
    status = {"phase": "Failed", "containerStatuses": [ended(71, message="words")]}
    found = documents.pod(pod({"nodeName": "gpu-1"}, status))
    assert found.holds == NOTHING
    assert found.worker is not None
    assert found.worker.exit == Exit(71, "Error", "words")
    assert found.worker.ended == moment(30)
    assert found.worker.phase is Phase.FAILED


def test_a_gated_worker_is_nowhere_though_it_names_a_node() -> None:
    gates = [{"name": meta.PLACEMENT_GATE}, {"name": "other"}]
    found = documents.pod(pod({"schedulingGates": gates, "affinity": on("gpu-1")}))
    assert found.node is None
    assert found.worker is not None
    assert found.worker.gates == (meta.PLACEMENT_GATE, "other")


def on(name: str) -> Json:
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}
        }
    }


def test_a_placed_worker_holds_its_place_before_it_is_bound() -> None:
    found = documents.pod(pod({"affinity": on("gpu-1")}))
    assert found.node == "gpu-1"
    assert found.worker is not None
    assert found.worker.node == "gpu-1"
    assert found.worker.bound is None


def test_a_strangers_pod_holds_only_where_it_is_bound() -> None:
    stranger = pod({"affinity": on("gpu-1")}, labels={})
    assert documents.pod(stranger).node is None
    assert documents.pod(stranger).worker is None
    stranger["spec"]["nodeName"] = "gpu-2"
    assert documents.pod(stranger).node == "gpu-2"


def test_a_pod_holds_its_containers_or_its_largest_init_container_and_its_overhead() -> None:
    spec = {
        "containers": [container("1", "1Gi"), container("500m", "2Gi", "2")],
        "initContainers": [container("4", "1Gi"), container("1", "8Gi")],
        "overhead": {"cpu": "250m", "memory": "120Mi"},
    }
    found = documents.pod(pod(spec))
    assert found.holds == Resources(4250, 8 * GIB + 120 * 2**20, 2, 1)


def test_a_sidecar_init_container_runs_beside_the_others() -> None:
    """Kubernetes adds restartable init containers to what runs all the time."""
    sidecar = {**container("1", "1Gi"), "restartPolicy": "Always"}
    spec = {
        "containers": [container("2", "2Gi")],
        "initContainers": [sidecar, container("2", "1Gi")],
    }
    assert documents.pod(pod(spec)).holds == Resources(3000, 3 * GIB, 0, 1)


def test_what_the_scheduler_and_the_kubelet_say_is_kept() -> None:
    refused = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0/2 nodes are available",
        "lastTransitionTime": at(7),
    }
    worker = documents.pod(pod(status={"phase": "Pending", "conditions": [refused]})).worker
    assert worker is not None
    assert (worker.bound, worker.unschedulable_since) == (None, moment(7))
    assert worker.unschedulable == "0/2 nodes are available"
    waiting = {"reason": "ImagePullBackOff", "message": "not found"}
    status = {
        "phase": "Pending",
        "conditions": [SCHEDULED],
        "containerStatuses": [{"name": CONTAINER, "state": {"waiting": waiting}}],
    }
    worker = documents.pod(pod(status=status)).worker
    assert worker is not None
    assert worker.held_up == ("ImagePullBackOff", "not found")


@pytest.mark.parametrize("reason", ["", "ContainerCreating", "PodInitializing"])
def test_creating_is_not_being_held_up(reason: str) -> None:
    state = {"waiting": {"reason": reason}}
    status = {"phase": "Pending", "containerStatuses": [{"name": CONTAINER, "state": state}]}
    worker = documents.pod(pod(status=status)).worker
    assert worker is not None
    assert worker.held_up is None


def test_a_disruption_and_a_deletion_are_seen() -> None:
    disrupted = {"type": "DisruptionTarget", "status": "True", "lastTransitionTime": at(20)}
    document = pod(
        status={"phase": "Running", "conditions": [SCHEDULED, disrupted]},
        deletionTimestamp=at(50),
        finalizers=[],
    )
    worker = documents.pod(document).worker
    assert worker is not None
    assert (worker.disrupted, worker.deleting) == (moment(20), moment(50))
    assert not worker.accounted


@pytest.mark.parametrize("text", ["unknown", "", "1/0", "a lot"])
def test_a_price_that_is_none_is_unknown(text: str) -> None:
    worker = documents.pod(pod(annotations={meta.PRICE_ANNOTATION: text})).worker
    assert worker is not None
    assert worker.usd_per_hour is None


def test_a_child_job_names_its_owner_and_its_end() -> None:
    document = {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "uid": "child",
            "ownerReferences": [{"uid": "other"}, {"uid": "uid-job", "controller": True}],
        },
        "spec": {"suspend": True},
        "status": {
            "conditions": [
                {"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy"},
                {
                    "type": "Failed",
                    "status": "True",
                    "reason": "PodFailurePolicy",
                    "message": "a rule matched",
                    "lastTransitionTime": at(40),
                },
            ]
        },
    }
    found = documents.child_job(document)
    assert found.owner_uid == "uid-job"
    assert found.suspended
    assert found.failed == ("PodFailurePolicy", "a rule matched")
    assert found.ended == moment(40)
    assert not found.complete


def test_a_pod_given_up_with_its_node_has_no_later_end() -> None:
    """A kubelet that comes back and tells of an end must not change a bill that is written."""
    lost = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "NodeLost",
        "lastTransitionTime": at(20),
    }
    status = {
        "phase": "Failed",
        "conditions": [SCHEDULED, lost],
        "containerStatuses": [ended(0)],
    }
    worker = documents.pod(pod(status=status)).worker
    assert worker is not None
    assert (worker.ended, worker.disrupted) == (None, moment(20))


def shared_node(labels: Json, allocatable: Json) -> Json:
    document = node(allocatable={"cpu": "32", "memory": "64Gi", "pods": "110", **allocatable})
    document["metadata"]["labels"] |= labels
    return document


def test_a_node_with_mig_devices_is_read_with_what_they_are_of_a_gpu() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "2"}
    found = documents.node(
        shared_node(labels, {"nvidia.com/gpu": "1", "nvidia.com/mig-1g.10gb": "7"})
    )
    assert found.allocatable.gpus == 1
    assert found.allocatable.parts == (("nvidia.com/mig-1g.10gb", 7),)
    assert found.fractions == {"nvidia.com/mig-1g.10gb": Fraction(1, 7)}
    assert found.gpu_count == 2


def test_slots_that_are_called_gpus_are_slots_and_the_model_is_the_gpus() -> None:
    labels = {"nvidia.com/gpu.product": "Tesla-T4-SHARED", "nvidia.com/gpu.replicas": "4"}
    found = documents.node(shared_node(labels, {"nvidia.com/gpu": "8"}))
    assert found.allocatable.gpus == 0
    assert found.allocatable.parts == (("nvidia.com/gpu", 8),)
    assert (found.accelerator, found.gpu_count) == ("Tesla-T4", 2)
    held = documents.held_on(found, Resources(cpu_m=500, gpus=3, pods=2))
    assert held == Resources(cpu_m=500, pods=2, parts=(("nvidia.com/gpu", 3),))
    plain = documents.node(node())
    assert documents.held_on(plain, Resources(gpus=3)) == Resources(gpus=3)


def test_parts_that_become_fewer_are_seen() -> None:
    labels = {"nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB", "nvidia.com/gpu.count": "1"}
    before = documents.node(shared_node(labels, {"nvidia.com/mig-1g.10gb": "7"}))
    after = documents.node(shared_node(labels, {"nvidia.com/mig-1g.10gb": "5"}))
    six = Resources(parts=(("nvidia.com/mig-1g.10gb", 6),))
    each = Resources(parts=(("nvidia.com/mig-1g.10gb", 1),))
    assert each.times_within(replace(before, used=six).free) == 1
    assert each.times_within(replace(after, used=six).free) == 0


def test_a_pod_holds_parts_and_one_of_a_daemon_set_is_known_as_such() -> None:
    limits = {"nvidia.com/mig-1g.10gb": "2"}
    spec = {"containers": [{"name": "any", "resources": {"requests": limits, "limits": limits}}]}
    found = documents.pod(pod(spec, labels={}))
    assert found.holds == Resources(pods=1, parts=(("nvidia.com/mig-1g.10gb", 2),))
    assert not found.daemon
    document = pod(spec, labels={})
    document["metadata"]["ownerReferences"] = [{"kind": "DaemonSet", "name": "logs"}]
    assert documents.pod(document).daemon


def test_a_node_that_is_about_to_go_says_so() -> None:
    assert documents.node(node()).reclaim is None
    notice = {"key": "cloud.google.com/impending-node-termination", "effect": "NoSchedule"}
    tainted = documents.node(node(spec={"taints": [notice]})).reclaim
    assert tainted is not None
    assert (tainted.by, tainted.grace_s) == ("Google", 30.0)
    condition = {
        "type": "PreemptScheduled",
        "status": "True",
        "lastTransitionTime": "2026-11-23T10:00:00Z",
    }
    conditions = [{"type": "Ready", "status": "True"}, condition]
    told = documents.node(node(conditions=conditions)).reclaim
    assert told is not None
    assert told.since == datetime(2026, 11, 23, 10, tzinfo=UTC)
    event = {**condition, "type": "VMEventScheduled", "message": "Preempt Scheduled: soon."}
    seen = documents.node(node(conditions=[event])).reclaim
    assert seen is not None
    assert seen.why == "spot eviction"
    assert documents.node(node(conditions=[{**event, "message": None}])).reclaim is None
    passed = [{"type": "Ready", "status": "True"}, {**condition, "status": "False"}]
    assert documents.node(node(conditions=passed)).reclaim is None
