"""What the commands show, as frozen values built from the API server's documents.

One class a thing, one function that reads it. Renderers and the JSON output know only these.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from kubectl_qm.access.document import Document
from kubectl_qm.cluster import Json
from kubectl_qm.spending.predicted import Outcome, Prediction, outcome, prediction
from kubectl_qm.spent import NOTHING_TOLD, Spent, spent
from quartermaster.api.meta import QUEUE_LABEL

ENDED_STATES = frozenset({"Complete", "Failed"})
"""States that a job does not leave."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A metav1 condition."""

    type: str
    status: str
    reason: str
    message: str
    last_transition_time: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is."""

    percentage: int
    """Share of the steps that are done [percent], 0 to 100."""
    step: int
    total_steps: int
    """Steps in all [count]; 0 while unknown."""
    epoch: int
    """The running epoch from 1; 0 while unknown."""
    remaining: str
    estimated_completion_time: datetime | None
    loss: str
    samples_per_second: str
    metrics: tuple[tuple[str, str], ...]
    last_report_time: datetime | None


@dataclass(frozen=True, slots=True)
class Profile:
    """What a step is made of; decimal numbers, None is unknown."""

    bound: str
    step_seconds: Decimal | None
    compute_fraction: Decimal | None
    communication_fraction: Decimal | None
    data_wait_fraction: Decimal | None
    memory_per_worker: str
    mfu: Decimal | None
    source: str
    from_job: str
    """The job that it was measured in; empty where it is this one."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A candidate that was not chosen."""

    candidate: str
    reason: str


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the gang is, and why there or nowhere."""

    accelerator: str
    nodes: tuple[str, ...]
    """The first nodes by worker index; the status does not list more than sixteen."""
    node_count: int
    capacity_type: str
    pool: str
    topology_level: str
    reason: str
    rejected: tuple[Rejected, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """What the job has cost; None is unknown, which is not zero."""

    total: Decimal | None
    rate_per_hour: Decimal | None
    currency: str
    price_source: str
    unpriced_seconds: int
    """Time on nodes without a price, over all pods [s]."""
    spent: Spent = NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The newest complete checkpoint."""

    step: int
    time: datetime | None
    uri: str


@dataclass(frozen=True, slots=True)
class Result:
    """What the run left behind."""

    model_uri: str
    duration_seconds: int


@dataclass(frozen=True, slots=True)
class Job:
    """A TrainingJob."""

    namespace: str
    name: str
    uid: str
    creation_time: datetime | None
    generation: int
    observed_generation: int
    """The generation of the spec that the status is about; 0 before the operator looked."""
    state: str
    runs: str
    """What is run: the model's factory or the command."""
    dataset: str
    epochs: int
    suspend: bool
    managed_by: str
    queue: str
    wanted_workers: int
    gpus_per_worker: int
    gpu_partition: str
    """Of what kind they are: a MIG profile, `shared`; empty for whole GPUs."""
    workers: str
    """Running of wanted, `1/2`."""
    start_time: datetime | None
    completion_time: datetime | None
    progress: Progress | None
    profile: Profile | None
    placement: Placement | None
    cost: Cost | None
    restarts: int
    interruptions: int
    checkpoint: Checkpoint | None
    result: Result | None
    prediction: Prediction | None
    outcome: Outcome | None
    conditions: tuple[Condition, ...]

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.state in ENDED_STATES

    @property
    def is_observed(self) -> bool:
        """Whether the operator has ever looked."""
        return bool(self.observed_generation or self.conditions)

    def condition(self, kind: str) -> Condition | None:
        """The condition of a type, if it is there."""
        return next((each for each in self.conditions if each.type == kind), None)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was observed about an object."""

    time: datetime | None
    type: str
    reason: str
    message: str
    count: int


@dataclass(frozen=True, slots=True)
class Price:
    """A row of a pool's prices; empty matches any."""

    instance_type: str
    accelerator: str
    capacity_type: str
    usd_per_node_hour: Decimal | None
    usd_per_gpu_hour: Decimal | None


@dataclass(frozen=True, slots=True)
class Pool:
    """A ComputePool."""

    name: str
    creation_time: datetime | None
    node_selector: tuple[tuple[str, str], ...]
    topology_levels: tuple[str, ...]
    prices: tuple[Price, ...]
    price_source: str
    has_status: bool
    """False before the operator looked: the counts below then mean nothing."""
    nodes: int
    gpus: int
    gpus_used: int
    conditions: tuple[Condition, ...]


def job(content: Json) -> Job:
    """A TrainingJob as it is shown."""
    document = Document(content)
    meta, spec, status = document.at("metadata"), document.at("spec"), document.at("status")
    wanted = spec.number("trainer", "workers") or 1
    return Job(
        namespace=meta.text("namespace"),
        name=meta.text("name"),
        uid=meta.text("uid"),
        creation_time=meta.moment("creationTimestamp"),
        generation=meta.number("generation"),
        observed_generation=status.number("observedGeneration"),
        state=status.text("state") or "Pending",
        runs=spec.text("model", "factory") or " ".join(spec.texts("trainer", "command")),
        dataset=spec.text("dataset", "uri"),
        epochs=spec.number("trainer", "epochs"),
        suspend=spec.is_true("suspend"),
        managed_by=spec.text("managedBy"),
        queue=meta.text("labels", QUEUE_LABEL),
        wanted_workers=wanted,
        gpus_per_worker=_gpus_per_worker(spec),
        gpu_partition=spec.text("trainer", "resourcesPerWorker", "gpuPartition"),
        workers=status.text("workers") or f"0/{wanted}",
        start_time=status.moment("startTime"),
        completion_time=status.moment("completionTime"),
        progress=_progress(status.at("progress")),
        profile=_profile(status.at("profile")),
        placement=_placement(status.at("placement")),
        cost=_cost(status.at("cost")),
        restarts=status.number("goodput", "restarts"),
        interruptions=status.number("goodput", "interruptions"),
        checkpoint=_checkpoint(status.at("checkpoint")),
        result=_result(status.at("result")),
        prediction=prediction(status.at("prediction")),
        outcome=outcome(status.at("outcome")),
        conditions=_conditions(status),
    )


def event(content: Json) -> Event:
    """A core/v1 event; its series counts when it has one."""
    document = Document(content)
    last = document.moment("series", "lastObservedTime") or document.moment("lastTimestamp")
    return Event(
        time=last or document.moment("eventTime") or document.moment("firstTimestamp"),
        type=document.text("type"),
        reason=document.text("reason"),
        message=document.text("message"),
        count=document.number("series", "count") or document.number("count") or 1,
    )


def merged(events: Iterable[Event]) -> list[Event]:
    """Events by time, those that say the same as one: counted, with the time of the last."""
    said: dict[tuple[str, str, str], Event] = {}
    for each in sorted(events, key=lambda event: event.time.timestamp() if event.time else 0.0):
        key = (each.type, each.reason, each.message)
        before = said.pop(key, None)
        said[key] = replace(each, count=each.count + before.count) if before else each
    return list(said.values())


def pool(content: Json) -> Pool:
    """A ComputePool as it is shown."""
    document = Document(content)
    spec, status = document.at("spec"), document.at("status")
    return Pool(
        name=document.text("metadata", "name"),
        creation_time=document.moment("metadata", "creationTimestamp"),
        node_selector=spec.pairs("nodeSelector"),
        topology_levels=spec.texts("topologyLevels"),
        prices=tuple(map(_price, spec.items("prices"))),
        price_source=spec.text("priceSource"),
        has_status=bool(status),
        nodes=status.number("nodes"),
        gpus=status.number("gpus"),
        gpus_used=status.number("gpusUsed"),
        conditions=_conditions(status),
    )


def _gpus_per_worker(spec: Document) -> int:
    resources = spec.at("trainer", "resourcesPerWorker")
    return resources.number("gpus") if resources.has("gpus") else 1


def _progress(part: Document) -> Progress | None:
    if not part:
        return None
    return Progress(
        percentage=min(100, max(0, part.number("percentage"))),
        step=part.number("step"),
        total_steps=part.number("totalSteps"),
        epoch=part.number("epoch"),
        remaining=part.text("remaining"),
        estimated_completion_time=part.moment("estimatedCompletionTime"),
        loss=part.text("loss"),
        samples_per_second=part.text("samplesPerSecond"),
        metrics=part.pairs("metrics"),
        last_report_time=part.moment("lastReportTime"),
    )


def _profile(part: Document) -> Profile | None:
    if not part:
        return None
    return Profile(
        bound=part.text("bound"),
        step_seconds=part.decimal("stepSeconds"),
        compute_fraction=part.decimal("computeFraction"),
        communication_fraction=part.decimal("communicationFraction"),
        data_wait_fraction=part.decimal("dataWaitFraction"),
        memory_per_worker=part.text("memoryPerWorker"),
        mfu=part.decimal("mfu"),
        source=part.text("source"),
        from_job=part.text("fromJob"),
    )


def _placement(part: Document) -> Placement | None:
    if not part:
        return None
    nodes = part.texts("nodes")
    return Placement(
        accelerator=part.text("accelerator"),
        nodes=nodes,
        node_count=part.number("nodeCount") or len(set(nodes)),
        capacity_type=part.text("capacityType"),
        pool=part.text("pool"),
        topology_level=part.text("topologyLevel"),
        reason=part.text("reason"),
        rejected=tuple(
            Rejected(candidate=each.text("candidate"), reason=each.text("reason"))
            for each in part.items("rejected")
        ),
    )


def _cost(part: Document) -> Cost | None:
    if not part:
        return None
    return Cost(
        total=part.decimal("total"),
        rate_per_hour=part.decimal("ratePerHour"),
        currency=part.text("currency") or "USD",
        price_source=part.text("priceSource") or "Unknown",
        unpriced_seconds=part.number("unpricedSeconds"),
        spent=spent(part),
    )


def _checkpoint(part: Document) -> Checkpoint | None:
    if not part:
        return None
    return Checkpoint(step=part.number("step"), time=part.moment("time"), uri=part.text("uri"))


def _result(part: Document) -> Result | None:
    if not part:
        return None
    return Result(model_uri=part.text("modelUri"), duration_seconds=part.number("durationSeconds"))


def _conditions(status: Document) -> tuple[Condition, ...]:
    return tuple(
        Condition(
            type=each.text("type"),
            status=each.text("status"),
            reason=each.text("reason"),
            message=each.text("message"),
            last_transition_time=each.moment("lastTransitionTime"),
        )
        for each in status.items("conditions")
    )


def _price(row: Document) -> Price:
    return Price(
        instance_type=row.text("instanceType"),
        accelerator=row.text("accelerator"),
        capacity_type=row.text("capacityType") or "Auto",
        usd_per_node_hour=row.decimal("usdPerNodeHour"),
        usd_per_gpu_hour=row.decimal("usdPerGpuHour"),
    )
