"""Plans on a cluster as it is: its documents, through the operator's own view of them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from quartermaster.adapters.cache import Cache
from quartermaster.adapters.prices import shipped
from quartermaster.adapters.scene import KNOWN
from quartermaster.adapters.view import ClusterView
from quartermaster.api.record import JobRecord
from quartermaster.api.training_job_status import State
from quartermaster.domain.workload import Gang
from quartermaster.planning.answer import Answer, answer, refuse_twins
from quartermaster.reconcile.demand import new_gang
from quartermaster.reconcile.profile.length import Length, length_of
from quartermaster.reconcile.scene import (
    Moment,
    ended_jobs,
    known_profile,
    scene_of,
    waiting_gangs,
)
from quartermaster.settings import Settings, from_environment

Document = Mapping[str, Any]
NO_SETTINGS = (
    "the operator's settings could not be seen: its defaults were taken, and measured steps of "
    "jobs that run in its own trainer image may be missed"
)
OTHER_PRICES = (
    "the operator has a price list of its own (QM_PRICE_CATALOG), which a plan does not read: "
    "where it differs from the catalogue, prices and places may be others"
)


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything that the operator watches, as the API server lists it."""

    nodes: Iterable[Document]
    namespaces: Iterable[Document]
    pods: Iterable[Document]
    training_jobs: Iterable[Document]
    compute_pools: Iterable[Document]
    compute_queues: Iterable[Document]
    device_classes: Iterable[Document] = ()
    resource_slices: Iterable[Document] = ()
    resource_claims: Iterable[Document] = ()
    node_overlays: Iterable[Document] = ()
    """Karpenter's, where the cluster has them."""


def view_of(documents: Documents) -> ClusterView:
    """The operator's picture of these documents."""
    view = ClusterView(touched=lambda _: None, room=lambda: None)
    view.use_prices(shipped.lists())
    caches: tuple[tuple[Cache[Any], Iterable[Document]], ...] = (
        (view.overlays, documents.node_overlays),
        (view.nodes, documents.nodes),
        (view.namespaces, documents.namespaces),
        (view.training_jobs, documents.training_jobs),
        (view.compute_pools, documents.compute_pools),
        (view.compute_queues, documents.compute_queues),
        (view.pods, documents.pods),
        (view.devices.classes, documents.device_classes),
        (view.devices.slices, documents.resource_slices),
        (view.devices.claims, documents.resource_claims),
    )
    for cache, found in caches:
        for document in found:
            cache.put(document)
    return view


def plan_on_cluster(
    jobs: Sequence[JobRecord],
    view: ClusterView,
    now: datetime,
    *,
    settings: Settings | None = None,
    steps: int | None = None,
) -> Answer:
    """What would become of the jobs if they were applied now.

    Args:
        jobs: Who is to be planned.
        view: The cluster.
        now: The time.
        settings: The operator's; None where they could not be seen.
        steps: How many steps each job has, where the user knows [count].

    Raises:
        SpecError: A job is there already, or names a queue or a pool that is not there.
    """
    states = {str(one.key): one.status.state or State.PENDING for one in view.jobs()}
    refuse_twins(jobs, {key: f"is {state}" for key, state in states.items()})
    told = settings or Settings()
    ended = ended_jobs(view)
    asked: list[tuple[JobRecord, Gang | None]] = []
    lengths: dict[str, Length] = {}
    for job in jobs:
        known = known_profile(job, ended, told.trainer_image)
        asked.append((job, new_gang(job, known)))
        length = length_of(job, known, ended) if steps is None else Length(steps, "")
        if length is not None:
            lengths[job.uid] = length
    moment = Moment(now, told.queue_half_life_seconds, KNOWN)
    waiting = waiting_gangs(view, told.trainer_image)
    scene = scene_of(view, view.snapshot(), waiting, moment)
    namespaces = {job.key.namespace: view.namespace_labels(job.key.namespace) for job in jobs}
    scene = replace(scene, namespaces={**scene.namespaces, **namespaces})
    return answer(scene, asked, lengths, list(_remarks(settings)))


def _remarks(settings: Settings | None) -> Iterator[str]:
    if settings is None:
        yield NO_SETTINGS
    elif settings.price_catalog:
        yield OTHER_PRICES


def operator_settings(deployments: Iterable[Document]) -> Settings | None:
    """The settings by the environment of the operator's container; None where there is none."""
    for deployment in deployments:
        template = (deployment.get("spec") or {}).get("template") or {}
        for container in (template.get("spec") or {}).get("containers") or ():
            told = {each["name"]: each.get("value") for each in container.get("env") or ()}
            if "QM_TRAINER_IMAGE" in told:
                given = {name: value for name, value in told.items() if value is not None}
                return from_environment(given)
    return None
