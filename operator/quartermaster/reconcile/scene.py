"""What a placement cycle is decided from, put together from what is known of the cluster."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import Profile
from quartermaster.decide.fleet import Estate, fleet_of
from quartermaster.decide.placement.spare import usual_needs
from quartermaster.decide.profile.hardware import NOTHING_KNOWN, Hardware
from quartermaster.decide.queue.scene import Scene
from quartermaster.decide.queue.share import measure, past_of
from quartermaster.decide.queue.tree import ledger_of, tree_of
from quartermaster.domain.cluster import Snapshot
from quartermaster.domain.workload import Gang
from quartermaster.reconcile.demand import Places, gang_of, holdings, size_of
from quartermaster.reconcile.ports import View
from quartermaster.reconcile.profile.measured import borrowed, mark


@dataclass(frozen=True, slots=True)
class Moment:
    """When a scene is taken, and what is known beside the view."""

    now: datetime
    half_life_s: float
    """What a queue used this long ago counts half in its share [s]; 0 counts only what runs."""
    hardware: Hardware = NOTHING_KNOWN
    """What is known of GPU models and machine types."""
    places: Places = field(default_factory=dict)
    """Places that are given away and not seen in the view yet."""


def scene_of(view: View, snapshot: Snapshot, waiting: Sequence[Gang], at: Moment) -> Scene:
    """Everything that a cycle is decided from.

    Args:
        view: What is known of jobs, pods and queues.
        snapshot: Nodes with what is held on them, places on their way counted too.
        waiting: Who wants a place.
        at: The moment.
    """
    # Without arrays: who asks what would be otherwise goes on with another snapshot.
    return replace(in_arrays(seen_by(view, snapshot, waiting, at), at, None), fleet=None)


def seen_by(view: View, snapshot: Snapshot, waiting: Sequence[Gang], at: Moment) -> Scene:
    """What of a scene is read from the view, at one moment; the arguments are `scene_of`'s."""
    movable = any(gang.defragment for gang in waiting)
    held, tree = holdings(view, at.places, at.now, movable=movable), tree_of(view.queues())
    asked = [gang.per_worker for gang in waiting] + [holding.per_worker for holding in held]
    return Scene(
        snapshot=replace(snapshot, gpu_needs=usual_needs(asked)),
        waiting=waiting,
        holdings=held,
        tree=tree,
        hardware=at.hardware,
        namespaces={
            name: view.namespace_labels(name) for name in {gang.key.namespace for gang in waiting}
        },
    )


def in_arrays(seen: Scene, at: Moment, before: Estate | None) -> Scene:
    """The scene with what is worked out from what was seen: slow, and nothing is read or changed.

    Args:
        seen: What was read.
        at: When.
        before: What the cycle before has kept of the nodes; nobody else may use it now.
    """
    fleet = fleet_of(seen.snapshot, before)
    ledger = ledger_of(seen.tree, seen.holdings)
    past = past_of(ledger, measure(fleet), at.half_life_s, at.now)
    return replace(seen, past=past, fleet=fleet)


def waiting_gangs(view: View, trainer_image: str) -> list[Gang]:
    """The gangs whose pods are all there and stand behind the gate."""
    gangs: list[Gang] = []
    ended = ended_jobs(view)
    for uid in list(view.gated()):
        job = view.job(uid)
        if job is None:
            continue
        known = known_profile(job, ended, trainer_image)
        gang = gang_of(job, view.workers(uid), known, size_of(job, view))
        if gang is not None:
            gangs.append(gang)
    return gangs


def ended_jobs(view: View) -> list[JobRecord]:
    """The jobs whose measured steps may be somebody else's too."""
    return [job for job in view.jobs() if job.finished and job.status.profile]


def known_profile(job: JobRecord, ended: Sequence[JobRecord], trainer_image: str) -> Profile | None:
    """The profile of the job's steps: its own, or that of an ended job of equal steps."""
    if job.status.profile is not None or job.spec is None or not ended:
        return job.status.profile
    return borrowed(job, mark(job.spec, trainer_image), ended)
