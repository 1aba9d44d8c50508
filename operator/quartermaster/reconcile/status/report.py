"""A job's status from what is: pure, so that the same facts give the same words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from math import isfinite

from quartermaster.api.meta import ConditionType
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import (
    CheckpointStatus,
    Condition,
    ConditionStatus,
    PlacementStatus,
    Profile,
    Progress,
    Rejected,
    Result,
    State,
    TrainingJobStatus,
)
from quartermaster.catalog import instances, labels
from quartermaster.decide import workers as facts
from quartermaster.decide.profile.network import Crossing, crossing
from quartermaster.decide.spot.outlook import Outlook
from quartermaster.domain.cluster import Capacity, Node, Snapshot
from quartermaster.domain.decision import Decision, Placed, Refusal, Waiting
from quartermaster.domain.measurement import DeviceCounters
from quartermaster.domain.money.stretch import Stretch
from quartermaster.domain.progress import Report
from quartermaster.domain.queue import Stopped
from quartermaster.domain.worker import ChildJob, Worker
from quartermaster.manifests.volume import Location
from quartermaster.reconcile.blame import Verdict
from quartermaster.reconcile.budgets import funded
from quartermaster.reconcile.money.accounts import Books, stretches_text
from quartermaster.reconcile.money.predictions import Seen, outcome, predicted
from quartermaster.reconcile.profile import device, measured
from quartermaster.reconcile.spot import on_time
from quartermaster.units import duration, usd

MAX_NODES = 16
EMPTY = Snapshot()
MAX_METRICS = 16


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that one status is made of."""

    job: JobRecord
    spec: TrainingJobSpec
    location: Location
    now: datetime
    wanted: int
    """Workers of the gang [count]: of an elastic one, as many as it has at present."""
    child: ChildJob | None = None
    workers: Sequence[Worker] = ()
    decision: Decision | None = None
    cluster: Snapshot = EMPTY
    """The nodes that the workers are on, and the pools."""
    progress: Report | None = None
    stretches: tuple[Stretch, ...] = ()
    """When the gang ran together."""
    fingerprint: str = ""
    """Of what determines a step."""
    known: Profile | None = None
    """The profile in the status, or that of another job of equal steps."""
    earlier_steps: int | None = None
    """Steps of the earlier job that the profile in the status comes from [count]."""
    counters: DeviceCounters | None = None
    """Of the workers' GPUs, as an exporter tells them."""
    stalled: Verdict | None = None
    failed: Verdict | None = None
    outlook: Outlook | None = None
    """How it stands to its deadline; None where nobody has looked at it, or there is none."""


def status(it: Facts, books: Books) -> TrainingJobStatus:
    """The whole status."""
    old = it.job.status
    counted = facts.tally(it.workers)
    complete = it.child is not None and it.child.complete and it.failed is None
    over = complete or it.failed is not None
    ended = (it.child.ended if it.child else None) or it.now.replace(microsecond=0)
    started = [w.started for w in it.workers if w.started is not None]
    start = old.start_time or min(started, default=None)
    placement = _placement(it)
    profile = _profile(it, placement)
    deadline = on_time.standing(it.job, it.outlook)
    found = TrainingJobStatus(
        observed_generation=it.job.generation,
        state=_state(it, counted, complete=complete),
        conditions=_conditions(it, counted, profile, complete=complete)
        + funded.conditions(it.job, it.decision, books.cost, it.now)
        + on_time.conditions(it.job, deadline, ended if complete else None, it.now, over=over),
        workers=f"{counted.succeeded if over else counted.running}/{it.wanted}",
        start_time=start,
        completion_time=ended if over else None,
        progress=_progress(it, complete=complete, over=over),
        profile=profile,
        placement=placement,
        cost=books.cost.model_copy(update={"forecast": _forecast(it, books, over=over)}),
        goodput=books.goodput,
        stretches=stretches_text(it.stretches),
        checkpoint=_checkpoint(it),
        result=_result(it, start, ended) if complete else old.result,
        deadline=deadline,
    )
    seen = Seen(it.spec, old, it.workers, it.wanted, it.progress, it.earlier_steps, it.now)
    found = found.model_copy(update={"prediction": predicted(found, seen)})
    return found.model_copy(update={"outcome": outcome(found, it.spec)})


def _state(it: Facts, counted: facts.Tally, *, complete: bool) -> State:
    wanted = it.wanted
    choices = (
        (it.failed is not None, State.FAILED),
        (complete, State.COMPLETE),
        (it.spec.suspend or it.job.unfunded is not None, State.SUSPENDED),
        (it.job.stopped is not None, State.PENDING),
        (it.job.resize is not None, State.RESIZING),
        (it.stalled is not None, State.STALLED),
        (counted.running + counted.succeeded == wanted, State.RUNNING),
        (counted.starting + counted.running > 0, State.STARTING),
        (_refused(it), State.WAITING),
    )
    return next((state for holds, state in choices if holds), State.PENDING)


def _refused(it: Facts) -> bool:
    """Whether the gang has no place, as decided now or, just after a start, as said last."""
    if it.decision is None:
        return it.job.status.state is State.WAITING and any(w.gates for w in it.workers)
    return isinstance(it.decision, Waiting)


def _conditions(
    it: Facts, counted: facts.Tally, profile: Profile | None, *, complete: bool
) -> list[Condition]:
    over = complete or it.failed is not None
    truths = {
        ConditionType.PLACED: _placed(it, counted, over=over),
        ConditionType.RUNNING: _running(it, counted, profile, over=over),
        ConditionType.SUSPENDED: _suspended(it),
        ConditionType.STALLED: (it.stalled is not None, *(it.stalled or ("NotStalled", ""))),
        ConditionType.COMPLETE: _completed(it, complete=complete),
        ConditionType.FAILED: (it.failed is not None, *(it.failed or ("NotFailed", ""))),
    }
    old = {condition.type: condition for condition in it.job.status.conditions}
    placed = truths[ConditionType.PLACED][0]
    preempted = _preempted(it, old.get(ConditionType.PREEMPTED), placed=placed)
    if preempted is not None:
        truths[ConditionType.PREEMPTED] = preempted
    resizing = _resizing(it, old.get(ConditionType.RESIZING))
    if resizing is not None:
        truths[ConditionType.RESIZING] = resizing
    return [_condition(kind, truth, it) for kind, truth in truths.items()]


Truth = tuple[bool, str, str]
"""Whether a condition holds, its reason and its message."""


def _condition(kind: str, truth: Truth, it: Facts) -> Condition:
    holds, reason, message = truth
    told = ConditionStatus.TRUE if holds else ConditionStatus.FALSE, reason, message
    return Condition.judged(kind, told, it.job.status.conditions, it.now, it.job.generation)


def _placed(it: Facts, counted: facts.Tally, *, over: bool) -> Truth:
    if over:
        return False, "Finished", "the nodes are free again"
    if it.spec.suspend or it.job.sent_away or it.job.resize is not None:
        return _held_back(it)
    if counted.starting + counted.running + counted.succeeded >= it.wanted:
        reason = it.decision.reason if isinstance(it.decision, Placed) else ""
        return True, "GangPlaced", reason or _old_reason(it)
    if isinstance(it.decision, Waiting):
        return False, str(it.decision.refusal), it.decision.message
    # Just after a start nothing is decided yet: what was said last still stands.
    before = next((c for c in it.job.status.conditions if c.type == ConditionType.PLACED), None)
    if before is not None and before.reason in set(Refusal) and it.decision is None:
        return False, before.reason, before.message
    return False, "Undecided", "the gang's pods are being created"


def _held_back(it: Facts) -> Truth:
    note = it.job.unfunded
    if not it.spec.suspend and note is not None:
        return False, funded.reason_of(note), funded.why(it.job, note)
    if not it.spec.suspend and it.job.stopped is not None:
        return False, "Preempted", _why_stopped(it.job.stopped)
    if not it.spec.suspend and it.job.resize is not None:
        return False, "Resizing", f"{it.job.resize.why}; goes on from its last checkpoint"
    return False, "Suspended", "spec.suspend is true"


def _why_stopped(stopped: Stopped) -> str:
    return f"stopped {stopped.why}; goes on from its last checkpoint when it is its turn again"


def _preempted(it: Facts, old: Condition | None, *, placed: bool) -> Truth | None:
    """True from when it was told to stop until it is placed again; absent if it never was."""
    if it.job.stopped is not None:
        return True, "Preempted", _why_stopped(it.job.stopped)
    if old is None:
        return None
    if old.status is ConditionStatus.TRUE and not placed:
        return True, old.reason, old.message
    return False, "PlacedAgain" if placed else old.reason, old.message


def _resizing(it: Facts, old: Condition | None) -> Truth | None:
    """True while it goes over to another number of workers; absent if it never did."""
    if it.job.resize is not None:
        reason = "NodeReclaimed" if it.job.resize.avoids else "Resizing"
        return True, reason, it.job.resize.why
    return None if old is None else (False, "Resized", old.message)


def _running(it: Facts, counted: facts.Tally, profile: Profile | None, *, over: bool) -> Truth:
    wanted = it.wanted
    if over:
        return False, "Finished", ""
    if counted.running + counted.succeeded == wanted:
        own = profile is not None and not profile.from_job
        step = f"; a step takes {measured.sentence(profile)}" if own and profile else ""
        return True, "GangRunning", f"all {wanted} workers run{step}"
    if it.stalled is not None:
        return False, it.stalled[0], it.stalled[1]
    return False, "NotAllRunning", f"{counted.running} of {wanted} workers run"


def _suspended(it: Facts) -> Truth:
    if it.spec.suspend:
        return True, "SuspendedByUser", "spec.suspend is true; set it to false to go on"
    if it.job.unfunded is not None:
        return True, "MoneySpent", funded.why(it.job, it.job.unfunded)
    return False, "NotSuspended", ""


def _completed(it: Facts, *, complete: bool) -> Truth:
    if complete:
        return True, "AllWorkersSucceeded", f"what the run left lies at {it.location.uri}"
    return False, "NotComplete", ""


def _old_reason(it: Facts) -> str:
    return it.job.status.placement.reason if it.job.status.placement else ""


def _progress(it: Facts, *, complete: bool, over: bool) -> Progress | None:
    report, old = it.progress, it.job.status.progress
    if report is None:
        if old is None:
            return None
        done = complete and old.total_steps > 0
        changes: dict[str, object] = {"remaining": ""} if over else {}
        if done:
            steps = old.total_steps
            changes |= {"step": steps, "percentage": 100, "summary": f"100% {steps}/{steps}"}
        return old.model_copy(update=changes)
    percentage = 100 * report.step // report.total_steps if report.total_steps else 0
    left = None if over else report.seconds_remaining
    return Progress(
        summary=f"{percentage}% {report.step}/{report.total_steps}"
        if report.total_steps
        else report.state,
        percentage=min(100, percentage),
        step=report.step,
        total_steps=report.total_steps,
        epoch=report.epoch,
        remaining="" if left is None else duration(left),
        estimated_completion_time=None
        if left is None
        else (report.received + timedelta(seconds=round(left))).replace(microsecond=0),
        loss=_number(report.loss),
        samples_per_second=_number(report.samples_per_second),
        metrics={
            name[:64]: text
            for name, value in sorted(report.metrics.items())[:MAX_METRICS]
            if (text := _number(value)) is not None
        },
        last_report_time=report.received.replace(microsecond=0),
    )


def _number(value: float | None) -> str | None:
    if value is None or not isfinite(value):
        return None
    return f"{value:.4f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else None


def _profile(it: Facts, placement: PlacementStatus | None) -> Profile | None:
    """The job's own, as soon as it has reported one; until then that of a job of equal steps."""
    found, old = it.progress.measured if it.progress else None, it.job.status.profile
    if found is not None:
        accelerator = placement.accelerator if placement else ""
        fresh = measured.profile(
            found,
            it.spec,
            it.fingerprint,
            accelerator=accelerator,
            nodes=placement.node_count if placement else 0,
            peaks=labels.accelerator(accelerator),
        )
        fresh = measured.across(fresh, _network(it), old)
        return device.witnessed(fresh, found, it.counters, old, labels.accelerator(accelerator))
    return old or it.known


def _network(it: Facts) -> Crossing:
    """What the gang crosses; unknown where not all of its nodes are known."""
    nodes = {node.name: node for node in it.cluster.nodes}
    newest = {worker.index: worker.node for worker in it.workers}
    names = {name for name in newest.values() if name}
    if not names <= nodes.keys():
        return Crossing(None)
    ends = [(nodes[name], it.cluster.pool_of(nodes[name])) for name in sorted(names)]
    return crossing(ends, instances.instance)


def _placement(it: Facts) -> PlacementStatus | None:
    old = it.job.status.placement
    newest = {w.index: w for w in it.workers}
    placed = [(index, w.node) for index, w in sorted(newest.items()) if w.node]
    if isinstance(it.decision, Waiting) and not placed:
        return PlacementStatus(reason=it.decision.message[:1024], rejected=_rejected(it.decision))
    if not placed:
        return old
    names = [name for _, name in placed]
    nodes = {node.name: node for node in it.cluster.nodes}
    used = [nodes[name] for name in dict.fromkeys(names) if name in nodes]
    decided = it.decision if isinstance(it.decision, Placed) else None
    pools = sorted({it.cluster.pool_of(node).name for node in used} - {""})
    return PlacementStatus(
        accelerator=", ".join(sorted({node.accelerator for node in used} - {""}))[:256],
        nodes=names[:MAX_NODES],
        node_count=len(set(names)),
        capacity_type=_capacity(used),
        pool=", ".join(pools)[:256],
        topology_level=decided.topology_level if decided else (old.topology_level if old else ""),
        reason=decided.reason[:1024] if decided else _old_reason(it),
        rejected=_rejected(decided) if decided else (old.rejected if old else []),
        predicted_step_seconds=measured.number(decided.predicted_step_seconds)
        if decided
        else (old.predicted_step_seconds if old else None),
        bound=decided.bound if decided else (old.bound if old else None),
    )


def _rejected(decision: Decision) -> list[Rejected]:
    return [
        Rejected(candidate=other.candidate[:256], reason=other.reason[:512])
        for other in decision.rejected
    ]


def _capacity(nodes: Sequence[Node]) -> str:
    kinds = {node.capacity for node in nodes}
    if len(kinds) > 1:
        return "Mixed"
    return str(next(iter(kinds), Capacity.UNKNOWN))


def _checkpoint(it: Facts) -> CheckpointStatus | None:
    report = it.progress
    if report is None or report.checkpoint_step is None or report.checkpoint_time is None:
        return it.job.status.checkpoint
    return CheckpointStatus(
        step=report.checkpoint_step,
        time=report.checkpoint_time,
        uri=f"{it.location.uri}/checkpoints/{report.checkpoint_step}",
    )


def _result(it: Facts, start: datetime | None, ended: datetime) -> Result:
    model = it.progress.model if it.progress is not None else None
    old = it.job.status.result
    uri = f"{it.location.uri}/{model}" if model else (old.model_uri if old else it.location.uri)
    took = int((ended - start).total_seconds()) if start is not None else 0
    return Result(model_uri=uri, duration_seconds=max(0, took))


def _forecast(it: Facts, books: Books, *, over: bool) -> str | None:
    """What it will have cost at its end, if it goes on at this rate and pace."""
    total, rate = books.cost.total, books.cost.rate_per_hour
    if over or total is None:
        return total
    left = it.progress.seconds_remaining if it.progress is not None else None
    if rate is None or left is None:
        return None
    return usd(Fraction(total) + Fraction(rate) * Fraction(round(left)) / 3600)
