"""What jobs ask for and what they hold, read off their pods and statuses: no memory of our own."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache

from quartermaster.api import meta
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import Profile
from quartermaster.catalog import partitions
from quartermaster.decide.cost import accrual
from quartermaster.decide.queue.share import model_of
from quartermaster.decide.workers import places
from quartermaster.domain.cluster import Toleration
from quartermaster.domain.queue import UNKNOWN_MODEL, Holding, Seat
from quartermaster.domain.resources import Resources
from quartermaster.domain.worker import Phase, Worker
from quartermaster.domain.workload import Gang
from quartermaster.manifests import devices
from quartermaster.reconcile.ports import View
from quartermaster.reconcile.profile.step_costs import job_profile
from quartermaster.units import byte_count, millicores

Places = Mapping[str, str]
"""Nodes by the uid of pods that were given one and do not show it yet."""
NOWHERE: Places = {}


def per_worker(spec: TrainingJobSpec) -> Resources:
    """What one worker takes of a node."""
    needs = spec.trainer.resources_per_worker
    return _resources(needs.cpu, needs.memory, needs.gpus, devices.kind(needs))


@lru_cache(maxsize=1024)
def _resources(cpu: str, memory: str, gpus: int, part: str | None) -> Resources:
    # Asked for every job in every cycle, and always the same: half of the time without the cache.
    parts = () if part is None else ((part, gpus),)
    return Resources(
        cpu_m=millicores(cpu),
        memory=byte_count(memory),
        gpus=0 if parts else gpus,
        pods=1,
        parts=parts,
    )


def gang_of(
    job: JobRecord,
    workers: Iterable[Worker],
    known: Profile | None = None,
    size: int | None = None,
) -> Gang | None:
    """The job's workers that want a place; None while some of its pods are still to be created.

    Args:
        job: Whose workers.
        workers: Its pods.
        known: What is known of its steps from an earlier run.
        size: Workers of an elastic gang at present [count]; None: as its spec says.
    """
    spec = job.spec
    if spec is None or spec.suspend or job.deleting or job.finished or job.sent_away:
        return None
    size = spec.trainer.workers if size is None else size
    if job.resize is not None and job.resize.workers != size:
        return None
    alive = [worker for worker in workers if worker.live and worker.index < size]
    waiting = [worker for worker in alive if meta.PLACEMENT_GATE in worker.gates]
    done = {worker.index for worker in workers if worker.phase is Phase.SUCCEEDED}
    present = {worker.index for worker in alive} | done
    if not waiting or len(present) < size:
        return None
    gang = whole_gang(job, spec, known)
    return replace(
        gang,
        indices=tuple(sorted(worker.index for worker in waiting)),
        held=tuple(sorted(places(alive))),
        least=gang.least if gang.least is not None and gang.least < size else None,
        kept=() if job.resize is None else job.resize.places,
    )


def new_gang(job: JobRecord, known: Profile | None = None) -> Gang | None:
    """The gang of a job of which no pod is there yet; None where it asks for no place.

    Args:
        job: A job that has just been, or is yet to be, applied.
        known: What is known of its steps from an earlier run.
    """
    spec = job.spec
    if spec is None or spec.suspend or spec.managed_by is not None:
        return None
    return whole_gang(job, spec, known)


def whole_gang(job: JobRecord, spec: TrainingJobSpec, known: Profile | None) -> Gang:
    """All workers that the job may have.

    Args:
        job: Whose workers.
        spec: Its spec.
        known: What is known of its steps from an earlier run.
    """
    deadline = spec.active_deadline_seconds
    return Gang(
        key=job.key,
        uid=job.uid,
        created=job.created,
        indices=tuple(range(spec.trainer.workers)),
        per_worker=per_worker(spec),
        priority=spec.priority,
        capacity=spec.placement.capacity_type.capacity,
        accelerators=tuple(map(partitions.model_name, spec.placement.accelerators)),
        pools=tuple(spec.placement.pools),
        topology=spec.placement.topology.mode,
        topology_level=spec.placement.topology.level,
        gpu_resource=spec.trainer.resources_per_worker.gpu_resource,
        tolerations=(Toleration(spec.trainer.resources_per_worker.gpu_resource.value),),
        queue=job.queue,
        runtime_s=None if deadline is None else float(deadline),
        objective=spec.placement.objective,
        profile=job_profile(spec, known),
        least=spec.trainer.min_workers,
        defragment=spec.placement.defragment,
    )


def holdings(view: View, places: Places, now: datetime, *, movable: bool = False) -> list[Holding]:
    """Every job that holds nodes, or was stopped for one that still waits.

    Args:
        view: What is known of jobs and pods.
        places: Places that are given away and not seen in the view yet.
        now: The time.
        movable: Whether it is told of each how it would be placed somewhere else.
    """
    found: list[Holding] = []
    for job in view.jobs():
        holding = None if job.finished else holding_of(job, view, places, now)
        open_to_moves = job.spec is not None and not job.spec.placement.follows_deadline
        if holding is not None and movable and job.spec is not None and open_to_moves:
            holding = replace(holding, anew=whole_gang(job, job.spec, None))
        if holding is not None:
            found.append(holding)
    return found


def holding_of(job: JobRecord, view: View, places: Places, now: datetime) -> Holding | None:
    """What a job holds; None where that is nothing and nobody waits for it to be gone."""
    spec = job.spec
    if spec is None:
        return None
    told_to_go = job.sent_away or job.deleting or spec.suspend
    workers, size = view.workers(job.uid), size_of(job, view)
    kept = kept_places(job, view)
    seated: list[Worker] = []
    seats: list[Seat] = []

    def model_at(name: str) -> str:
        node = view.node(name)
        model = (model_of(node) if node is not None else "") or UNKNOWN_MODEL
        return model if spec.trainer.resources_per_worker.gpus else ""

    for worker in workers:
        node_name = places.get(worker.uid) if worker.gates else worker.node
        if node_name is None or worker.over:
            continue
        seated.append(worker)
        if kept.get(node_name, 0):
            kept[node_name] -= 1
            seats.append(Seat(node_name, model_at(node_name)))
            continue
        leaving = told_to_go or worker.deleting is not None or job.resize is not None
        seats.append(Seat(node_name, model_at(node_name), leaving))
    # What is kept for it counts as held, though nobody is there for a while.
    seats += [Seat(name, model_at(name)) for name, count in kept.items() for _ in range(count)]
    if not seats and job.stopped is None:
        return None
    return Holding(
        key=job.key,
        uid=job.uid,
        queue=job.queue,
        per_worker=per_worker(spec),
        seats=tuple(seats),
        priority=spec.priority,
        started=min((w.bound for w in seated if w.bound is not None), default=None),
        remaining_s=_remaining(job, spec, seated, now),
        lost_s=_lost(job, seated, now),
        usd_per_hour=accrual.rate(seated),
        stopped_for="" if job.stopped is None else job.stopped.by_uid,
        made_room={} if job.stopped is None else dict(job.stopped.places),
        awaited=0 if told_to_go else _awaited(size, workers, seated),
        least=spec.trainer.min_workers,
        resizing=job.resize is not None,
    )


def size_of(job: JobRecord, view: View) -> int:
    """Workers of the gang [count]: of an elastic one, as many as it has at present."""
    wanted = job.spec.trainer.workers if job.spec is not None else 0
    child = view.child(job.uid)
    elastic = job.spec is not None and job.spec.trainer.min_workers is not None
    return child.workers if elastic and child is not None else wanted


def kept_places(job: JobRecord, view: View) -> dict[str, int]:
    """Workers by node [count] of a gang that changes its size, until its new pods are there."""
    resize, child = job.resize, view.child(job.uid)
    if resize is None or child is None or job.sent_away:
        return {}
    living = [w for w in view.workers(job.uid) if w.live]
    moves = resize.leaves(places(living))
    there = len({w.index for w in living}) >= resize.workers == child.workers
    if there and not child.suspended and not moves:
        return {}
    return dict(resize.places)


def _remaining(
    job: JobRecord, spec: TrainingJobSpec, seated: Sequence[Worker], now: datetime
) -> float | None:
    """Time to the end by the run's own reckoning or its deadline, whichever comes first [s]."""
    known: list[float] = []
    progress = job.status.progress
    if progress is not None and progress.estimated_completion_time is not None:
        known.append((progress.estimated_completion_time - now).total_seconds())
    bound = [worker.bound for worker in seated if worker.bound is not None]
    if spec.active_deadline_seconds is not None and bound:
        known.append(spec.active_deadline_seconds - (now - min(bound)).total_seconds())
    return max(0.0, min(known)) if known else None


def _lost(job: JobRecord, seated: Sequence[Worker], now: datetime) -> float:
    """Time since the last checkpoint, or since the gang started if that was later [s]."""
    started = [worker.started for worker in seated if worker.started is not None]
    if not started:
        return 0.0
    since = max(started)
    if job.status.checkpoint is not None:
        since = max(since, job.status.checkpoint.time)
    return max(0.0, (now - since).total_seconds())


def _awaited(size: int, workers: Sequence[Worker], seated: Sequence[Worker]) -> int:
    """Workers of a gang on nodes that have no place at the moment [count]."""
    done = {worker.index for worker in workers if worker.phase is Phase.SUCCEEDED}
    return max(0, size - len({worker.index for worker in seated} | done))
