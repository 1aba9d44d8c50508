"""Watching the job until it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kubectl_qm import views, workers
from kubectl_qm.cluster import Cluster
from kubectl_qm.commands.lookup import find_workers
from kubectl_qm.errors import NotFoundError, UnreachableError
from kubectl_qm.render.job import job_page
from kubectl_qm.render.look import NOTHING, Look, remaining
from kubectl_qm.views import Job
from scripts.demo.errors import DemoError
from scripts.demo.place import JOB, NAMESPACE
from scripts.demo.screen import Screen

PERIOD_S = 1.0
"""Between two looks [s]."""
LIMIT_S = 1200.0
"""A job that has not ended by now is waiting for something that does not come [s]."""
PATIENCE = 20
"""Looks in a row that the cluster may miss [count]."""


@dataclass(frozen=True)
class Eyes:
    """What watching needs of the world."""

    cluster: Cluster
    now: Callable[[], datetime]
    clock: Callable[[], float]
    sleep: Callable[[float], None]


def unmoved(_: Job) -> None:
    """Whoever only looks."""


def watch(
    eyes: Eyes, screen: Screen, look: Look, name: str = JOB, seen: Callable[[Job], None] = unmoved
) -> Job:
    """Show a job until it is complete.

    Args:
        eyes: What watching needs of the world.
        screen: Where it is shown.
        look: How it is shown.
        name: Which job.
        seen: Called with the job at each look.

    Raises:
        DemoError: It failed, or did not end in time; the message says why and what to do.
    """
    deadline = eyes.clock() + LIMIT_S
    missed = 0
    while True:
        try:
            job = _shown(eyes, screen, look, name)
            missed = 0
        except (UnreachableError, NotFoundError) as error:
            missed += 1
            if missed >= PATIENCE:
                raise DemoError(f"the job cannot be seen any more: {error}") from error
        else:
            if job.state == "Complete":
                return job
            if job.state == "Failed":
                raise DemoError(_failure(job))
            if eyes.clock() > deadline:
                raise DemoError(_overdue(job))
            seen(job)
        eyes.sleep(PERIOD_S)


def _shown(eyes: Eyes, screen: Screen, look: Look, name: str) -> Job:
    job = views.job(eyes.cluster.get_job(NAMESPACE, name))
    pods = workers.newest(find_workers(eyes.cluster, job))
    page = job_page(job, pods, now=eyes.now(), look=look)
    left = remaining(job, eyes.now())
    screen.show_job(page, line(job), "" if left == NOTHING else left)
    return job


def line(job: Job) -> str:
    """The job in a line: what a log needs to tell the story."""
    parts = [job.state]
    stalled = job.condition("Stalled")
    if job.state == "Stalled" and stalled:
        parts.append(stalled.message)
    elif job.state in ("Waiting", "Starting") and job.placement:
        parts.append(job.placement.reason)
    elif job.progress is not None and job.progress.total_steps:
        parts += [
            f"step {job.progress.step} of {job.progress.total_steps}",
            f"loss {job.progress.loss}" if job.progress.loss else "",
            *(f"{name} {value}" for name, value in job.progress.metrics),
        ]
        if job.cost and job.cost.total is not None:
            parts.append(f"{job.cost.total} {job.cost.currency}")
    return ", ".join(part for part in parts if part)


def _failure(job: Job) -> str:
    condition = job.condition("Failed")
    why = f"{condition.reason}: {condition.message}" if condition else "no reason was given"
    return (
        f"the job failed: {why}\n"
        f"  what to do: kubectl qm explain {job.name} -n {NAMESPACE}; kubectl qm logs {job.name} "
        f"-n {NAMESPACE}"
    )


def _overdue(job: Job) -> str:
    reason = job.placement.reason if job.placement else ""
    return (
        f"the job is {job.state} after {LIMIT_S / 60:.0f} minutes: {reason or 'no reason yet'}\n"
        f"  what to do: kubectl qm explain {job.name} -n {NAMESPACE}"
    )
