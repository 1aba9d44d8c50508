"""`kubectl qm explain`: why a job is where it is, or why it waits."""

import argparse

from kubectl_qm import views, workers
from kubectl_qm.commands.context import Context
from kubectl_qm.commands.lookup import find_job, find_workers
from kubectl_qm.errors import Exit
from kubectl_qm.explanation import explain
from kubectl_qm.render.explanation import explanation_page
from kubectl_qm.views import Event, Job

MOST_EVENTS = 10


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Shows the reasons for one job's state."""
    job = find_job(context.cluster, context.named, arguments.name)
    pods = context.permitted(lambda: find_workers(context.cluster, job))
    events = context.permitted(lambda: _events(context, job))
    answer = explain(job, workers.newest(pods), events)
    if context.is_machine:
        context.give(answer)
    else:
        look = context.look(page=True)
        context.show(explanation_page(answer, now=context.now(), look=look), look)
    return Exit.OK


def _events(context: Context, job: Job) -> list[Event]:
    """The job's latest events, the newest last."""
    events = map(views.event, context.cluster.list_events(job.namespace, job.uid))
    return views.merged(events)[-MOST_EVENTS:]
