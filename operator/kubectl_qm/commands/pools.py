"""`kubectl qm pools`: what there is to run on, and what it costs."""

import argparse

from kubectl_qm import views
from kubectl_qm.commands.context import Context
from kubectl_qm.errors import Exit
from kubectl_qm.render.pools import pools_page


def run(context: Context, _arguments: argparse.Namespace) -> Exit:
    """Shows every ComputePool."""
    pools = [views.pool(each) for each in context.cluster.list_pools()]
    if context.is_machine:
        context.give({"pools": pools})
    elif not pools:
        context.note("No ComputePools in this cluster: every node may be used, at unknown prices.")
    else:
        look = context.look()
        context.show(pools_page(pools, look=look), look)
    return Exit.OK
