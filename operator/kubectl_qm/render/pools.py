"""ComputePools: what they hold and what it costs."""

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.text import Text

from kubectl_qm import money
from kubectl_qm.render.job import heading
from kubectl_qm.render.look import CARE, DIM, GOOD, NOTHING, Look
from kubectl_qm.render.table import Column, table
from kubectl_qm.views import Pool, Price

BAR = 10
"""Length of a bar [columns]."""

UNPRICED = "no prices of its own: those of overlays, annotations and price lists count"


def pools_page(pools: Sequence[Pool], *, look: Look) -> RenderableType:
    """A row a pool, then each pool's prices."""
    columns = [
        Column("POOL", [pool.name for pool in pools]),
        Column("NODES", [_count(pool, pool.nodes) for pool in pools], right=True),
        Column("GPUS", [_count(pool, pool.gpus) for pool in pools], right=True),
        Column("USED", [_used(pool, look) for pool in pools], rank=1),
        Column("READY", [_ready(pool) for pool in pools], rank=2),
        Column("SELECTOR", [_selector(pool) for pool in pools], rank=3, wraps=True),
    ]
    parts: list[RenderableType] = [table(columns, look.width)]
    for pool in pools:
        source = f"  {pool.price_source}" if pool.price_source else ""
        parts += [Text(), heading(f"Prices of {pool.name}").append(source, style=f"not bold {DIM}")]
        parts.append(_prices(pool.prices, look) if pool.prices else Text(UNPRICED, style=CARE))
    return Group(*parts)


def _count(pool: Pool, count: int) -> str:
    return str(count) if pool.has_status else NOTHING


def _used(pool: Pool, look: Look) -> Text:
    if not pool.has_status or not pool.gpus:
        return Text(NOTHING, style=DIM)
    percentage = min(100, 100 * pool.gpus_used // pool.gpus)
    bar = look.bar(percentage, BAR)
    return bar.append(f" {pool.gpus_used} of {pool.gpus}", style="not dim default")


def _ready(pool: Pool) -> Text:
    condition = next((each for each in pool.conditions if each.type == "Ready"), None)
    if condition is None:
        return Text(NOTHING, style=DIM)
    return Text(condition.status, style=GOOD if condition.status == "True" else CARE)


def _selector(pool: Pool) -> str:
    return ",".join(f"{key}={value}" for key, value in pool.node_selector) or "every node"


def _prices(prices: Sequence[Price], look: Look) -> RenderableType:
    columns = [
        Column("INSTANCE", [row.instance_type or "any" for row in prices]),
        Column("ACCELERATOR", [row.accelerator or "any" for row in prices]),
        Column("CAPACITY", [_capacity(row) for row in prices], rank=1),
        Column("USD/NODE H", _amounts([row.usd_per_node_hour for row in prices]), right=True),
        Column("USD/GPU H", _amounts([row.usd_per_gpu_hour for row in prices]), right=True),
    ]
    return table(columns, look.width)


def _capacity(row: Price) -> str:
    return "any" if row.capacity_type == "Auto" else row.capacity_type


def _amounts(amounts: Sequence[Decimal | None]) -> list[str]:
    shown = money.column(amounts)
    return [NOTHING if a is None else text for a, text in zip(amounts, shown, strict=True)]
