"""What the operator keeps of Kubernetes' documents: nodes, pods and jobs as domain values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from quartermaster.api import meta
from quartermaster.catalog import nodes, partitions
from quartermaster.catalog.reclaim import Observed, reclaim
from quartermaster.decide import workers
from quartermaster.domain.cluster import Node, Taint
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.resources import NOTHING, Amounts, GpuResource, Resources, amounts
from quartermaster.domain.worker import ChildJob, Exit, Phase, Worker
from quartermaster.manifests import devices
from quartermaster.manifests.held import held_from_text, prices_from_text, rate_from_text
from quartermaster.manifests.worker import CONTAINER
from quartermaster.units import byte_count, millicores

Document = Mapping[str, Any]

_USD = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?", re.ASCII)
CLOCKS_APART = timedelta(seconds=5)
"""Clocks of nodes and of the API server may differ by so much, and mean the same moment."""
INDEX_LABEL = "batch.kubernetes.io/job-completion-index"


def time(text: str | None) -> datetime | None:
    """A metav1 time."""
    return None if not text else datetime.fromisoformat(text).astimezone(UTC)


def address(document: Document) -> NamespacedName:
    """An object's namespace and name."""
    metadata = document["metadata"]
    return NamespacedName(metadata.get("namespace", ""), metadata["name"])


def node(document: Document) -> Node:
    """A node; what its pods hold is added when a snapshot is taken."""
    labels: Mapping[str, str] = document["metadata"].get("labels") or {}
    annotations: Mapping[str, str] = document["metadata"].get("annotations") or {}
    spec, status = document.get("spec") or {}, document.get("status") or {}
    ready = _condition(status, "Ready")
    offered: Mapping[str, str] = status.get("allocatable") or {}
    allocatable, gpu_resource = _resources(offered), _gpu_resource(offered)
    allocatable = replace(allocatable, gpus=byte_count(offered.get(gpu_resource, "0")))
    counts = {gpu_resource.value: allocatable.gpus, **dict(allocatable.parts)}
    parting = partitions.parting(counts, labels)
    if parting is not None:
        parts = amounts(dict(parting.parts))
        allocatable = replace(allocatable, gpus=parting.whole, parts=parts)
    taints = tuple(
        Taint(taint["key"], taint.get("value", ""))
        for taint in spec.get("taints") or ()
        if taint.get("effect") in ("NoSchedule", "NoExecute")
    )
    return Node(
        name=document["metadata"]["name"],
        allocatable=allocatable,
        labels=labels,
        accelerator=partitions.model_name(nodes.model(labels, allocatable.devices)),
        gpu_resource=gpu_resource,
        instance_type=nodes.instance_type(labels),
        capacity=nodes.capacity(labels),
        ready=ready is not None and ready.get("status") == "True",
        cordoned=bool(spec.get("unschedulable")),
        taints=taints,
        reclaim=reclaim(
            (taint.key for taint in taints),
            {
                condition["type"]: Observed(
                    time(condition.get("lastTransitionTime")), str(condition.get("message") or "")
                )
                for condition in status.get("conditions") or ()
                if condition.get("status") == "True"
            },
        ),
        fractions={} if parting is None else parting.fractions,
        parted_gpus=None if parting is None else parting.gpus,
        provider=nodes.provider(str(spec.get("providerID") or ""), labels),
        region=nodes.region(labels),
        zone=nodes.zone(labels),
        told_usd_per_hour=_usd(annotations.get(meta.NODE_PRICE_ANNOTATION, "")),
        created=time(document["metadata"].get("creationTimestamp")),
        uid=document["metadata"].get("uid", ""),
    )


def _usd(text: str) -> Fraction | None:
    """An amount of money; None where there is none, or it is not one. Anybody may write it."""
    return Fraction(text) if _USD.fullmatch(text) else None


def _gpu_resource(offered: Mapping[str, str]) -> GpuResource:
    """The first maker of whom a node offers GPUs; those of a second one are not used."""
    makers = (it for it in GpuResource if byte_count(offered.get(it, "0")) > 0)
    return next(makers, GpuResource.NVIDIA)


def held_on(node: Node, held: Resources) -> Resources:
    """What a node's pods hold: where GPUs are shared without another name, slots of them."""
    if held.gpus and any(name == partitions.GPU for name, _ in node.allocatable.parts):
        slots = Resources(parts=((partitions.GPU, held.gpus),))
        return replace(held, gpus=0) + slots
    return held


def _resources(quantities: Mapping[str, str]) -> Resources:
    return Resources(
        cpu_m=millicores(quantities.get("cpu", "0")),
        memory=byte_count(quantities.get("memory", "0")),
        # Counts are quantities too: the kubelet writes a thousand pods as 1k.
        gpus=sum(byte_count(quantities.get(it, "0")) for it in GpuResource),
        pods=byte_count(quantities.get("pods", "0")),
        parts=amounts(
            {
                name: byte_count(text)
                for name, text in quantities.items()
                if partitions.is_part(name)
            }
        ),
    )


@dataclass(frozen=True, slots=True)
class Pod:
    """What any pod holds, and the worker that it is if it is one of ours."""

    key: NamespacedName
    uid: str
    node: str | None
    holds: Resources
    """Nothing once it is over."""
    worker: Worker | None = None
    daemon: bool = False
    """Whether a DaemonSet keeps it on its node."""
    claims: Amounts = ()
    """Devices that it claims as one of ours, by DeviceClass [count]; none once it is over."""
    asks: Resources = NOTHING
    """What it holds or held."""
    bound: datetime | None = None
    """When the scheduler bound it."""
    released: datetime | None = None
    """When its node was free of it again; None while it is not."""


def pod(document: Document) -> Pod:
    """A pod. One that is over holds nothing; one placed by us and not yet bound holds its place."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    status = document.get("status") or {}
    over = status.get("phase") in ("Succeeded", "Failed")
    ours = meta.JOB_UID_LABEL in (metadata.get("labels") or {})
    place = spec.get("nodeName") or (_placed_on(spec) if ours else None)
    gated = bool(spec.get("schedulingGates"))
    worker = _worker(document, None if gated else place) if ours else None
    asks = _held(spec)
    return Pod(
        key=address(document),
        uid=metadata["uid"],
        node=None if gated else place,
        holds=NOTHING if over else asks,
        worker=worker,
        claims=_noted(metadata) if ours and not over else (),
        daemon=any(o.get("kind") == "DaemonSet" for o in metadata.get("ownerReferences") or ()),
        asks=asks,
        bound=_bound(status),
        released=workers.released(worker) if worker is not None else _ended(status, over=over),
    )


def _noted(metadata: Document) -> Amounts:
    """The devices that a pod of ours claims, by class."""
    text = (metadata.get("annotations") or {}).get(meta.DEVICES_ANNOTATION, "")
    return amounts(devices.noted(text))


def _bound(status: Document) -> datetime | None:
    """When the scheduler bound it; one that its kubelet made began by the kubelet's clock.

    A kubelet that comes back and rejects a pod that it had takes all conditions away and writes
    them anew, with the time of that. When it took the pod in at first stays.
    """
    scheduled = _condition(status, "PodScheduled") or {}
    told = scheduled.get("lastTransitionTime") if scheduled.get("status") == "True" else None
    bound, taken_in = time(told), time(status.get("startTime"))
    if bound is None or (taken_in is not None and taken_in < bound - CLOCKS_APART):
        return taken_in
    return bound


def _ended(status: Document, *, over: bool) -> datetime | None:
    """When the last container of a pod that is over ended; failing that when it was bound."""
    if not over:
        return None
    states = (each.get("state") or {} for each in status.get("containerStatuses") or ())
    ends = (time((state.get("terminated") or {}).get("finishedAt")) for state in states)
    return max((end for end in ends if end is not None), default=_bound(status))


def _held(spec: Document) -> Resources:
    """A pod's effective request, as the scheduler counts it.

    The containers run together, beside the init containers that are restarted for ever (sidecars);
    the other init containers run before them one by one, each beside the sidecars above it.
    """
    running = Resources(pods=1)
    for container in spec.get("containers") or ():
        running += _requested(container)
    sidecars, peak = NOTHING, NOTHING
    for container in spec.get("initContainers") or ():
        request = _requested(container)
        peak = peak.larger(sidecars + request)
        if container.get("restartPolicy") == "Always":
            sidecars += request
    return (running + sidecars).larger(peak) + _resources(spec.get("overhead") or {})


def _requested(container: Document) -> Resources:
    return _resources((container.get("resources") or {}).get("requests") or {})


def _placed_on(spec: Document) -> str | None:
    """The node that our placement patch named."""
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return None


def _worker(document: Document, place: str | None) -> Worker:
    metadata, spec = document["metadata"], document.get("spec") or {}
    status = document.get("status") or {}
    labels = metadata["labels"]
    scheduled = _condition(status, "PodScheduled") or {}
    refused = scheduled.get("reason") == "Unschedulable"
    state = _container_state(status)
    disruption = _condition(status, "DisruptionTarget") or {}
    lost = disruption.get("reason") == meta.NODE_LOST
    annotations = metadata.get("annotations") or {}
    return Worker(
        key=address(document),
        uid=metadata["uid"],
        job_uid=labels[meta.JOB_UID_LABEL],
        index=int(labels.get(INDEX_LABEL, "0")),
        created=_must(metadata["creationTimestamp"]),
        phase=Phase(status.get("phase", "Pending")),
        gates=tuple(gate["name"] for gate in spec.get("schedulingGates") or ()),
        node=place,
        bound=_bound(status),
        started=_started(state),
        # A pod that was given up with its node is charged until then: a kubelet that comes back
        # later must not change a bill that is written.
        ended=None if lost else time((state.get("terminated") or {}).get("finishedAt")),
        exit=_exit(state),
        deleting=time(metadata.get("deletionTimestamp")),
        disrupted=time(disruption.get("lastTransitionTime"))
        if disruption.get("status") == "True"
        else None,
        held_up=_held_up(state),
        unschedulable=str(scheduled.get("message", "")) if refused else "",
        unschedulable_since=time(scheduled.get("lastTransitionTime")) if refused else None,
        usd_per_hour=rate_from_text(annotations.get(meta.PRICE_ANNOTATION, "")),
        repriced=prices_from_text(annotations.get(meta.REPRICED_ANNOTATION, "[]")),
        held=held_from_text(annotations.get(meta.HELD_ANNOTATION, "")),
        job_name=labels.get(meta.JOB_LABEL, ""),
        accounted=meta.POD_FINALIZER in (metadata.get("finalizers") or ()),
    )


def _must(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _container_state(status: Document) -> Document:
    for container in status.get("containerStatuses") or ():
        if container.get("name") == CONTAINER:
            state: Document = container.get("state") or {}
            return state
    return {}


def _started(state: Document) -> datetime | None:
    """When the container began; one that could not be started has the beginning of all time."""
    began = time(
        (state.get("running") or {}).get("startedAt")
        or (state.get("terminated") or {}).get("startedAt")
    )
    return began if began is not None and began.timestamp() > 0 else None


def _exit(state: Document) -> Exit | None:
    ended = state.get("terminated")
    if not ended:
        return None
    return Exit(
        code=int(ended.get("exitCode", -1)),
        reason=str(ended.get("reason", "")),
        message=str(ended.get("message", "")),
    )


def _held_up(state: Document) -> tuple[str, str] | None:
    waiting = state.get("waiting") or {}
    reason = str(waiting.get("reason", ""))
    if reason in ("", "ContainerCreating", "PodInitializing"):
        return None
    return reason, str(waiting.get("message", ""))


def _condition(status: Document, kind: str) -> Document | None:
    found = (c for c in status.get("conditions") or () if c.get("type") == kind)
    return next(found, None)


@dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace's labels, by which a queue chooses whom it serves, and whether it goes."""

    name: str
    labels: Mapping[str, str]
    ending: bool = False


def namespace(document: Document) -> Namespace:
    """A namespace."""
    metadata = document["metadata"]
    ending = "deletionTimestamp" in metadata
    return Namespace(metadata["name"], metadata.get("labels") or {}, ending=ending)


def child_job(document: Document) -> ChildJob:
    """The Indexed Job of a TrainingJob."""
    metadata, status = document["metadata"], document.get("status") or {}
    owners = [o["uid"] for o in metadata.get("ownerReferences") or () if o.get("controller")]
    failed = _condition(status, "Failed") or {}
    complete = _condition(status, "Complete") or {}
    has_failed, is_complete = failed.get("status") == "True", complete.get("status") == "True"
    return ChildJob(
        key=address(document),
        uid=metadata["uid"],
        owner_uid=owners[0] if owners else "",
        workers=int((document.get("spec") or {}).get("completions") or 1),
        suspended=bool((document.get("spec") or {}).get("suspend")),
        complete=is_complete,
        failed=(str(failed.get("reason", "")), str(failed.get("message", "")))
        if has_failed
        else None,
        ended=time((failed if has_failed else complete).get("lastTransitionTime")),
        deleting="deletionTimestamp" in metadata,
    )
