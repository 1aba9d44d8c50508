"""`kubectl qm queues`: who may use how much, and who does."""

import argparse

from kubectl_qm.commands.context import Context
from kubectl_qm.errors import Exit
from kubectl_qm.queues import in_tree, queue
from kubectl_qm.render.queues import queues_page


def run(context: Context, _arguments: argparse.Namespace) -> Exit:
    """Shows every ComputeQueue."""
    queues = in_tree(queue(each) for each in context.cluster.list_queues())
    if context.is_machine:
        context.give({"queues": queues})
    elif not queues:
        context.note("No ComputeQueues in this cluster: jobs are served by priority and age.")
    else:
        look = context.look()
        context.show(queues_page(queues, look=look), look)
    return Exit.OK
