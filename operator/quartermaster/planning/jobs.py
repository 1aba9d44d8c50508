"""TrainingJobs from files, judged as the API server would judge them, and not applied."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from quartermaster.api import meta
from quartermaster.api.record import JobRecord, parse
from quartermaster.api.training_job import KIND, NAME_RULE, TrainingJobSpec
from quartermaster.errors import SpecError
from quartermaster.planning.yaml_file import documents

UID_PREFIX = "planned-"
"""No object of a cluster has such a uid."""


def read_jobs(files: Iterable[tuple[str, str]], namespace: str, now: datetime) -> list[JobRecord]:
    """The TrainingJobs of some files, as they would be if they were applied in this order.

    Args:
        files: What each is called in complaints, and its text: YAML or JSON, of one or more
            documents. Documents of other kinds are passed over.
        namespace: Where jobs are that name none.
        now: When they would come; each a microsecond later than the one before.

    Raises:
        SpecError: A document is not one, a job would be refused, or there is none.
    """
    found: list[JobRecord] = []
    names: list[str] = []
    for source, text in files:
        names.append(source)
        for where, document in _documents(source, text):
            created = now + timedelta(microseconds=len(found))
            job = _job(where, document, namespace, f"{UID_PREFIX}{len(found)}", created)
            twin = next((one for one in found if one.key == job.key), None)
            if twin is not None:
                raise SpecError(f"{where}: {job.key} is there twice: give each its own name")
            found.append(job)
    if not found:
        raise SpecError(f"{', '.join(names) or 'nothing'}: there is no {KIND} in it")
    return found


def _documents(source: str, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The TrainingJobs among the documents, each with where it stands."""
    found = documents(source, text)
    for number, document in enumerate(found, 1):
        where = source if len(found) == 1 else f"{source}: document {number}"
        if document is None:
            continue
        if not isinstance(document, Mapping) or "kind" not in document:
            raise SpecError(f"{where}: not a Kubernetes object: apiVersion, kind, metadata, spec")
        items = document.get("items") if document["kind"] == "List" else [document]
        for item in items if isinstance(items, list) else []:
            if isinstance(item, Mapping) and item.get("kind") == KIND:
                yield where, item


def _job(
    where: str, document: Mapping[str, Any], namespace: str, uid: str, created: datetime
) -> JobRecord:
    if document.get("apiVersion") != meta.API_VERSION:
        raise SpecError(f"{where}: apiVersion of a {KIND} is {meta.API_VERSION}")
    metadata = document.get("metadata")
    metadata = metadata if isinstance(metadata, Mapping) else {}
    name = metadata.get("name")
    if not isinstance(name, str) or NAME_RULE.holds is None or not NAME_RULE.holds(name):
        raise SpecError(f"{where}: {NAME_RULE.message}")
    labels = metadata.get("labels") or {}
    if not isinstance(labels, Mapping) or not all(isinstance(v, str) for v in labels.values()):
        raise SpecError(f"{where}: {name}: metadata.labels are pairs of strings: quote numbers")
    within = metadata.get("namespace") or namespace
    try:
        TrainingJobSpec.model_validate(document.get("spec") or {})
    except ValidationError as error:
        raise SpecError(f"{where}: {name}: {_first(error)}") from error
    told = {
        "name": name,
        "namespace": str(within),
        "uid": uid,
        "labels": labels,
        "creationTimestamp": created.isoformat(),
    }
    return parse({"metadata": told, "spec": document.get("spec") or {}})


def _first(error: ValidationError) -> str:
    """The first fault, and how many more there are."""
    faults = error.errors(include_url=False)
    path = ".".join(["spec", *(str(part) for part in faults[0]["loc"])])
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return f"{path}: {str(faults[0]['msg']).removeprefix('Value error, ')}{more}"
