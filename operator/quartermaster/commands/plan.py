"""`quartermaster plan`: what would become of jobs on a cluster that was saved."""

import argparse
import json
import sys
from datetime import UTC, datetime, timedelta

from quartermaster.adapters import scene
from quartermaster.commands.files import read_bytes, read_text
from quartermaster.decide.queue.scene import Scene
from quartermaster.planning import report
from quartermaster.planning.cycle import plan_on_cycle
from quartermaster.planning.jobs import read_jobs

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def run(arguments: argparse.Namespace) -> int:
    """Tell what would become of each job; 0 when all would start, 1 when one would wait."""
    saved = scene.read(read_bytes(arguments.cycle))
    files = [(str(path), read_text(path)) for path in arguments.files]
    jobs = read_jobs(files, arguments.namespace, _after(saved))
    found = plan_on_cycle(jobs, saved, arguments.steps)
    if arguments.output == "json":
        sys.stdout.write(json.dumps(report.document(found), indent=2, ensure_ascii=False) + "\n")
    else:
        for line in report.lines(found):
            sys.stdout.write(f"{line}\n")
    return 0 if found.all_start else 1


def _after(saved: Scene) -> datetime:
    """A moment after everybody in the cycle has come, so that the same input has one answer."""
    moments = [gang.created for gang in saved.waiting]
    moments += [one.started for one in saved.holdings if one.started is not None]
    return max(moments, default=BEGINNING) + timedelta(seconds=1)
