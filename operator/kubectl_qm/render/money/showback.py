"""What the ledger has added up, a row for each of what was asked for."""

from collections.abc import Sequence
from fractions import Fraction

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm.render.look import CARE, DIM, NOTHING, STRONG, Look
from kubectl_qm.render.table import Column, table
from quartermaster.decide.cost.ledger import showback
from quartermaster.decide.cost.ledger.recommend import Advice
from quartermaster.decide.cost.ledger.showback import Row
from quartermaster.domain.money.spending import Dimension
from quartermaster.units import usd

CENTS = 2


def showback_page(rows: Sequence[Row], *, by: Sequence[Dimension], look: Look) -> RenderableType:
    """A row each, in the order given, and the sum below."""
    columns = [
        Column(_header(each), [row.key[place] or NOTHING for row in rows])
        for place, each in enumerate(by)
    ]
    columns += [
        Column("COST USD", [_money(row.usd) for row in rows], right=True),
        Column("USEFUL", [_money(row.useful_usd) for row in rows], rank=2, right=True),
        Column("WASTE", [_percent(row.waste) for row in rows], rank=1, right=True),
        Column("SPOT SAVED", [_money(row.saved_usd) for row in rows], rank=3, right=True),
        Column("IDLE", [_money(row.idle_usd) for row in rows], rank=2, right=True),
        Column("GPU H", [f"{float(row.gpu_hours):.1f}" for row in rows], rank=4, right=True),
    ]
    return Group(table(columns, look.width), Text(), _sum_line(showback.total(rows), look))


def advice_page(found: Sequence[Advice], *, look: Look) -> RenderableType:
    """A row a recommendation, the largest saving first."""
    columns = [
        Column("NAMESPACE", [each.namespace for each in found], rank=2),
        Column("JOB", [each.job for each in found]),
        Column("SAVES USD", [_money(each.usd) for each in found], right=True),
        Column("BY", [each.saving.value for each in found], rank=1),
        Column("WHY", [each.why for each in found], wraps=True),
    ]
    return table(columns, look.width)


def _header(dimension: Dimension) -> str:
    return dimension.value.upper()


def _money(amount: Fraction) -> str:
    return usd(amount, CENTS) if amount >= 0 else f"-{usd(-amount, CENTS)}"


def _percent(share: Fraction | None) -> str:
    return NOTHING if share is None else f"{float(share):.0%}".replace("%", " %")


def _sum_line(total: Row, look: Look) -> Text:
    line = Text("Sum  ", style=DIM)
    line.append(f"{_money(total.usd)} USD", style=STRONG)
    if total.waste is not None:
        line.append(f"{look.dot()}{_percent(total.waste)} of jobs wasted")
    line.append(f"{look.dot()}{_money(total.saved_usd)} saved by spot" if total.saved_usd else "")
    if total.unpriced_hours:
        hours = f"{float(total.unpriced_hours):.1f} h without a price, not in the sum"
        line.append(f"{look.dot()}{hours}", style=CARE)
    return line
