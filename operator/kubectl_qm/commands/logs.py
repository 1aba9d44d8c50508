"""`kubectl qm logs`: what the workers wrote."""

import argparse
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.style import Style

from kubectl_qm import logs, workers
from kubectl_qm.cluster import LogRequest
from kubectl_qm.commands.context import Context
from kubectl_qm.commands.lookup import find_job, find_workers
from kubectl_qm.errors import Exit, NotFoundError, UsageError
from kubectl_qm.logs import Line
from kubectl_qm.views import Job
from kubectl_qm.workers import Worker

MOST_STREAMS = 64
"""Workers that are read at once [count]: each is a connection to the API server."""

_COLOURS = ("cyan", "magenta", "blue", "yellow", "green", "bright_black")


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Writes the logs of the chosen workers; prefixed when there are several."""
    job = find_job(context.cluster, context.named, arguments.name)
    indices = _indices(job, arguments)
    write = _writer(context, job, indices)
    lines = (_follow if arguments.follow else _read)(context, job, indices, arguments)
    for line in lines:
        write(line)
    return Exit.OK


def _indices(job: Job, arguments: argparse.Namespace) -> Sequence[int]:
    """Which workers are meant: all, the named ones, or the first."""
    if arguments.previous and arguments.follow:
        raise UsageError("--previous has ended and cannot be followed: leave out --follow")
    indices = sorted(set(arguments.worker or ())) or [0]
    if arguments.all:
        indices = list(range(job.wanted_workers))
    if indices[-1] >= job.wanted_workers:
        raise NotFoundError(
            f"TrainingJob {job.name!r} has no worker {indices[-1]}: they go from 0 to "
            f"{job.wanted_workers - 1}"
        )
    if len(indices) > MOST_STREAMS:
        raise UsageError(
            f"{len(indices)} workers are too many to read at once: "
            f"name up to {MOST_STREAMS} by --worker"
        )
    return indices


def _read(
    context: Context, job: Job, indices: Sequence[int], arguments: argparse.Namespace
) -> Iterator[Line]:
    lives = workers.previous if arguments.previous else workers.newest
    pods = _chosen(lives(find_workers(context.cluster, job)), indices)
    readable = [pod for pod in pods if pod.has_log]
    if not readable:
        raise NotFoundError(_nothing(job, pods, previous=arguments.previous))
    for pod in pods:
        if not pod.has_log:
            context.note(f"worker-{pod.index}: not started yet ({pod.phase})")
    requests = [(pod.index, _request(job, arguments)(pod)) for pod in readable]
    return logs.merged(context.cluster, requests)


def _follow(
    context: Context, job: Job, indices: Sequence[int], arguments: argparse.Namespace
) -> Iterator[Line]:
    readers = logs.Followed(context.cluster, _request(job, arguments))

    def look() -> tuple[Iterable[Worker], bool]:
        # The state is read before the pods, so that no pod of an ended job is missed.
        has_ended = find_job(context.cluster, job.namespace, job.name).has_ended
        pods = workers.newest(find_workers(context.cluster, job))
        return _chosen(pods, indices), has_ended

    if not job.start_time and not job.has_ended:
        context.note(f"{job.name} is {job.state}: waiting for its workers")
    yield from logs.followed(readers, look)
    for fault in readers.faults:
        context.note(str(fault))


def _request(job: Job, arguments: argparse.Namespace) -> Callable[[Worker], LogRequest]:
    def request(worker: Worker) -> LogRequest:
        return LogRequest(
            namespace=job.namespace,
            pod=worker.pod,
            follow=arguments.follow,
            tail=arguments.tail,
            previous=arguments.previous and worker.restarts > 0,
        )

    return request


def _chosen(pods: Iterable[Worker], indices: Sequence[int]) -> list[Worker]:
    return [pod for pod in pods if pod.index in indices]


def _nothing(job: Job, pods: Sequence[Worker], *, previous: bool) -> str:
    if previous:
        return f"no worker of {job.name!r} had an earlier life: leave out --previous"
    if pods:
        first = f"worker-{pods[0].index} of {job.name!r}"
        return f"{first} has not started ({pods[0].phase}): add -f to wait"
    if job.has_ended:
        return f"the worker pods of {job.name!r} are gone, and their logs with them"
    return (
        f"{job.name!r} has no worker pods yet ({job.state}): kubectl qm explain {job.name} "
        f"-n {job.namespace}"
    )


def _writer(context: Context, job: Job, indices: Sequence[int]) -> Callable[[Line], None]:
    """Writes past rich: a log's own bytes are not to be wrapped or highlighted."""
    file = context.console.file
    if len(indices) == 1:
        if job.wanted_workers > 1 and context.errors.is_terminal:
            context.note(f"worker {indices[0]} of {job.wanted_workers}; --all shows every worker")
        prefixes = {indices[0]: ""}
    else:
        width = len(str(indices[-1]))
        prefixes = {index: _prefix(context, index, width) for index in indices}

    def write(line: Line) -> None:
        file.write(f"{prefixes[line.index]}{line.text}\n")
        file.flush()

    return write


def _prefix(context: Context, index: int, width: int) -> str:
    text = f"worker-{index}".ljust(len("worker-") + width) + " |"
    style = Style(color=_COLOURS[index % len(_COLOURS)])
    return style.render(text, color_system=context.console._color_system) + " "  # noqa: SLF001
