"""What the operator reports of a TrainingJob. Small, and written only when it differs."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field

from quartermaster.api.base import ApiModel, ByteQuantity, Decimal9, MapList
from quartermaster.api.money.cost import Cost
from quartermaster.api.placement import DeadlineStatus
from quartermaster.api.status.outcome import OutcomeStatus, PredictionStatus
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import Busy, CounterSource, MemoryKind
from quartermaster.domain.profile import Bound

MAX_MESSAGE = 32768
"""What a metav1 condition may say [characters]."""


class State(StrEnum):
    """One word for the column; the conditions say more."""

    PENDING = "Pending"
    WAITING = "Waiting"
    STARTING = "Starting"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"
    STALLED = "Stalled"
    RESIZING = "Resizing"


class ConditionStatus(StrEnum):
    """The three values that a condition can have."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


Truth = tuple[ConditionStatus, str, str]
"""A condition's status, reason and message."""


class Condition(ApiModel):
    """A metav1 condition."""

    type: Annotated[str, Field(max_length=316)]
    """What it is about."""
    status: ConditionStatus
    """True, False or Unknown."""
    reason: Annotated[
        str,
        Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"),
    ]
    """Why, in one word for programs."""
    message: Annotated[str, Field(max_length=MAX_MESSAGE)] = ""
    """Why, for people, and what would change it."""
    last_transition_time: datetime
    """When the status last changed."""
    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation that it was judged from."""

    @classmethod
    def judged(
        cls, kind: str, truth: Truth, before: Iterable[Self], now: datetime, generation: int
    ) -> Self:
        """What is found of it now, since when its status is what it is.

        Args:
            kind: What it is about.
            truth: What was found; a message that is too long is cut.
            before: The conditions as they are written.
            now: The time: from now on, unless its status was the same before.
            generation: What it was judged from.
        """
        status, reason, message = truth
        same = (it for it in before if it.type == kind and it.status is status)
        since = next((it.last_transition_time for it in same), now.replace(microsecond=0))
        return cls(
            type=kind,
            status=status,
            reason=reason,
            message=message[:MAX_MESSAGE],
            last_transition_time=since,
            observed_generation=generation,
        )


class Progress(ApiModel):
    """How far the run is, as its rank 0 reported it."""

    summary: Annotated[str, Field(max_length=64)] = ""
    """For the column: `45% 270/600`."""
    percentage: Annotated[int, Field(ge=0, le=100)] = 0
    """Share of the steps that are done [percent]."""
    step: Annotated[int, Field(ge=0)] = 0
    """Steps done [count]."""
    total_steps: Annotated[int, Field(ge=0)] = 0
    """Steps in all [count]; 0 while unknown."""
    epoch: Annotated[int, Field(ge=0)] | None = None
    """The running epoch, from 1."""
    remaining: Annotated[str, Field(max_length=32)] = ""
    """Time to the end as it looks now, for the column: `3m20s`."""
    estimated_completion_time: datetime | None = None
    """When the run will end as it looks now."""
    loss: Annotated[str, Field(max_length=32)] | None = None
    """The last loss, a decimal string."""
    samples_per_second: Decimal9 | None = None
    """Samples trained on, over the whole gang [1/s]."""
    metrics: Annotated[dict[str, Annotated[str, Field(max_length=32)]], Field(max_length=16)] = (
        Field(default_factory=dict)
    )
    """The last measured metrics by name, decimal strings."""
    last_report_time: datetime | None = None
    """When the last report came."""


class Rejected(ApiModel):
    """A candidate that was not chosen."""

    candidate: Annotated[str, Field(max_length=256)]
    """Which combination."""
    reason: Annotated[str, Field(max_length=512)]
    """Why not, with numbers."""


class PlacementStatus(ApiModel):
    """Where the gang is, and why there."""

    accelerator: Annotated[str, Field(max_length=256)] = ""
    """GPU model or models."""
    nodes: Annotated[list[Annotated[str, Field(max_length=253)]], Field(max_length=16)] = Field(
        default_factory=list
    )
    """The first sixteen nodes, by worker index."""
    node_count: Annotated[int, Field(ge=0)] = 0
    """Nodes in all [count]."""
    capacity_type: Annotated[str, Field(max_length=64)] = ""
    """Spot, OnDemand, Mixed or Unknown."""
    pool: Annotated[str, Field(max_length=256)] = ""
    """ComputePool or pools."""
    topology_level: Annotated[str, Field(max_length=317)] = ""
    """The narrowest level in which the whole gang lies; empty when it spans domains."""
    reason: Annotated[str, Field(max_length=1024)] = ""
    """One sentence for the person who waits."""
    predicted_step_seconds: Decimal9 | None = None
    """What a training step should take there, a decimal string [s]; unset while that is unknown."""
    bound: Bound | None = None
    """What most of such a step goes into; unset while that is unknown."""
    rejected: Annotated[list[Rejected], Field(max_length=5)] = Field(default_factory=list)
    """What was weighed and not chosen."""


class Goodput(ApiModel):
    """How often the run was disturbed, and how much of its time counts."""

    restarts: Annotated[int, Field(ge=0)] = 0
    """Worker pods that ended without success and were started again [count]."""
    interruptions: Annotated[int, Field(ge=0)] = 0
    """Worker pods that Kubernetes, a lost node or a preemption ended [count].

    Those that a preemption ended are not among the restarts."""
    useful_seconds: Annotated[int, Field(ge=0)] = 0
    """Time of steps that count, over all pods [s]."""
    lost_seconds: Annotated[int, Field(ge=0)] = 0
    """Time of steps that were lost and of starting again, over all pods [s]."""


class StretchStatus(ApiModel):
    """A time in which the whole gang ran together."""

    together: datetime
    """When the last of its members began."""
    stepped: datetime | None = None
    """When the run first told of a step."""
    saved: datetime | None = None
    """When the newest state that outlives it was saved."""
    stalled_microseconds: Annotated[int, Field(ge=0)] = 0
    """How long steps stood still for saves [us]."""
    idle_microseconds: Annotated[int, Field(ge=0)] = 0
    """For how long its GPUs were seen to compute next to nothing [us]."""
    idle_saved_microseconds: Annotated[int, Field(ge=0)] = 0
    """What of that lay before the newest save [us]."""
    looked: datetime | None = None
    """Up to when that is known; unset where nobody counts."""
    complete: bool = False
    """Whether that state holds the last step, since the run was told to stop."""
    broken: datetime | None = None
    """When the first member ended without success."""


class CheckpointStatus(ApiModel):
    """The newest complete checkpoint."""

    step: Annotated[int, Field(ge=0)]
    """The step that it holds."""
    time: datetime
    """When it was complete."""
    uri: Annotated[str, Field(max_length=1024)]
    """Where it lies."""


class Result(ApiModel):
    """What the run left behind."""

    model_uri: Annotated[str, Field(max_length=1024)]
    """The trained model."""
    duration_seconds: Annotated[int, Field(ge=0)] = 0
    """From the first worker's start to the end [s]."""


class ProfileSource(StrEnum):
    """Where a profile comes from."""

    MEASURED = "Measured"


class DeviceProfile(ApiModel):
    """What the GPUs' own counters say of the steps. Decimal strings, no floats."""

    source: CounterSource
    """`GPM`: the trainer read them during the steps that it timed; `DCGM`: an exporter did."""
    busy_fraction: Decimal9 | None = None
    """Multiprocessors with any work [1]."""
    tensor_fraction: Decimal9 | None = None
    """Cycles in which tensor cores were busy; half is much [1]."""
    memory_fraction: Decimal9 | None = None
    """Cycles in which the memory interface was busy [1]."""
    link_fraction: Decimal9 | None = None
    """NVLink or PCIe, by the fuller one's peak; absent where that is not known [1]."""
    busy_with: Busy | None = None
    """What they are mostly busy with; absent where too little was counted."""
    disagreement: Annotated[str, Field(max_length=256)] = ""
    """Where that contradicts the trainer's timing; empty where it does not."""


class Profile(ApiModel):
    """What a step of the run is made of, in the process with rank 0. Decimal strings, no floats."""

    bound: Bound
    """What most of a step goes into.

    `Memory` is told instead of `Compute` where the GPU's peaks are known."""
    step_seconds: Decimal9
    """One step, without checkpoints and reports [s]."""
    compute_fraction: Decimal9
    """Share of the step that is neither of the other two [1]."""
    communication_fraction: Decimal9
    """Share in which the process waits for others while it computes nothing [1]."""
    data_wait_fraction: Decimal9
    """Share in which it waits for samples [1]."""
    samples_per_second: Decimal9 | None = None
    """Samples trained on, over the whole gang [1/s]."""
    arithmetic_intensity: Decimal9 | None = None
    """Computed by moved, an estimate from above [FLOP/byte]."""
    mfu: Decimal9 | None = None
    """Model FLOP utilisation: computed by what the GPU could at most [1]."""
    flops_per_step: Decimal9 | None = None
    """Computed in a step of one process [FLOP]."""
    memory_traffic_per_step: Decimal9 | None = None
    """Moved between memory and arithmetic in a step, an estimate from below [byte]."""
    synchronised_per_step: Decimal9 | None = None
    """Sent by one process for the gradients of a step [byte]."""
    memory_per_worker: ByteQuantity | None = None
    """The most that the processes of one worker held, as many times what the first one did."""
    memory_kind: MemoryKind | None = None
    """Of which memory: `Device`, the GPU's; `Process`, resident on the host."""
    checkpoint_stall_seconds: Decimal9 | None = None
    """How long training stands still for one checkpoint [s]."""
    parameters: Annotated[int, Field(ge=0)] | None = None
    """Of the model [count]."""
    processes: Annotated[int, Field(ge=0)] | None = None
    """That trained together when it was measured [count]."""
    nodes: Annotated[int, Field(ge=0)] | None = None
    """On which they lay [count]."""
    network_gigabits_per_second: Decimal9 | None = None
    """Of the slowest link between these nodes, for each node, one direction [Gbit/s].

    Absent on one node, and where a link is not known."""
    network_latency_microseconds: Decimal9 | None = None
    """What the way between two of these nodes adds by their pools [us]."""
    precision: NumberFormat | None = None
    """What was multiplied in."""
    device: DeviceProfile | None = None
    """A second witness: the GPUs' own counters, where there are any."""
    accelerator: Annotated[str, Field(max_length=256)] = ""
    """GPU model or models that it was measured on; empty without GPUs."""
    source: ProfileSource = ProfileSource.MEASURED
    """Where it comes from."""
    from_job: Annotated[str, Field(max_length=253)] = ""
    """The finished job that it was measured in; empty where it is this job's own."""
    fingerprint: Annotated[str, Field(max_length=16)] = ""
    """Of all that determines a step; jobs of equal fingerprints take equal steps."""


class TrainingJobStatus(ApiModel):
    """What the operator reports."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """The generation of the spec that this status is about."""
    state: State | None = None
    """One word for the column; the conditions say more."""
    conditions: Annotated[list[Condition], Field(max_length=16), MapList("type")] = Field(
        default_factory=list
    )
    """The latest observations: Placed, Running, Suspended, Stalled, Complete, Failed.

    Preempted and Resizing are there once they were, Funded where money is limited, OnTime where
    there is a deadline."""
    workers: Annotated[str, Field(max_length=16)] = ""
    """For the column: running of wanted, `2/2`."""
    start_time: datetime | None = None
    """When the first worker started."""
    completion_time: datetime | None = None
    """When the job ended, well or not."""
    progress: Progress | None = None
    """How far the run is."""
    profile: Profile | None = None
    """What a step of the run is made of."""
    placement: PlacementStatus | None = None
    """Where the gang is, and why there."""
    cost: Cost | None = None
    """What the job has cost."""
    goodput: Goodput | None = None
    """How often the run was disturbed, and how much of its time counts."""
    stretches: Annotated[list[StretchStatus], Field(max_length=16)] = Field(default_factory=list)
    """When the gang ran together, as far as pods that are still to be charged have seen it."""
    checkpoint: CheckpointStatus | None = None
    """The newest complete checkpoint."""
    result: Result | None = None
    """What the run left behind."""
    deadline: DeadlineStatus | None = None
    """How the job stands to `placement.deadlineTime`; unset where it has none."""
    prediction: PredictionStatus | None = None
    """What it was predicted first to take and to cost."""
    outcome: OutcomeStatus | None = None
    """What came of that, once it is complete."""

    @property
    def own_profile(self) -> Profile | None:
        """The profile, if it was measured in this job; None where it is another one's."""
        return None if self.profile is None or self.profile.from_job else self.profile
