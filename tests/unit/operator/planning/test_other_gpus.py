"""What jobs are weighed on: the cluster's own nodes, and what price lists offer where it is."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Profile, TrainingJobStatus
from quartermaster.decide.cost.ledger.other_gpu import Machine, Paid, cheapest
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import Measurement, MemoryKind
from quartermaster.planning.cluster import Documents, view_of
from quartermaster.planning.other_gpus import market, subject
from quartermaster.reconcile.profile import measured
from tests.support import make
from tests.support import qm_make as documents

GIB = 2**30
STEP = Measurement(
    step_seconds=0.5,
    data_wait_seconds=0.45,
    flops=3e13,
    memory_traffic_bytes=4e10,
    parameters=10**8,
    peak_memory_bytes=9 * GIB,
    memory_kind=MemoryKind.DEVICE,
    processes=2,
    precision=NumberFormat.BF16,
)
SPEC = make.spec(
    trainer={"workers": 2, "batchSize": 10, "resourcesPerWorker": {"gpus": 1, "cpu": "4"}}
)


def told(step: Measurement = STEP) -> Profile:
    return measured.profile(step, SPEC, "print", accelerator=make.H100, nodes=1)


def job(profile: Profile | None) -> JobRecord:
    return make.record(spec=SPEC, status=TrainingJobStatus(profile=profile))


def test_a_job_is_what_it_was_measured_to_be() -> None:
    found = subject(job(told()))
    assert found is not None
    assert (found.workers, found.per_worker.gpus, found.memory_per_gpu) == (2, 1, 9 * GIB)
    assert found.profile.traffic_per_sample == 4e9


@pytest.mark.parametrize(
    "profile",
    [
        None,
        told().model_copy(update={"from_job": "another"}),
        told(replace(STEP, memory_kind=MemoryKind.PROCESS)),
        told(replace(STEP, peak_memory_bytes=None)),
        told(replace(STEP, flops=None)),
        told(replace(STEP, processes=None)),
        told().model_copy(update={"accelerator": ""}),
    ],
)
def test_of_a_job_that_tells_less_nothing_is_weighed(profile: Profile | None) -> None:
    assert subject(job(profile)) is None


def node(name: str, instance: str, gpu: str, gpus: int, **more: Any) -> dict[str, Any]:
    labels = {
        "node.kubernetes.io/instance-type": instance,
        "nvidia.com/gpu.product": gpu,
        "topology.kubernetes.io/region": "us-east-1",
        "karpenter.sh/capacity-type": "on-demand",
    }
    allocatable = {"cpu": "16", "memory": "128Gi", "pods": "110", "nvidia.com/gpu": str(gpus)}
    return {
        "metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": labels},
        "spec": {"providerID": "aws:///us-east-1a/i-1", **more},
        "status": {
            "allocatable": allocatable,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def machines(*nodes: dict[str, Any], pools: tuple[dict[str, Any], ...] = ()) -> list[Machine]:
    view = view_of(
        Documents(
            nodes=nodes,
            namespaces=(),
            pods=(),
            training_jobs=(),
            compute_pools=pools,
            compute_queues=(),
        )
    )
    return list(market(view).machines)


P5 = node("a", "p5.48xlarge", make.H100, 8)


def test_the_lists_are_asked_where_the_cluster_is() -> None:
    found = machines(P5)
    assert {machine.where.split(" in ")[-1].split(",")[0] for machine in found[1:]} == {"us-east-1"}
    (small,) = [m for m in found if m.where.startswith("g6.xlarge") and m.capacity == "OnDemand"]
    assert (small.joined, small.has.gpus, small.accelerator.name) == (False, 1, "NVIDIA-L4")
    assert small.usd_per_hour == Fraction("0.8048")
    assert small.where == "g6.xlarge in us-east-1, catalogue of 2026-07-20"


def test_a_cluster_that_tells_no_region_has_its_own_nodes_alone() -> None:
    bare = node("a", "p5.48xlarge", make.H100, 8)
    bare["metadata"]["labels"].pop("topology.kubernetes.io/region")
    price = {"instanceType": "p5.48xlarge", "capacityType": "OnDemand", "usdPerNodeHour": "55.04"}
    pool = documents.pool("own", spec={"nodeSelector": {}, "prices": [price]})
    pool["metadata"] |= {"uid": "uid-own", "resourceVersion": "1"}
    (found,) = machines(bare, pools=(pool,))
    assert (found.joined, found.usd_per_hour) == (True, Fraction("55.04"))
    assert found.where == "p5.48xlarge of this cluster, pool own"


def test_a_kind_of_node_is_told_once_and_not_from_the_list_again() -> None:
    found = machines(P5, node("b", "p5.48xlarge", make.H100, 8))
    here = [m for m in found if "p5.48xlarge" in m.where and m.capacity is Capacity.ON_DEMAND]
    assert [m.joined for m in here] == [True]


@pytest.mark.parametrize(
    "more",
    [
        {"unschedulable": True},
        {"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]},
    ],
)
def test_a_node_that_takes_nobody_is_no_offer(more: dict[str, Any]) -> None:
    assert not [m for m in machines(node("a", "p5.48xlarge", make.H100, 8, **more)) if m.joined]


def test_a_job_of_the_cluster_is_weighed_on_the_list() -> None:
    """From the documents to the answer: two processes that mostly wait for their samples."""
    weighed = market(
        view_of(
            Documents(
                nodes=[P5],
                namespaces=(),
                pods=(),
                training_jobs=[
                    {
                        "metadata": {
                            "name": "job",
                            "namespace": "team",
                            "uid": "uid-job",
                            "resourceVersion": "1",
                            "creationTimestamp": "2026-11-23T10:00:00Z",
                        },
                        "spec": SPEC.model_dump(mode="json", by_alias=True, exclude_none=True),
                        "status": {
                            "profile": told().model_dump(
                                mode="json", by_alias=True, exclude_none=True
                            )
                        },
                    }
                ],
                compute_pools=(),
                compute_queues=(),
            )
        )
    )
    found = cheapest(
        weighed.subjects["team", "job"],
        Paid(make.H100, Capacity.ON_DEMAND, Fraction("6.88")),
        weighed.machines,
        weighed.hardware,
    )
    assert found is not None
    assert found.machine.accelerator.name != make.H100
    assert found.machine.joined is False
    assert found.cost < Fraction(3, 4)
