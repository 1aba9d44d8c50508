"""Clusters for simulation: a saved cycle without its jobs, or groups of equal nodes in YAML."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, ValidationError

from quartermaster.adapters import scene
from quartermaster.api import compute_queue
from quartermaster.api.base import ApiModel, ByteQuantity, CpuQuantity, LabelKey, LabelValue, Money
from quartermaster.api.base import Name as ObjectName
from quartermaster.api.compute_queue import ComputeQueueSpec
from quartermaster.api.placement import CapacityType
from quartermaster.api.rule import Rule
from quartermaster.catalog.instances import instance
from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.queue.room import without
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.queue import Queue
from quartermaster.errors import SpecError
from quartermaster.planning.cluster import Documents, view_of
from quartermaster.planning.yaml_file import documents

GROUP_LABEL = "quartermaster.dev/node-group"
"""On the nodes of a group, and what the pool of each selects by."""
MAX_NODES = 100_000

ONE_PRICE = Rule(
    message="give either usdPerNodeHour or usdPerGpuHour",
    holds=lambda group: group.usd_per_node_hour is None or group.usd_per_gpu_hour is None,
)


class NodeGroup(ApiModel):
    """Equal nodes, and what they cost."""

    RULES: ClassVar = (ONE_PRICE,)

    name: ObjectName
    """Of the group; its nodes are numbered after it, and it is their ComputePool."""
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_NODES)] = 1
    """Nodes [count]."""
    instance_type: LabelValue = ""
    """What the catalogue knows of it is taken where the fields below say nothing else."""
    capacity_type: CapacityType = CapacityType.AUTO
    """`Auto` is unknown."""
    accelerator: LabelValue | None = None
    """GPU model, as `nvidia.com/gpu.product` names it."""
    gpus: Annotated[int, Field(strict=True, ge=0, le=64)] | None = None
    """GPUs of one node [count]."""
    cpu: CpuQuantity | None = None
    """Of one node, allocatable [cores]."""
    memory: ByteQuantity | None = None
    """Of one node, allocatable [bytes]."""
    pods: Annotated[int, Field(strict=True, ge=1, le=1000)] = 110
    """Pods that one node takes [count]."""
    labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=32)] = Field(
        default_factory=dict
    )
    """Further labels, such as `topology.kubernetes.io/zone`."""
    usd_per_node_hour: Money | None = None
    """[USD/h]; without a price that of the catalogue, if the labels name a region, else unknown."""
    usd_per_gpu_hour: Money | None = None
    """[USD/h]"""


class ClusterFile(ApiModel):
    """A cluster in few lines."""

    node_groups: Annotated[list[NodeGroup], Field(min_length=1, max_length=256)]
    """The nodes."""


def read_cluster(source: str, raw: bytes) -> tuple[Snapshot, tuple[Queue, ...]]:
    """An empty cluster and its queues.

    Of a saved cycle, the jobs that run or wait in it are taken away; what other pods hold stays.

    Args:
        source: What the file is called in complaints.
        raw: A saved cycle in JSON, or groups of nodes in YAML.

    Raises:
        SpecError: It is neither.
    """
    if raw.lstrip().startswith(b"{"):
        try:
            saved = scene.read(raw)
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from error
        queues = [q for q in saved.tree.queues.values() if not q.unlimited]
        return without(fleet_of(saved.snapshot), saved.holdings).snapshot(), tuple(queues)
    document = next(iter(documents(source, raw)), None)
    try:
        told = ClusterFile.model_validate(document)
    except ValidationError as error:
        raise SpecError(f"{source}: {_first(error)}") from error
    names = [group.name for group in told.node_groups]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SpecError(f"{source}: nodeGroups: {twice[0]} is there twice")
    nodes = [node for group in told.node_groups for node in _nodes(source, group)]
    pools = [_pool(group) for group in told.node_groups]
    view = view_of(Documents(_numbered(nodes), (), (), (), _numbered(pools), ()))
    return view.snapshot(), ()


def read_queues(source: str, raw: bytes) -> tuple[Queue, ...]:
    """The ComputeQueues of a YAML file; other kinds are passed over.

    Raises:
        SpecError: One of them would be refused, or there is none.
    """
    found = []
    for document in documents(source, raw):
        if not isinstance(document, Mapping) or document.get("kind") != compute_queue.KIND:
            continue
        name = (document.get("metadata") or {}).get("name")
        if not isinstance(name, str) or not name:
            raise SpecError(f"{source}: a {compute_queue.KIND} has no metadata.name")
        try:
            ComputeQueueSpec.model_validate(document.get("spec") or {})
        except ValidationError as error:
            raise SpecError(f"{source}: {name}: spec.{_first(error)}") from error
        found.append({"metadata": {"name": name}, "spec": document.get("spec") or {}})
    if not found:
        raise SpecError(f"{source}: there is no {compute_queue.KIND} in it")
    return view_of(Documents((), (), (), (), (), _numbered(found))).queues()


def _nodes(source: str, group: NodeGroup) -> Iterator[dict[str, Any]]:
    known = instance(group.instance_type)
    gpus = group.gpus if group.gpus is not None else (known.gpus if known else None)
    cpu = group.cpu or (str(known.vcpus) if known else None)
    memory = group.memory or (str(known.memory_bytes) if known else None)
    accelerator = group.accelerator or (known.accelerator if known else "")
    lacking = [
        name for name, value in (("gpus", gpus), ("cpu", cpu), ("memory", memory)) if value is None
    ]
    if lacking:
        what = f"{group.instance_type} is not in the catalogue" if group.instance_type else ""
        reason = what or "there is no instanceType"
        raise SpecError(f"{source}: nodeGroups: {group.name}: {reason}: give {', '.join(lacking)}")
    labels = {GROUP_LABEL: group.name, **group.labels}
    if group.instance_type:
        labels["node.kubernetes.io/instance-type"] = group.instance_type
    if gpus and accelerator:
        labels.setdefault("nvidia.com/gpu.product", accelerator)
    if group.capacity_type is not CapacityType.AUTO:
        spot = group.capacity_type is CapacityType.SPOT
        labels["karpenter.sh/capacity-type"] = "spot" if spot else "on-demand"
    status = {
        "allocatable": {
            "cpu": cpu, "memory": memory, "nvidia.com/gpu": str(gpus), "pods": str(group.pods)
        },
        "conditions": [{"type": "Ready", "status": "True"}],
    }  # fmt: skip
    digits = len(str(group.count - 1))
    for number in range(group.count):
        name = f"{group.name}-{number:0{digits}d}"
        yield {"metadata": {"name": name, "labels": labels}, "status": status}


def _pool(group: NodeGroup) -> dict[str, Any]:
    prices = {"usdPerNodeHour": group.usd_per_node_hour, "usdPerGpuHour": group.usd_per_gpu_hour}
    row = {name: price for name, price in prices.items() if price is not None}
    spec = {"nodeSelector": {GROUP_LABEL: group.name}, "prices": [row] if row else []}
    return {"metadata": {"name": group.name}, "spec": spec}


def _numbered(made: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """With what an API server would have added."""
    for number, document in enumerate(made, 1):
        added = {"uid": str(number), "resourceVersion": str(number)}
        yield {**document, "metadata": {**document["metadata"], **added}}


def _first(error: ValidationError) -> str:
    fault = error.errors(include_url=False)[0]
    path = ".".join(str(part) for part in fault["loc"]) or "the document"
    return f"{path}: {str(fault['msg']).removeprefix('Value error, ')}"
