"""Builders of domain values: a test names only what it is about."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import TrainingJobStatus
from quartermaster.catalog import partitions
from quartermaster.domain.cluster import Capacity, Node, Pool, PriceRow, Snapshot, Taint
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.resources import NOTHING, Resources, amounts
from quartermaster.domain.worker import ChildJob, Worker
from quartermaster.domain.workload import Gang, TopologyMode

GIB = 2**30
T0 = datetime(2026, 11, 23, 10, 0, 0, tzinfo=UTC)
"""When every test begins."""
ZONE = "topology.kubernetes.io/zone"
REGION = "topology.kubernetes.io/region"
T4 = "Tesla-T4"
H100 = "NVIDIA-H100-80GB-HBM3"


def after(seconds: float) -> datetime:
    """A moment this long after the beginning."""
    return T0 + timedelta(seconds=seconds)


def resources(
    gpus: int = 0, cpu: float = 1, memory_gib: float = 1, pods: int = 1, **parts: int
) -> Resources:
    """`mig_1g_10gb=7` and `shared=4` are parts of GPUs."""
    named = {
        partitions.resource(
            name.removeprefix("mig_").replace("_", "." if name.startswith("mig_") else "-")
        ): count
        for name, count in parts.items()
    }
    return Resources(round(cpu * 1000), round(memory_gib * GIB), gpus, pods, amounts(named))


def node(
    name: str = "node-a",
    gpus: int = 4,
    *,
    gpu: str = T4,
    zone: str = "",
    labels: Mapping[str, str] | None = None,
    capacity: Capacity = Capacity.ON_DEMAND,
    allocatable: Resources | None = None,
    used: Resources = NOTHING,
    taints: Iterable[Taint] = (),
    **more: Any,
) -> Node:
    """A ready node with 32 CPUs, 128 GiB and these GPUs."""
    told = dict(labels or {}) | ({ZONE: zone} if zone else {})
    return Node(
        name=name,
        allocatable=allocatable or resources(gpus, cpu=32, memory_gib=128, pods=110),
        used=used,
        labels=told,
        accelerator=gpu if gpus else "",
        capacity=capacity,
        taints=tuple(taints),
        **more,
    )


def price(usd_per_gpu_hour: str | None = None, **match: Any) -> PriceRow:
    exact = None if usd_per_gpu_hour is None else Fraction(usd_per_gpu_hour)
    return PriceRow(usd_per_gpu_hour=exact, **match)


def pool(name: str = "pool", *prices: PriceRow, **more: Any) -> Pool:
    return Pool(name=name, prices=prices, **more)


def snapshot(nodes: Iterable[Node], *pools: Pool) -> Snapshot:
    return Snapshot(tuple(nodes), tuple(sorted(pools, key=lambda pool: pool.name)))


def gang(
    size: int = 2,
    gpus: int = 1,
    *,
    topology: TopologyMode = TopologyMode.UNCONSTRAINED,
    **more: Any,
) -> Gang:
    per_worker = more.pop("per_worker", resources(gpus))
    name = more.pop("name", "job")
    return Gang(
        key=NamespacedName("team", name),
        uid=more.pop("uid", f"uid-{name}"),
        created=more.pop("created", T0),
        indices=tuple(more.pop("indices", range(size))),
        per_worker=per_worker,
        topology=topology,
        **more,
    )


def worker(index: int = 0, *, job_uid: str = "uid-job", life: int = 0, **more: Any) -> Worker:
    """A worker pod; `life` counts the pods of one index."""
    uid = more.pop("uid", f"pod-{index}-{life}")
    return Worker(
        key=NamespacedName("team", f"job-{index}-{life}"),
        uid=uid,
        job_uid=job_uid,
        index=index,
        created=more.pop("created", T0),
        **more,
    )


def child(job_uid: str = "uid-job", name: str = "job", **more: Any) -> ChildJob:
    return ChildJob(NamespacedName("team", name), f"child-of-{job_uid}", job_uid, **more)


def spec(**more: Any) -> TrainingJobSpec:
    """The built-in loop on digits; keywords are fields in the document's own spelling."""
    document: dict[str, Any] = {
        "model": {"factory": "qm_trainer.zoo:mlp"},
        "dataset": {"uri": "builtin://digits"},
        **more,
    }
    return TrainingJobSpec.model_validate(document)


def record(name: str = "job", spec: TrainingJobSpec | None = None, **more: Any) -> JobRecord:
    return JobRecord(
        key=NamespacedName("team", name),
        uid=more.pop("uid", f"uid-{name}"),
        generation=more.pop("generation", 1),
        created=more.pop("created", T0),
        spec=spec,
        faults=more.pop("faults", ()),
        status=more.pop("status", TrainingJobStatus()),
        **more,
    )
