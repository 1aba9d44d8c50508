"""What the ledger's sums say to whoever has to pay: cost, use, waste, and what spot has saved."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction

from quartermaster.decide.cost.parts import NOT_NEEDED_ON_DEMAND
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.ledger import Kind, Part
from quartermaster.domain.money.spending import Amounts, Dimension, Line

NEEDED = (Dimension.KIND, Dimension.PART, Dimension.CAPACITY_TYPE)
"""What lines have to be by, after what they are shown by."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one job, namespace, GPU model ... has cost. Amounts in USD, exact."""

    key: tuple[str, ...]
    usd: Fraction = Fraction(0)
    useful_usd: Fraction = Fraction(0)
    """Steps of jobs that count."""
    job_usd: Fraction = Fraction(0)
    """What of it jobs have cost."""
    untold_usd: Fraction = Fraction(0)
    """What of that nobody can judge: starts, and scripts that tell nothing of their steps."""
    idle_usd: Fraction = Fraction(0)
    """Nodes that nobody used, and what jobs held and did not use."""
    saved_usd: Fraction = Fraction(0)
    """What spot has saved, net: the price on demand of all time but rework and recovery, less what
    was paid. Below zero where spot was dearer."""
    gpu_hours: Fraction = Fraction(0)
    unpriced_hours: Fraction = Fraction(0)
    """Time without a price [h]; it is in none of the amounts."""

    @property
    def waste(self) -> Fraction | None:
        """The share of what jobs cost that was of no use, 0 to 1; None where nobody can tell."""
        told = self.job_usd - self.untold_usd
        return 1 - self.useful_usd / told if told else None


def rows(lines: Iterable[Line]) -> list[Row]:
    """Lines by something and `NEEDED` as a row for each of that, the dearest first."""
    found: dict[tuple[str, ...], Row] = {}
    for line in lines:
        key, (kind, part, capacity) = line.key[:-3], line.key[-3:]
        found[key] = _with(found.get(key, Row(key)), line.amounts, kind, part, capacity)
    return sorted(found.values(), key=lambda row: (-row.usd, row.key))


def total(found: Iterable[Row]) -> Row:
    """All rows as one, without a key."""
    whole = Row(())
    for row in found:
        whole = Row(
            (),
            whole.usd + row.usd,
            whole.useful_usd + row.useful_usd,
            whole.job_usd + row.job_usd,
            whole.untold_usd + row.untold_usd,
            whole.idle_usd + row.idle_usd,
            whole.saved_usd + row.saved_usd,
            whole.gpu_hours + row.gpu_hours,
            whole.unpriced_hours + row.unpriced_hours,
        )
    return whole


def _with(row: Row, amounts: Amounts, kind: str, part: str, capacity: str) -> Row:
    nothing = Fraction(0)
    paid, is_job = amounts.usd, kind == Kind.JOB
    idle = kind == Kind.IDLE or (is_job and part == Part.IDLE)
    counterfactual = nothing if part in NOT_NEEDED_ON_DEMAND else amounts.on_demand_usd
    return replace(
        row,
        usd=row.usd + paid,
        useful_usd=row.useful_usd + (paid if is_job and part == Part.USEFUL else nothing),
        job_usd=row.job_usd + (paid if is_job else nothing),
        untold_usd=row.untold_usd + (paid if is_job and part == Part.OTHER else nothing),
        idle_usd=row.idle_usd + (paid if idle else nothing),
        saved_usd=row.saved_usd
        + (counterfactual - paid if is_job and capacity == Capacity.SPOT else nothing),
        gpu_hours=row.gpu_hours + Fraction(amounts.gpu_ms, 3_600_000),
        unpriced_hours=row.unpriced_hours + Fraction(amounts.unpriced_ms, 3_600_000),
    )
