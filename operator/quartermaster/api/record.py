"""A TrainingJob as the operator works with it: parsed once per version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from quartermaster.api import meta
from quartermaster.api.budgets.record import read_unfunded
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import TrainingJobStatus
from quartermaster.domain.money.budget import Unfunded
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import UNLABELLED, Resize, Stopped


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One TrainingJob."""

    key: NamespacedName
    uid: str
    generation: int
    created: datetime
    spec: TrainingJobSpec | None
    """None where the document cannot be read; `faults` then says why."""
    faults: tuple[str, ...]
    status: TrainingJobStatus
    deleting: bool = False
    finalizers: tuple[str, ...] = ()
    queue: str | None = UNLABELLED
    """The queue that it is in; None where Kueue queues it."""
    stopped: Stopped | None = None
    """For whom it was stopped and why; None while it is not."""
    resize: Resize | None = None
    """With how many workers it is to go on; None while it has them."""
    labels: Mapping[str, str] = field(default_factory=dict)
    unfunded: Unfunded | None = None
    """Whose money is spent that it was stopped; None while it is not."""

    @property
    def held(self) -> bool:
        """Whether our finalizer is on."""
        return meta.JOB_FINALIZER in self.finalizers

    @property
    def sent_away(self) -> bool:
        """Whether the operator has stopped it: for another job, or since its money is spent."""
        return self.stopped is not None or self.unfunded is not None

    @property
    def finished(self) -> bool:
        """Whether it has ended, well or not. What is finished stays finished."""
        return self.status.completion_time is not None


def parse(document: Mapping[str, Any]) -> JobRecord:
    """A TrainingJob from its document; a spec that cannot be read becomes faults.

    The API server has judged the document already. A field that is not known here comes from a
    later version, whose CRDs are installed before its operator: a job must not fail over it.
    """
    metadata = document["metadata"]
    faults: tuple[str, ...] = ()
    spec: TrainingJobSpec | None = None
    try:
        spec = TrainingJobSpec.model_validate(document.get("spec") or {}, extra="ignore")
    except ValidationError as error:
        faults = tuple(_fault(entry) for entry in error.errors(include_url=False))
    try:
        status = TrainingJobStatus.model_validate(document.get("status") or {}, extra="ignore")
    except ValidationError:
        # Somebody else wrote there, or another version did: it is rebuilt from what is.
        status = TrainingJobStatus()
    annotations = metadata.get("annotations") or {}
    return JobRecord(
        key=NamespacedName(metadata["namespace"], metadata["name"]),
        uid=metadata["uid"],
        generation=int(metadata.get("generation", 0)),
        created=datetime.fromisoformat(metadata["creationTimestamp"]).astimezone(UTC),
        spec=spec,
        faults=faults,
        status=status,
        deleting="deletionTimestamp" in metadata,
        finalizers=tuple(metadata.get("finalizers") or ()),
        queue=_queue(metadata.get("labels") or {}),
        stopped=_stopped(annotations.get(meta.PREEMPTED_ANNOTATION)),
        resize=_resize(annotations.get(meta.RESIZE_ANNOTATION)),
        labels=metadata.get("labels") or {},
        unfunded=read_unfunded(annotations.get(meta.UNFUNDED_ANNOTATION)),
    )


def _queue(labels: Mapping[str, str]) -> str | None:
    if meta.KUEUE_LABEL in labels:
        return None
    return labels.get(meta.QUEUE_LABEL) or UNLABELLED


def stopped_text(stopped: Stopped) -> str:
    """The annotation's value."""
    told = {
        "by": str(stopped.by),
        "uid": stopped.by_uid,
        "why": stopped.why,
        "at": stopped.at.isoformat(),
        "places": dict(stopped.places),
    }
    return json.dumps(told)


def _stopped(text: str | None) -> Stopped | None:
    """What `stopped_text` wrote; one that cannot be read stops nobody."""
    if text is None:
        return None
    try:
        told = json.loads(text)
        namespace, _, name = str(told["by"]).partition("/")
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
        by = NamespacedName(namespace, name)
        return Stopped(by, str(told["uid"]), str(told["why"]), at, _places(told["places"]))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def resize_text(resize: Resize) -> str:
    """The annotation's value."""
    told = {
        "workers": resize.workers,
        "why": resize.why,
        "at": resize.at.isoformat(),
        "places": dict(resize.places),
        "avoids": list(resize.avoids),
    }
    return json.dumps(told)


def _resize(text: str | None) -> Resize | None:
    """What `resize_text` wrote; one that cannot be read changes nothing."""
    if text is None:
        return None
    try:
        told = json.loads(text)
        at = datetime.fromisoformat(told["at"]).astimezone(UTC)
        workers = int(told["workers"])
        places, avoids = _places(told["places"]), tuple(map(str, told.get("avoids", ())))
        return Resize(workers, str(told["why"]), at, places, avoids) if workers else None
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _places(told: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    return tuple(sorted((str(node), int(count)) for node, count in told.items()))


def _fault(entry: Mapping[str, Any]) -> str:
    path = ".".join(["spec", *(str(part) for part in entry["loc"])])
    message = str(entry["msg"]).removeprefix("Value error, ")
    return f"{path}: {message}"
