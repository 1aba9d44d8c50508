"""Lists of prices as text: our columns, or SkyPilot's. Every row is judged before one is used.

Ours are `provider, instance_type, region, capacity_type, usd_per_hour, price_date, source`, and a
`zone` if need be. SkyPilot's, of which these count, are `InstanceType, Region, AvailabilityZone,
Price, SpotPrice`, with our `PriceDate` and `Source` if need be.
"""

import csv
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from io import StringIO
from types import MappingProxyType

from quartermaster.catalog.prices.price_list import ANY, Offer
from quartermaster.domain.cluster import Capacity
from quartermaster.errors import SpecError

COLUMNS = (
    "provider", "instance_type", "region", "capacity_type", "usd_per_hour", "price_date", "source",
)  # fmt: skip
SKYPILOT_COLUMNS = ("InstanceType", "Region", "Price")
"""Without these it is not one of SkyPilot's lists. Source: SkyPilot, service catalog CSV."""
DEAREST_USD_PER_HOUR = 100_000
"""A machine that costs more is a mistake."""
STEPS_PER_USD = 10**9
"""A price is a whole number of these: lists made by computing have digits without end."""

NAMES: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        "aws": re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+", re.ASCII),
        "gcp": re.compile(r"[a-z][a-z0-9]*-[a-z0-9-]+", re.ASCII),
        "azure": re.compile(r"(Standard|Basic)_[A-Za-z0-9_-]+", re.ASCII),
    }
)
"""How the clouds name their machines, so that columns that are mixed up are told."""
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
"""What a label of a node may hold."""
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CAPACITIES = {it.value: it for it in (Capacity.ON_DEMAND, Capacity.SPOT)}

_Row = Mapping[str, str]


class _RowError(ValueError):
    """What is wrong with a row."""


def offers(name: str, text: str) -> list[Offer]:
    """The offers of a list, in its order.

    Args:
        name: What the list is called in complaints.
        text: The list as CSV, with a line of column names.

    Raises:
        SpecError: A row is not one; the message names list, line, fault and remedy.
    """
    reader = csv.DictReader(StringIO(text, newline=""), strict=True)
    found: list[Offer] = []
    try:
        shape = _shape(reader.fieldnames or ())
        for row in reader:
            found.extend(shape(_whole(row)))
    except (_RowError, csv.Error) as error:
        # The inner reader's count: the outer one's stands still when a line is not CSV.
        line = max(1, reader.reader.line_num)
        what = f"is not CSV: {error}" if isinstance(error, csv.Error) else str(error)
        raise SpecError(f"{name}:{line}: {what}") from error
    if not found:
        raise SpecError(f"{name}:1: there is no price in it")
    return found


def _whole(row: Mapping[str | None, str | list[str] | None]) -> _Row:
    """A row that has as many fields as there are columns."""
    fields = {
        name: text.strip()
        for name, text in row.items()
        if name is not None and isinstance(text, str)
    }
    if len(fields) != len(row):
        raise _RowError("has not as many fields as the line of column names")
    return fields


def _shape(columns: Sequence[str]) -> Callable[[_Row], Iterator[Offer]]:
    if set(COLUMNS) <= set(columns):
        return _own
    if set(SKYPILOT_COLUMNS) <= set(columns):
        return _skypilot
    lacking = [name for name in COLUMNS if name not in columns]
    raise _RowError(
        f"columns are missing: {', '.join(lacking)} (or SkyPilot's {', '.join(SKYPILOT_COLUMNS)})"
    )


def _own(row: _Row) -> Iterator[Offer]:
    provider = row["provider"].lower()
    yield Offer(
        provider=provider,
        instance_type=_instance_type(row["instance_type"], provider),
        region=_name("region", row["region"]),
        capacity=_capacity(row["capacity_type"]),
        usd_per_hour=_usd("usd_per_hour", row["usd_per_hour"]),
        as_of=_day("price_date", row["price_date"]),
        zone=row.get("zone", ANY),
        source=row["source"],
    )


def _skypilot(row: _Row) -> Iterator[Offer]:
    """One or two offers; none of a row that prices a GPU without its machine."""
    if not row["InstanceType"]:
        return
    for column, capacity in (("Price", Capacity.ON_DEMAND), ("SpotPrice", Capacity.SPOT)):
        if row.get(column):
            yield Offer(
                provider=ANY,
                instance_type=_instance_type(row["InstanceType"], ANY),
                region=_name("Region", row["Region"]),
                capacity=capacity,
                usd_per_hour=_usd(column, row[column]),
                as_of=_day("PriceDate", row["PriceDate"]) if row.get("PriceDate") else None,
                zone=row.get("AvailabilityZone", ANY),
                source=row.get("Source", ""),
            )


def _instance_type(text: str, provider: str) -> str:
    name = _name("instance type", text)
    pattern = NAMES.get(provider)
    if pattern is not None and not pattern.fullmatch(name):
        raise _RowError(f"instance type {name!r} is unknown: {provider} names none like that")
    return name


def _name(what: str, text: str) -> str:
    if not _NAME.fullmatch(text):
        raise _RowError(f"{what} {text[:64]!r} is not one: 1 to 63 letters, digits, '-', '_', '.'")
    return text


def _capacity(text: str) -> Capacity:
    if text not in _CAPACITIES:
        raise _RowError(f"capacity_type {text[:64]!r} is neither {' nor '.join(_CAPACITIES)}")
    return _CAPACITIES[text]


def _usd(column: str, text: str) -> Fraction:
    """A price [USD/h], rounded to a billionth."""
    try:
        amount = Decimal(text)
    except InvalidOperation:
        amount = Decimal("NaN")
    # Not zero either: in every such list that was seen, a zero stood for a price that is missing.
    sound = amount.is_finite() and 0 < amount <= DEAREST_USD_PER_HOUR
    steps = round(amount * STEPS_PER_USD) if sound else 0
    if steps < 1:
        raise _RowError(
            f"{column} {text[:64]!r} is no price: a number of USD an hour above 0 and "
            f"at most {DEAREST_USD_PER_HOUR:,}"
        )
    return Fraction(steps, STEPS_PER_USD)


def _day(column: str, text: str) -> date:
    try:
        # `fromisoformat` alone would take weeks too.
        return date.fromisoformat(text if _DAY.fullmatch(text) else "")
    except ValueError:
        raise _RowError(f"{column} {text[:64]!r} is no day: write it like 2026-07-20") from None
