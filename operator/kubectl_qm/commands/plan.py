"""`kubectl qm plan`: what would become of jobs that are not applied yet."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from kubectl_qm.cluster import Cluster, Json
from kubectl_qm.commands.context import Context
from kubectl_qm.errors import DeniedError, Exit, UsageError
from kubectl_qm.render.plan import plan_page
from quartermaster.errors import QuartermasterError
from quartermaster.planning import report
from quartermaster.planning.cluster import (
    Documents,
    operator_settings,
    plan_on_cluster,
    view_of,
)
from quartermaster.planning.jobs import read_jobs
from quartermaster.settings import Settings

RIGHTS = (
    "a plan sees what the operator sees: list on nodes, namespaces, pods, trainingjobs, "
    "computepools and computequeues in the whole cluster"
)
_ELSEWHERE = ", or choose another namespace with -n"

Made = TypeVar("Made")


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Plans every TrainingJob of the files."""
    files = [(name, _text(name)) for name in arguments.filename]
    now = context.now()
    jobs = _sound(lambda: read_jobs(files, context.named, now))
    view = view_of(_seen(context.cluster))
    settings = _settings(context.cluster)
    found = _sound(
        lambda: plan_on_cluster(jobs, view, now, settings=settings, steps=arguments.steps)
    )
    if context.is_machine:
        context.give(report.document(found))
    else:
        look = context.look(page=True)
        context.show(plan_page(found, look=look), look)
        for remark in found.remarks:
            context.note(f"note: {remark}")
    return Exit.OK if found.all_start else Exit.FAILED


def _text(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{name}: not text in UTF-8: byte {error.start} is not") from error


def _sound(make: Callable[[], Made]) -> Made:
    """What is made of the user's documents; a fault of theirs is one of the command line."""
    try:
        return make()
    except QuartermasterError as error:
        raise UsageError(str(error)) from error


def _seen(cluster: Cluster) -> Documents:
    try:
        return Documents(
            nodes=cluster.list_nodes(),
            namespaces=cluster.list_namespaces(),
            pods=cluster.list_every_pod(),
            training_jobs=cluster.list_jobs(None),
            compute_pools=cluster.list_pools(),
            compute_queues=cluster.list_queues(),
            device_classes=cluster.list_devices("deviceclasses"),
            resource_slices=cluster.list_devices("resourceslices"),
            resource_claims=cluster.list_devices("resourceclaims"),
            node_overlays=overlays(cluster),
        )
    except DeniedError as error:
        raise UsageError(f"{str(error).removesuffix(_ELSEWHERE)}; {RIGHTS}") from error


def overlays(cluster: Cluster) -> Sequence[Json]:
    """Few users may see them; the operator itself goes on without where it may not."""
    try:
        return cluster.list_overlays()
    except DeniedError:
        return ()


def _settings(cluster: Cluster) -> Settings | None:
    """The operator's settings, where the user may see them: without them the plan still stands."""
    try:
        return operator_settings(cluster.list_operators())
    except (DeniedError, ValueError):
        return None
