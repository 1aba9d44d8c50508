"""`quartermaster simulate`: a trace of jobs on a cluster of numbers, by the operator's code."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import replace

from quartermaster.adapters.scene import KNOWN
from quartermaster.commands import results
from quartermaster.commands.files import read_bytes, read_text
from quartermaster.decide.queue.tree import FOREIGN, Tree, tree_of
from quartermaster.domain.queue import Queue
from quartermaster.errors import SpecError
from quartermaster.planning.cluster_file import read_cluster, read_queues
from quartermaster.planning.trace_file import read_trace
from quartermaster.simulate.trace.job import Submission, Terms
from quartermaster.simulate.trace.loop import Simulation
from quartermaster.simulate.trace.outcome import Ending, whole
from quartermaster.units import duration

REPORT_SECONDS = 5.0
"""Between two lines of progress [s]."""


def run(arguments: argparse.Namespace) -> int:
    """Simulate; 0 when every job had a place, 1 when one never had."""
    jobs = read_trace(str(arguments.trace), read_text(arguments.trace))
    cluster, queues = read_cluster(str(arguments.cluster), read_bytes(arguments.cluster))
    if arguments.queues is not None:
        queues = read_queues(str(arguments.queues), read_bytes(arguments.queues))
    tree = _tree(queues, jobs)
    simulation = Simulation(cluster, tree, _terms(arguments), KNOWN)
    records = simulation.run(jobs, _Ticker(len(jobs)))
    total = whole(records, cluster)
    if arguments.output == "json":
        told = json.dumps(results.document(records, total), indent=2, ensure_ascii=False) + "\n"
    elif arguments.output == "csv":
        told = results.spreadsheet(records)
    else:
        told = "".join(f"{line}\n" for line in results.table(records, total))
    sys.stdout.write(told)
    return 1 if any(record.ending is Ending.NEVER_PLACED for record in records) else 0


def _terms(arguments: argparse.Namespace) -> Terms:
    return Terms(
        stop_s=arguments.stop_seconds,
        restart_s=arguments.restart_seconds,
        checkpoint_s=arguments.checkpoint_seconds,
        half_life_s=arguments.half_life_seconds,
        ends_known=not arguments.ends_unknown,
    )


def _tree(queues: Sequence[Queue], jobs: Sequence[Submission]) -> Tree:
    """The queues; a trace tells no labels of namespaces, so all are admitted.

    Raises:
        SpecError: A queue cannot be used, or a job names one that is not there.
    """
    tree = tree_of(replace(queue, namespace_labels={}) for queue in queues)
    for queue in tree.queues.values():
        if queue.fault:
            raise SpecError(f"ComputeQueue {queue.name} cannot be used: {queue.fault}")
    for job in jobs:
        gang = job.gang
        if gang.queue not in tree.queues:
            known = ", ".join(name for name in tree.queues if name != FOREIGN)
            raise SpecError(
                f"{gang.key}: queue {gang.queue} does not exist; there are: {known}; "
                "--queues FILE brings others"
            )
    return tree


class _Ticker:
    """Says on standard error how far a long simulation is."""

    def __init__(self, jobs: int) -> None:
        self._jobs = jobs
        self._last = time.monotonic()

    def __call__(self, now: float, ended: int, there: int) -> None:
        """Called at each simulated moment."""
        if time.monotonic() - self._last < REPORT_SECONDS:
            return
        self._last = time.monotonic()
        sys.stderr.write(
            f"simulated {duration(now)}: {ended} of {self._jobs} jobs ended, {there} there now\n"
        )
