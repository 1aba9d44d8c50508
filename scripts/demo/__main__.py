"""Composition root of `make demo`, and of `make demo-files`."""

import os
import sys
import time
from datetime import UTC, datetime

from rich.console import Console

from devcluster.errors import DevclusterError
from kubectl_qm import views
from kubectl_qm.access.connection import connect
from kubectl_qm.errors import CommandError
from kubectl_qm.render.look import Look
from kubectl_qm.render.table import Trimmed
from kubectl_qm.views import Job
from scripts.demo import artifacts, place, plan, screen, spot, steps, summary, training
from scripts.demo.errors import DemoError
from scripts.demo.place import JOB, NAMESPACE, SPOT_JOB, Place
from scripts.demo.screen import Screen

_WIDEST = 110


def main(arguments: list[str]) -> int:
    """Run one of the three, and return the exit code.

    Args:
        arguments: Nothing for the whole demonstration, `files` for what the last one left,
            `install` for everything up to the job.
    """
    try:
        where = place.from_environment(os.environ)
        if arguments == ["files"]:
            print("\n".join(artifacts.listing(where, _job(where))))
        elif arguments == ["install"]:
            _install(where)
        else:
            _demonstrate(where)
    except (DemoError, DevclusterError, CommandError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped; `make demo` goes on where it was", file=sys.stderr)
        return 130
    return 0


def _demonstrate(where: Place) -> None:
    began = time.monotonic()
    console = screen.console()
    with screen.screen(console, time.monotonic) as shown:
        for step in plan.preparation(where):
            _run(step, where, shown)
        for step in plan.installation(where):
            _run(step, where, shown)
        shown.begin("Training")
        job = training.watch(_eyes(where), shown, _look(console))
        shown.begin("Files")
        files = artifacts.listing(where, job)
        # Nodes that are not the demonstration's own are left alone.
        moved = None if where.cluster == "existing" else _spot_scene(where, console, shown)
        shown.end()
    took_s = time.monotonic() - began
    story = summary.Story(job, files, moved)
    page = Trimmed(summary.page(where, story, took_s), _look(console).width)
    console.print(page, end="", crop=False)


def _spot_scene(where: Place, console: Console, shown: Screen) -> summary.Moved:
    """A second job, whose node is taken away in the middle."""
    _run(plan.spot_scene(where), where, shown)
    shown.begin("Spot training")
    reclaim = spot.Reclaim(spot.taking(where))
    reclaim.tidy()
    try:
        job = training.watch(_eyes(where), shown, _look(console), SPOT_JOB, reclaim.seen)
    finally:
        reclaim.give_back()
    return summary.Moved(job, tuple(reclaim.places))


def _install(where: Place) -> None:
    """What tests and benchmarks need: the cluster with the operator in it, and no job."""
    with screen.screen(screen.console(), time.monotonic) as shown:
        for step in plan.preparation(where):
            _run(step, where, shown)
        for step in plan.installation(where):
            if step.name not in plan.JOB_STEPS:
                _run(step, where, shown)
        shown.end()


def _run(step: steps.Step, where: Place, shown: Screen) -> None:
    shown.begin(step.title)
    steps.run(step, where.log(step.name), where.environment, shown)


def _eyes(where: Place) -> training.Eyes:
    cluster = connect(where.kubeconfig, where.context)
    return training.Eyes(cluster, _now, time.monotonic, time.sleep)


def _job(where: Place) -> Job:
    return views.job(connect(where.kubeconfig, where.context).get_job(NAMESPACE, JOB))


def _look(console: Console) -> Look:
    width = min(console.width, _WIDEST) if console.is_terminal else console.width
    return Look(width=width, plain=console.options.ascii_only)


def _now() -> datetime:
    return datetime.now(UTC)  # noqa: TID251 - this is the demonstration's clock


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
