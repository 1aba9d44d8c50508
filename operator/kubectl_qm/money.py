"""Sums of money that are exact, and honest about what is unknown."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact

from kubectl_qm.views import Cost, Job

_EXACT = Context(prec=80, traps=[Inexact])
"""A sum that would need rounding raises; 24 digits an amount leave room for 10^56 of them."""

FEWEST_DIGITS = 2


@dataclass(frozen=True, slots=True)
class Sum:
    """What several jobs have cost together, in one currency."""

    currency: str
    total: Decimal
    """The sum over the jobs whose total is known."""
    rate_per_hour: Decimal
    """What they cost an hour right now, over the jobs whose rate is known."""
    known: int
    """Jobs whose total is known [count]."""
    unknown: int
    """Jobs whose total is unknown [count]; they are not in the sum."""


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum.

    Raises:
        decimal.Inexact: The sum has more than 80 digits.
    """
    result = Decimal(0)
    for amount in amounts:
        result = _EXACT.add(result, amount)
    return result


def is_unknown(job: Job) -> bool:
    """Whether the job has used something whose price is unknown."""
    if job.cost is None:
        return job.start_time is not None
    return job.cost.total is None


def sums(jobs: Iterable[Job]) -> tuple[Sum, ...]:
    """One sum a currency, by its code; jobs that never cost anything are left out."""
    groups: dict[str, list[Cost]] = {}
    for job in jobs:
        if job.cost is not None:
            groups.setdefault(job.cost.currency, []).append(job.cost)
        elif is_unknown(job):
            groups.setdefault("USD", []).append(_UNKNOWN)
    return tuple(_sum(currency, groups[currency]) for currency in sorted(groups))


_UNKNOWN = Cost(None, None, "USD", "Unknown", 0)


def _sum(currency: str, costs: list[Cost]) -> Sum:
    known = [cost.total for cost in costs if cost.total is not None]
    return Sum(
        currency=currency,
        total=total(known),
        rate_per_hour=total(c.rate_per_hour for c in costs if c.rate_per_hour is not None),
        known=len(known),
        unknown=len(costs) - len(known),
    )


def column(amounts: Iterable[Decimal | None]) -> list[str]:
    """Amounts with equally many decimals, so that points are in line; None stays `unknown`."""
    given = list(amounts)
    digits = max([FEWEST_DIGITS, *(_digits(each) for each in given if each is not None)])
    return ["unknown" if each is None else f"{each:.{digits}f}" for each in given]


def amount(value: Decimal | None) -> str:
    """One amount with all its digits, at least two."""
    return column([value])[0]


def _digits(value: Decimal) -> int:
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0
