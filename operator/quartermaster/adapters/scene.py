"""A placement cycle's input as a document: the operator writes it, `quartermaster replay` reads it.

The same code decides anew from it, on any machine, so that a decision can be asked about after the
cluster has moved on.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from pydantic import TypeAdapter, ValidationError

from quartermaster.catalog import instances, labels
from quartermaster.decide.profile.hardware import Hardware
from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene, Verdict
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding, Queue
from quartermaster.domain.workload import Gang
from quartermaster.errors import SpecError

SCHEMA_VERSION = 1
KNOWN = Hardware(labels.accelerator, instances.instance)
"""What the catalogue knows; it is not written with the scene, but read from this version's."""


@dataclass(frozen=True, slots=True)
class Written:
    """What of a scene is written; the rest follows from it."""

    snapshot: Snapshot
    waiting: tuple[Gang, ...]
    holdings: tuple[Holding, ...]
    queues: tuple[Queue, ...]
    past: Mapping[str, Fraction]
    namespaces: Mapping[str, Mapping[str, str]]
    schema_version: int = SCHEMA_VERSION


def write(scene: Scene) -> bytes:
    """The scene as JSON."""
    written = Written(
        snapshot=scene.snapshot,
        waiting=tuple(scene.waiting),
        holdings=tuple(scene.holdings),
        queues=tuple(scene.tree.queues.values()),
        past=dict(scene.past),
        namespaces={name: dict(told) for name, told in scene.namespaces.items()},
    )
    return _adapter().dump_json(written, indent=1)


def read(raw: bytes) -> Scene:
    """The scene that was written.

    Raises:
        SpecError: It is not one, or of another version.
    """
    try:
        written = _adapter().validate_json(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(part) for part in first["loc"]) or "the document"
        raise SpecError(f"not a cycle of this version: {path}: {first['msg']}") from error
    if written.schema_version != SCHEMA_VERSION:
        raise SpecError(
            f"a cycle of version {written.schema_version}; this quartermaster reads "
            f"version {SCHEMA_VERSION}"
        )
    return Scene(
        snapshot=written.snapshot,
        waiting=written.waiting,
        holdings=written.holdings,
        tree=tree_of(written.queues),
        past=written.past,
        namespaces=written.namespaces,
        hardware=KNOWN,
    )


def replay(raw: bytes) -> Iterator[str]:
    """Decide anew; a line or more for each gang, in the order in which they are served.

    Raises:
        SpecError: As `read`.
    """
    for verdict in admit(read(raw)):
        yield _told(verdict)
        for other in verdict.decision.rejected:
            yield f"    not {other.candidate}: {other.reason}"
        for victim, why in verdict.stop:
            yield f"    stops {victim.key}: {why}"
        for moved in verdict.move:
            yield f"    moves {moved.holding.key} to other nodes"
        for one in verdict.shrink:
            yield f"    shrinks {one.rest.key} from {one.before} to {one.after} workers"


def _told(verdict: Verdict) -> str:
    decision = verdict.decision
    if isinstance(decision, Placed):
        nodes = ", ".join(dict.fromkeys(one.node for one in decision.assignments))
        return f"{verdict.gang.key}: placed on {nodes}: {decision.reason}"
    return f"{verdict.gang.key}: waits ({decision.refusal}): {decision.message}"


@lru_cache(maxsize=1)
def _adapter() -> TypeAdapter[Written]:
    # Made when it is first needed: an operator that nobody asks never pays for it.
    return TypeAdapter(Written)
