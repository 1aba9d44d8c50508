"""`kubectl qm status`: what the jobs do, or one job on a page."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import RenderableType
from rich.live import Live

from kubectl_qm import views, workers
from kubectl_qm.commands.context import Context
from kubectl_qm.commands.lookup import find_job, find_workers
from kubectl_qm.errors import Exit, UnreachableError, UsageError
from kubectl_qm.render.job import job_page
from kubectl_qm.render.jobs import jobs_table
from kubectl_qm.render.look import Look
from kubectl_qm.views import Job
from kubectl_qm.workers import Worker

PERIOD_S = 2.0
"""Between two looks while watching [s]: as often as a trainer may report."""
PATIENCE = 15
"""Looks in a row that the cluster may miss before watching ends [count]."""


@dataclass(frozen=True, slots=True)
class JobWithWorkers:
    """One job and its current pods, the shape of `status NAME -o json`."""

    job: Job
    workers: tuple[Worker, ...]


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Shows jobs; with a name and --watch the exit code is the job's own end."""
    if arguments.watch and context.is_machine:
        raise UsageError(
            "--watch draws for people; for programs: kubectl get trainingjobs -w -o json"
        )
    if arguments.name is None:
        return _all(context, watch=arguments.watch)
    return _one(context, arguments.name, watch=arguments.watch)


def _all(context: Context, *, watch: bool) -> Exit:
    if watch:
        Watch(context, lambda: (_table(context, _jobs(context)), "", False), page=False).run()
        return Exit.OK
    jobs = _jobs(context)
    if context.is_machine:
        context.give({"jobs": jobs})
    elif jobs:
        context.show(_table(context, jobs), context.look())
    else:
        context.note(f"No TrainingJobs in {where(context)}.")
    return Exit.OK


def _one(context: Context, name: str, *, watch: bool) -> Exit:
    if not watch:
        found = _look(context, name)
        if context.is_machine:
            context.give(found)
        else:
            look = context.look(page=True)
            context.show(_page(context, found, look), look)
        return Exit.OK
    last: list[JobWithWorkers] = []

    def observe() -> tuple[RenderableType, str, bool]:
        found = _look(context, name)
        last[:] = [found]
        page = _page(context, found, context.look(page=True))
        return page, _one_line(found.job), found.job.has_ended

    Watch(context, observe, page=True).run()
    return Exit.FAILED if last and last[0].job.state == "Failed" else Exit.OK


def where(context: Context) -> str:
    """The namespaces that were looked at, in words."""
    return "any namespace" if context.namespace is None else f"namespace {context.namespace!r}"


@dataclass
class Watch:
    """Looks again and again: redraws a terminal, writes a line a change elsewhere."""

    context: Context
    observe: Callable[[], tuple[RenderableType, str, bool]]
    """Gives the picture, the same as one line, and whether that was the last."""
    page: bool
    missed: int = 0

    def run(self) -> None:
        """Watches until the end.

        Raises:
            UnreachableError: The cluster missed `PATIENCE` looks in a row.
        """
        if self.context.console.is_terminal:
            self._draw()
        else:
            self._write()

    def _draw(self) -> None:
        with Live(console=self.context.console, auto_refresh=False, transient=False) as live:
            while True:
                seen = self._observed()
                if seen is not None:
                    look = self.context.look(page=self.page)
                    live.update(self.context.trimmed(seen[0], look), refresh=True)
                    if seen[2]:
                        return
                self.context.sleep(PERIOD_S)

    def _write(self) -> None:
        before = ""
        while True:
            seen = self._observed()
            if seen is not None:
                picture, line, is_last = seen
                if line and line != before:
                    self.context.console.print(line, soft_wrap=True)
                    self.context.console.file.flush()
                elif not line:
                    self.context.show(picture, self.context.look())
                before = line
                if is_last:
                    return
            self.context.sleep(PERIOD_S)

    def _observed(self) -> tuple[RenderableType, str, bool] | None:
        try:
            seen = self.observe()
        except UnreachableError:
            self.missed += 1
            if self.missed >= PATIENCE:
                raise
            return None
        self.missed = 0
        return seen


def _jobs(context: Context) -> list[Job]:
    return [views.job(each) for each in context.cluster.list_jobs(context.namespace)]


def _table(context: Context, jobs: list[Job]) -> RenderableType:
    return jobs_table(
        jobs,
        now=context.now(),
        look=context.look(),
        namespaced=context.namespace is None,
        wide=context.output == "wide",
    )


def _look(context: Context, name: str) -> JobWithWorkers:
    job = find_job(context.cluster, context.named, name)
    pods = context.permitted(lambda: find_workers(context.cluster, job))
    return JobWithWorkers(job, workers.newest(pods))


def _page(context: Context, found: JobWithWorkers, look: Look) -> RenderableType:
    return job_page(found.job, found.workers, now=context.now(), look=look)


def _one_line(job: Job) -> str:
    parts = [f"{job.namespace}/{job.name}", job.state, job.workers]
    if job.progress is not None:
        parts.append(f"{job.progress.percentage}% {job.progress.step}/{job.progress.total_steps}")
    return " ".join(parts)
