"""Finding what the user named, and saying what is near when it is not there."""

import difflib

from kubectl_qm import views, workers
from kubectl_qm.cluster import Cluster
from kubectl_qm.errors import ClusterRefusal, NotFoundError
from kubectl_qm.views import Job
from kubectl_qm.workers import Worker

MOST_MATCHES = 3


def find_job(cluster: Cluster, namespace: str, name: str) -> Job:
    """One TrainingJob.

    Raises:
        NotFoundError: There is none; the message names the near ones.
    """
    try:
        return views.job(cluster.get_job(namespace, name))
    except NotFoundError as error:
        raise NotFoundError(_missing(cluster, namespace, name)) from error


def find_workers(cluster: Cluster, job: Job) -> tuple[Worker, ...]:
    """Every worker pod of a job, old lives too."""
    return tuple(workers.worker(pod) for pod in cluster.list_pods(job.namespace, job.uid))


def _missing(cluster: Cluster, namespace: str, name: str) -> str:
    what = f"TrainingJob {name!r} not found in namespace {namespace!r}"
    elsewhere = _jobs(cluster, None) or _jobs(cluster, namespace)
    other = sorted(job.namespace for job in elsewhere if job.name == name)
    if other:
        return f"{what}; there is one in namespace {other[0]!r}: add -n {other[0]}"
    here = sorted(job.name for job in elsewhere if job.namespace == namespace)
    near = difflib.get_close_matches(name, here, MOST_MATCHES)
    if near:
        return f"{what}; did you mean {' or '.join(map(repr, near))}?"
    if here:
        return f"{what}; kubectl qm status -n {namespace} shows the {len(here)} that there are"
    return f"{what}, which has none"


def _jobs(cluster: Cluster, namespace: str | None) -> list[Job]:
    """The jobs, as far as the user may see them: this only makes an error's text better."""
    try:
        return [views.job(each) for each in cluster.list_jobs(namespace)]
    except ClusterRefusal:
        return []
