"""`kubectl qm cost --by`: what the ledger's sums say to whoever has to pay."""

import argparse
import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction

from kubectl_qm import views
from kubectl_qm.cluster import Json
from kubectl_qm.commands.context import Context
from kubectl_qm.commands.plan import overlays
from kubectl_qm.commands.status import where
from kubectl_qm.errors import DeniedError, Exit
from kubectl_qm.render.money.showback import advice_page, showback_page
from quartermaster.decide.cost.ledger import recommend as advice
from quartermaster.decide.cost.ledger import showback
from quartermaster.decide.cost.ledger.focus import decimal
from quartermaster.decide.cost.ledger.nodes import PAYING
from quartermaster.decide.cost.ledger.showback import Row
from quartermaster.domain.money.spending import Amounts, Dimension, Line
from quartermaster.planning.cluster import Documents, view_of
from quartermaster.planning.other_gpus import market


@dataclass(frozen=True, slots=True)
class Period:
    """Whole days in UTC."""

    since: date
    until: date
    """Not included."""


def run(context: Context, arguments: argparse.Namespace) -> Exit:
    """Shows costs by what was asked for, the dearest first, and their sum."""
    period = _period(arguments, context.now())
    asked = Dimension(arguments.by)
    shown = (Dimension.NAMESPACE, asked) if asked is Dimension.JOB else (asked,)
    query = (*shown, Dimension.NAMESPACE, *showback.NEEDED)
    answer = context.cluster.read_ledger(_query(period, query))
    found = showback.rows(_lines(answer, len(shown), context.namespace, asked))
    if context.is_machine:
        context.give(_document(found, period, shown))
    elif arguments.output == "csv":
        _write(context, found, shown)
    elif not found:
        context.note(f"Nothing was charged in {where(context)} in these days.")
    else:
        look = context.look()
        context.show(showback_page(found, by=shown, look=look), look)
    return Exit.OK


def recommend(context: Context, arguments: argparse.Namespace) -> Exit:
    """Shows where money could have been saved, the most first."""
    period = _period(arguments, context.now())
    answer = context.cluster.read_ledger(_query(period, advice.NEEDED))
    lines = [
        Line(tuple(line["key"]), _amounts(line))
        for line in answer.get("lines") or ()
        if context.namespace in (None, line["key"][0])
    ]
    documents = context.cluster.list_jobs(context.namespace)
    found = advice.advise(lines, _waits(documents), _market(context, documents))
    if context.is_machine:
        context.give({"recommendations": [_advice(each) for each in found]})
    elif not found:
        context.note(f"Nothing to recommend in {where(context)} for these days.")
    else:
        look = context.look()
        context.show(advice_page(found, look=look), look)
    return Exit.OK


def _waits(documents: Iterable[Json]) -> dict[advice.Name, advice.Waits]:
    """By the profiles of the jobs that are still there."""
    return {
        (job.namespace, job.name): advice.Waits(
            Fraction(job.profile.data_wait_fraction or 0),
            Fraction(job.profile.communication_fraction or 0),
        )
        for job in map(views.job, documents)
        if job.profile is not None
    }


def _market(context: Context, jobs: Iterable[Json]) -> advice.Market:
    """Other GPUs, as far as the user may see the cluster; without them the rest still stands."""
    cluster = context.cluster
    try:
        nodes, pools = cluster.list_nodes(), cluster.list_pools()
    except DeniedError:
        context.note(
            "note: other GPUs are not weighed: that takes list on nodes and computepools in the "
            "whole cluster"
        )
        return advice.NO_MARKET
    seen = Documents(
        nodes=nodes,
        namespaces=(),
        pods=(),
        training_jobs=jobs,
        compute_pools=pools,
        compute_queues=(),
        node_overlays=overlays(cluster),
    )
    return market(view_of(seen))


def _advice(each: advice.Advice) -> dict[str, object]:
    return {
        "namespace": each.namespace,
        "job": each.job,
        "saving": each.saving.value,
        "usd": decimal(each.usd),
        "why": each.why,
    }


def _query(period: Period, by: Iterable[Dimension]) -> dict[str, str]:
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "by": ",".join(by),
    }


def _period(arguments: argparse.Namespace, now: datetime) -> Period:
    tomorrow = now.date() + timedelta(days=1)
    since = arguments.since
    if isinstance(since, timedelta):
        since = (now - since).date()
    return Period(since, arguments.until or tomorrow)


def _lines(answer: Json, shown: int, namespace: str | None, asked: Dimension) -> Iterable[Line]:
    """The answer's lines, of one namespace or of all; without it where it is not shown."""
    for line in answer.get("lines") or ():
        key = tuple(line["key"])
        if namespace is not None and key[shown] != namespace:
            continue
        if asked is Dimension.JOB and key[shown + 1] not in PAYING:
            continue
        yield Line((*key[:shown], *key[shown + 1 :]), _amounts(line))


def _amounts(line: Mapping[str, object]) -> Amounts:
    return Amounts(
        Fraction(str(line["usd"])),
        Fraction(str(line["onDemandUsd"])),
        int(str(line["heldMs"])),
        int(str(line["gpuMs"])),
        int(str(line["unpricedMs"])),
    )


def _document(found: Iterable[Row], period: Period, shown: Iterable[Dimension]) -> object:
    rows = list(found)
    return {
        "since": period.since.isoformat(),
        "until": period.until.isoformat(),
        "rows": [_entry(row, shown) for row in rows],
        "sum": _entry(showback.total(rows), ()),
    }


def _entry(row: Row, shown: Iterable[Dimension]) -> dict[str, object]:
    return {
        **dict(zip((each.value for each in shown), row.key, strict=True)),
        "usd": decimal(row.usd),
        "usefulUsd": decimal(row.useful_usd),
        "wasteRatio": None if row.waste is None else decimal(row.waste, 4),
        "savedUsd": decimal(row.saved_usd),
        "idleUsd": decimal(row.idle_usd),
        "gpuHours": decimal(row.gpu_hours, 4),
        "unpricedHours": decimal(row.unpriced_hours, 4),
    }


def _write(context: Context, found: Iterable[Row], shown: Iterable[Dimension]) -> None:
    entries = [_entry(row, shown) for row in found]
    header = list(_entry(Row(tuple("" for _ in shown)), shown))
    writer = csv.DictWriter(context.console.file, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(entries)
