"""Traces of jobs from CSV: each row is a TrainingJob, a time, and how long it takes."""

import csv
import io
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any

from pydantic import ValidationError

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import TrainingJobStatus
from quartermaster.domain.name import NamespacedName
from quartermaster.domain.queue import UNLABELLED
from quartermaster.errors import SpecError
from quartermaster.reconcile.demand import new_gang
from quartermaster.simulate.trace.job import Submission, moment

NEEDED = (
    "name",
    "submit_seconds",
    "duration_seconds",
    "workers",
    "gpus_per_worker",
    "gpu_models",
    "queue",
    "priority",
)
"""Every trace has these columns; `gpu_models`, `queue` and `priority` may be empty in a row."""

LONGEST_S = 3.2e9
"""Times beyond a hundred years are mistakes [s]."""
_SEPARATOR = "|"
"""Between the GPU models of one cell."""


def _whole(text: str) -> int:
    return int(text)


def _models(text: str) -> list[str]:
    return [name.strip() for name in text.split(_SEPARATOR) if name.strip()]


_FIELDS: Mapping[str, tuple[tuple[str, ...], Callable[[str], Any]]] = {
    "workers": (("trainer", "workers"), _whole),
    "gpus_per_worker": (("trainer", "resourcesPerWorker", "gpus"), _whole),
    "gpu_models": (("placement", "accelerators"), _models),
    "priority": (("priority",), _whole),
    "cpu": (("trainer", "resourcesPerWorker", "cpu"), str),
    "memory": (("trainer", "resourcesPerWorker", "memory"), str),
    "capacity_type": (("placement", "capacityType"), str),
    "objective": (("placement", "objective"), str),
    "deadline_seconds": (("activeDeadlineSeconds",), _whole),
    "batch_size": (("trainer", "batchSize"), _whole),
    "precision": (("trainer", "precision"), str),
    "flops_per_sample": (("stepCosts", "flopsPerSample"), _whole),
    "parameters": (("stepCosts", "parameters"), _whole),
    "memory_traffic_per_sample": (("stepCosts", "memoryTrafficPerSample"), str),
    "kernel": (("stepCosts", "kernel"), str),
}
"""Columns that are fields of a TrainingJob's spec: where, and how a cell is read."""
KNOWN = frozenset({*NEEDED, *_FIELDS, "namespace", "steps"})
_COLUMN = {path[-1]: name for name, (path, _) in _FIELDS.items()}


def read_trace(source: str, text: str) -> list[Submission]:
    """The jobs of a trace, in the order of the rows.

    Args:
        source: What the file is called in complaints.
        text: CSV with a header; columns as in `NEEDED` and `KNOWN`.

    Raises:
        SpecError: A column, a row or a cell cannot be.
    """
    rows = csv.DictReader(io.StringIO(text), strict=True)
    found: dict[str, Submission] = {}
    try:
        _check_columns(source, rows.fieldnames)
        for row in rows:
            where = f"{source}: line {rows.line_num}"
            if None in row or None in row.values():
                raise SpecError(f"{where}: has not as many cells as the header has columns")
            job = _submission(where, {key: cell.strip() for key, cell in row.items()})
            if job.gang.uid in found:
                raise SpecError(f"{where}: {job.gang.key} is there twice: give each its own name")
            found[job.gang.uid] = job
    except csv.Error as error:
        raise SpecError(f"{source}: line {rows.line_num + 1}: not CSV: {error}") from error
    if not found:
        raise SpecError(f"{source}: has no job in it")
    return list(found.values())


def _check_columns(source: str, columns: Any) -> None:
    names = list(columns or ())
    missing = [name for name in NEEDED if name not in names]
    if missing:
        raise SpecError(f"{source}: column {', '.join(missing)} is missing in the header")
    unknown = [str(name) for name in names if name not in KNOWN]
    if unknown:
        more = ", ".join(sorted(KNOWN - set(NEEDED)))
        raise SpecError(f"{source}: column {', '.join(unknown)} is not known; there are: {more}")


def _submission(where: str, row: Mapping[str, str]) -> Submission:
    submit = _seconds(where, "submit_seconds", row)
    duration = _seconds(where, "duration_seconds", row)
    name, namespace = row["name"], row.get("namespace") or "default"
    if not name:
        raise SpecError(f"{where}: name: is empty")
    if duration == 0:
        raise SpecError(f"{where}: duration_seconds: must be above 0")
    key = NamespacedName(namespace, name)
    job = JobRecord(
        key=key,
        uid=str(key),
        generation=1,
        created=moment(submit),
        spec=_spec(where, row),
        faults=(),
        status=TrainingJobStatus(),
        queue=row["queue"] or UNLABELLED,
    )
    gang = new_gang(job)
    if gang is None:
        raise SpecError(f"{where}: {key} asks for no place")
    steps = _seconds(where, "steps", row) if row.get("steps") else None
    return Submission(gang, submit, duration, steps)


def _spec(where: str, row: Mapping[str, str]) -> TrainingJobSpec:
    document: dict[str, Any] = {"trainer": {"command": ["trace"]}}
    for name, (path, read) in _FIELDS.items():
        cell = row.get(name, "")
        if not cell:
            continue
        part = document
        for step in path[:-1]:
            part = part.setdefault(step, {})
        try:
            part[path[-1]] = read(cell)
        except ValueError:
            raise SpecError(f"{where}: {name}: {cell!r} is not a whole number") from None
    try:
        return TrainingJobSpec.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        names = [str(part) for part in first["loc"] if not isinstance(part, int)]
        column = _COLUMN.get(names[-1], names[-1]) if names else "row"
        message = str(first["msg"]).removeprefix("Value error, ")
        raise SpecError(f"{where}: {column}: {message}") from error


def _seconds(where: str, column: str, row: Mapping[str, str]) -> float:
    try:
        value = float(row[column])
    except ValueError:
        raise SpecError(f"{where}: {column}: {row[column]!r} is not a number") from None
    if not isfinite(value) or not 0 <= value <= LONGEST_S:
        raise SpecError(f"{where}: {column}: {row[column]} is not between 0 and {LONGEST_S:g}")
    return value
