"""`kubectl qm budgets`: what may be spent, what was, and what that does."""

import argparse

from kubectl_qm.commands.context import Context
from kubectl_qm.commands.status import where
from kubectl_qm.errors import Exit
from kubectl_qm.render.money.budgets import budgets_page
from kubectl_qm.spending.budgets import budget, fullest_first


def run(context: Context, _arguments: argparse.Namespace) -> Exit:
    """Shows the Budgets of a namespace, or of all."""
    found = fullest_first(budget(each) for each in context.cluster.list_budgets(context.namespace))
    if context.is_machine:
        context.give({"budgets": found})
    elif not found:
        context.note(f"No Budgets in {where(context)}: jobs are limited by spec.budget alone.")
    else:
        look = context.look()
        context.show(budgets_page(found, look=look, everywhere=context.namespace is None), look)
    return Exit.OK
