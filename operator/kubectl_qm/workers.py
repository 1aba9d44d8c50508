"""Worker pods: which belong to which index, and what they are doing."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from kubectl_qm.access.document import Document
from kubectl_qm.cluster import TRAINER_CONTAINER, Json

INDEX_LABEL = "batch.kubernetes.io/job-completion-index"

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Termination:
    """How the trainer's container ended."""

    exit_code: int
    reason: str
    """The trainer's class of failure (`ConfigError`), else the kubelet's (`OOMKilled`)."""
    message: str
    """One sentence that says what to change; empty when the container left none."""
    is_told: bool
    """Whether the trainer itself said so, by the contract, and not the kubelet or a script."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker pod."""

    index: int
    pod: str
    uid: str
    node: str
    phase: str
    """As kubectl shows it: the pod's phase, or the reason why its container is not running."""
    restarts: int
    creation_time: datetime | None
    start_time: datetime | None
    has_log: bool
    """Whether the container has started at least once."""
    has_ended: bool
    """Whether the pod will run no more."""
    termination: Termination | None


def worker(content: Json) -> Worker:
    """A worker as it is shown."""
    document = Document(content)
    meta, status = document.at("metadata"), document.at("status")
    container = _trainer(status)
    index = meta.text("labels", INDEX_LABEL)
    state = container.at("state")
    started = state.moment("running", "startedAt") or state.moment("terminated", "startedAt")
    return Worker(
        index=int(index) if index.isdecimal() else 0,
        pod=meta.text("name"),
        uid=meta.text("uid"),
        node=document.text("spec", "nodeName"),
        phase=_phase(document, container),
        restarts=container.number("restartCount"),
        creation_time=meta.moment("creationTimestamp"),
        start_time=started or status.moment("startTime"),
        has_log=bool(started) or container.number("restartCount") > 0,
        has_ended=status.text("phase") in {"Succeeded", "Failed"},
        termination=_termination(container),
    )


def newest(workers: Iterable[Worker]) -> tuple[Worker, ...]:
    """The youngest pod of each index, by index."""
    return tuple(pods[-1] for pods in _by_index(workers))


def previous(workers: Iterable[Worker]) -> tuple[Worker, ...]:
    """Of each index the life before this one: the same pod if restarted, else the one before."""
    lives = []
    for pods in _by_index(workers):
        if pods[-1].restarts:
            lives.append(pods[-1])
        elif len(pods) > 1:
            lives.append(pods[-2])
    return tuple(lives)


def _by_index(workers: Iterable[Worker]) -> list[list[Worker]]:
    groups: dict[int, list[Worker]] = {}
    for each in sorted(workers, key=lambda pod: (pod.creation_time or _LONG_AGO, pod.pod)):
        groups.setdefault(each.index, []).append(each)
    return [groups[index] for index in sorted(groups)]


def _trainer(status: Document) -> Document:
    containers = status.items("containerStatuses")
    named = (each for each in containers if each.text("name") == TRAINER_CONTAINER)
    return next(named, Document({}))


def _phase(document: Document, container: Document) -> str:
    if document.has("metadata", "deletionTimestamp"):
        return "Terminating"
    status = document.at("status")
    phase = status.text("phase") or "Unknown"
    if phase == "Pending" and document.items("spec", "schedulingGates"):
        return "Gated"
    if phase in {"Pending", "Running"}:
        return container.text("state", "waiting", "reason") or phase
    return status.text("reason") or phase


def _termination(container: Document) -> Termination | None:
    part = container.at("state", "terminated") or container.at("lastState", "terminated")
    if not part:
        return None
    left = _left_message(part.text("message"))
    return Termination(
        exit_code=part.number("exitCode"),
        reason=left.text("class") or part.text("reason"),
        message=left.text("message"),
        is_told=bool(left.text("class") and left.text("message")),
    )


def _left_message(text: str) -> Document:
    """What the trainer wrote before it ended; a script of one's own may leave plain text."""
    try:
        content = json.loads(text)
    except ValueError:
        return Document({"message": text})
    return Document(content)
