"""Why a job failed, or why its workers do not start, in words that tell the user what to change."""

import json
import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from quartermaster.api import meta
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import (
    MAX_MESSAGE,
    Condition,
    ConditionStatus,
    State,
    TrainingJobStatus,
)
from quartermaster.decide.workers import OOM_KILLED
from quartermaster.domain import failure
from quartermaster.domain.failure import FailureClass
from quartermaster.domain.worker import ChildJob, Exit, Phase, Worker
from quartermaster.reconcile.progress import plain

LOG_CHARACTERS = 1500
IMAGE_REASONS = (
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
)

VOLUME_GRACE = timedelta(seconds=5)
"""A claim that was just made is bound within this time."""

Verdict = tuple[str, str]
"""A condition's reason and message."""


def failed_job(child: ChildJob, workers: Sequence[Worker], max_restarts: int) -> Verdict:
    """Why an Indexed Job failed: its guilty worker's own words where there are any."""
    reason, message = child.failed or ("Failed", "the job failed")
    if reason == "DeadlineExceeded":
        return reason, "ran longer than spec.activeDeadlineSeconds; raise it, or give more workers"
    culprit = guilty(workers)
    if culprit is None:
        return reason, message
    kind, words = ended(culprit)
    where = f"worker {culprit.index} on node {culprit.node or 'unknown'}"
    exhausted = reason in ("FailedIndexes", "MaxFailedIndexesExceeded", "BackoffLimitExceeded")
    if exhausted and kind not in (FailureClass.OUT_OF_MEMORY,):
        count = max_restarts + 1
        times = "once" if count == 1 else f"{count} times"
        return "RestartsExhausted", (
            f"{where} failed {times} (spec.failurePolicy.maxRestarts is {max_restarts}); "
            f"the last time: {words}"
        )
    return str(kind), f"{where}: {words}"


def hopeless(workers: Sequence[Worker]) -> Verdict | None:
    """Why a job is given up that the Job controller would try again."""
    culprit = guilty(workers)
    if culprit is None:
        return None
    kind, words = ended(culprit)
    return str(kind), f"worker {culprit.index} on node {culprit.node or 'unknown'}: {words}"


def guilty(workers: Iterable[Worker]) -> Worker | None:
    """The worker that is to blame: the last one that failed for a reason of its own."""
    failed = [
        worker
        for worker in workers
        if worker.phase is Phase.FAILED
        and worker.exit is not None
        and worker.disrupted is None
        and worker.exit.code not in failure.BLAMELESS
    ]
    return max(
        failed,
        key=lambda w: (
            w.exit is not None and (w.exit.code in failure.HOPELESS or w.exit.reason == OOM_KILLED),
            w.ended or w.created,
        ),
        default=None,
    )


def ended(worker: Worker) -> tuple[FailureClass | str, str]:
    """A failed worker's class and words."""
    end = worker.exit or Exit(code=-1)
    if end.reason == OOM_KILLED:
        return FailureClass.OUT_OF_MEMORY, (
            "out of memory: raise spec.trainer.resourcesPerWorker.memory, or lower "
            "spec.trainer.batchSize"
        )
    kind = failure.EXIT_CODES.get(end.code)
    words, log = _said(end.message)
    text = words or f"exit code {end.code}"
    if log:
        text += f"; last lines: {log}"
    return kind or FailureClass.CRASH, text


def _said(message: str) -> tuple[str, str]:
    """What the trainer left, as its sentence and its last lines; a bare log has no sentence."""
    try:
        note = json.loads(message)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        return "", _tail(message)
    return plain(note.get("message") or ""), _tail(plain(note.get("log") or ""))


def _tail(text: str) -> str:
    text = text.strip()
    return text if len(text) <= LOG_CHARACTERS else "... " + text[-LOG_CHARACTERS:]


def stalled(
    workers: Iterable[Worker], warnings: Sequence[tuple[str, str]], now: datetime
) -> Verdict | None:
    """Why placed workers do not start; None while nothing is known to hold them up."""
    waiting = [w for w in workers if w.live and not w.gates and w.started is None]
    for worker in waiting:
        verdict = _kubelet_says(worker) or _scheduler_says(worker, now)
        if verdict is not None:
            return verdict
    return _events_say(warnings) if waiting else None


def _kubelet_says(worker: Worker) -> Verdict | None:
    if worker.held_up is None:
        return None
    reason, message = worker.held_up
    if reason in IMAGE_REASONS:
        return "ImagePull", (
            f"the image of worker {worker.index} cannot be pulled ({reason}: {message}); "
            "correct spec.trainer.image, or push the image"
        )
    return "ContainerCannotStart", f"worker {worker.index}: {reason}: {message}"


def _scheduler_says(worker: Worker, now: datetime) -> Verdict | None:
    text, since = worker.unschedulable, worker.unschedulable_since
    if "persistentvolumeclaim" not in text.lower():
        return None
    if since is None or now - since < VOLUME_GRACE:
        return None
    if re.search(r'persistentvolumeclaim "[^"]*" not found', text):
        return "VolumeMissing", (
            f"{text}; create the claim that spec.checkpoint.uri names, or leave uri out and one "
            "is made"
        )
    return "WaitingForVolume", (
        f"{text}; the claim is not bound: its storage class has to exist and offer "
        "ReadWriteMany for more than one worker (spec.checkpoint.storageClassName)"
    )


def _events_say(warnings: Sequence[tuple[str, str]]) -> Verdict | None:
    for reason, message in reversed(warnings):
        if reason == "FailedMount" and "configmap" in message.lower():
            return "CodeMissing", (
                f"{message}; create the ConfigMap that spec.trainer.code.configMapName names"
            )
        if reason in ("FailedMount", "FailedAttachVolume"):
            return "VolumeMissing", message
        if reason == "FailedCreatePodSandBox":
            return "ContainerCannotStart", message
    return None


def invalid_spec(job: JobRecord, now: datetime) -> TrainingJobStatus:
    """The status of a job whose document cannot be read: it failed, and the paths say where."""
    failed = Condition(
        type=meta.ConditionType.FAILED,
        status=ConditionStatus.TRUE,
        reason="InvalidSpec",
        message="; ".join(job.faults)[:MAX_MESSAGE],
        last_transition_time=now,
        observed_generation=job.generation,
    )
    return TrainingJobStatus(
        observed_generation=job.generation,
        state=State.FAILED,
        conditions=[failed],
        completion_time=now,
    )
