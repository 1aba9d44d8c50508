"""`kubectl qm cost`: what jobs have cost."""

import argparse
from collections.abc import Sequence
from decimal import Decimal

from kubectl_qm import money, views
from kubectl_qm.commands import showback
from kubectl_qm.commands.context import Context
from kubectl_qm.commands.lookup import find_job
from kubectl_qm.commands.status import where
from kubectl_qm.errors import Exit
from kubectl_qm.render.money.costs import costs_page
from kubectl_qm.views import Job


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Shows costs, the dearest first, and their sum."""
    if arguments.recommend:
        return showback.recommend(context, arguments)
    if arguments.by:
        return showback.run(context, arguments)
    jobs = _jobs(context, arguments.name)
    if context.is_machine:
        context.give({"jobs": [_entry(job) for job in jobs], "sums": money.sums(jobs)})
    elif not jobs:
        context.note(f"No TrainingJobs in {where(context)}.")
    else:
        look = context.look()
        namespaced = context.namespace is None
        page = costs_page(jobs, now=context.now(), look=look, namespaced=namespaced)
        context.show(page, look)
    return Exit.OK


def _jobs(context: Context, name: str | None) -> Sequence[Job]:
    if name is not None:
        return [find_job(context.cluster, context.named, name)]
    jobs = [views.job(each) for each in context.cluster.list_jobs(context.namespace)]
    return sorted(jobs, key=_dearest_first)


def _dearest_first(job: Job) -> tuple[bool, Decimal, str, str]:
    """Unknown costs lead: they may be the dearest."""
    total = job.cost.total if job.cost else None
    return not money.is_unknown(job), -(total or Decimal(0)), job.namespace, job.name


def _entry(job: Job) -> dict[str, object]:
    cost = job.cost
    return {
        "namespace": job.namespace,
        "name": job.name,
        "state": job.state,
        "total": cost.total if cost else None,
        "unknown": money.is_unknown(job),
        "ratePerHour": cost.rate_per_hour if cost else None,
        "currency": cost.currency if cost else None,
        "priceSource": cost.price_source if cost else None,
        "restarts": job.restarts,
    }
