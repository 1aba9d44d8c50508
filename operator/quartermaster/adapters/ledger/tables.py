"""The ledger's tables, and how an entry lies in them.

There are no floating-point numbers in it. A rate is whole billionths of a USD an hour and a time
whole microseconds, so an amount is a whole number of 1/(3.6 x 10^18) USD. That outgrows 64 bits
after 2.56 USD; so it is kept as two integers: billionths of a USD (`nano`), and what is left of the
last one (`rest`, below 3.6 x 10^9). 10^8 rests add up to 3.6 x 10^17, and 64 bits hold sums up to
9.2 x 10^9 USD.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from typing import Any

import sqlalchemy as sa

from quartermaster.decide.cost.ledger.pieces import by_day, cost, on_demand_cost
from quartermaster.domain.money.ledger import Entry, Kind, Machine, Owner, Part
from quartermaster.domain.money.spending import Amounts, Dimension
from quartermaster.domain.money.stretch import MICROSECOND

NANO = 10**9
"""Billionths of a USD in one."""
RESTS = 3_600_000_000
"""Units of `rest` in a billionth of a USD: the microseconds of an hour."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
METADATA = sa.MetaData()

COLUMNS = {
    Dimension.KIND: "kind",
    Dimension.NAMESPACE: "namespace",
    Dimension.QUEUE: "queue",
    Dimension.POOL: "pool",
    Dimension.GPU: "accelerator",
    Dimension.CAPACITY_TYPE: "capacity_type",
    Dimension.PART: "part",
    Dimension.JOB: "name",
    Dimension.NODE: "node",
    Dimension.DAY: "day",
}
COARSE = ("kind", "namespace", "queue", "pool", "accelerator", "capacity_type", "part")
FINE = (*COARSE, "name", "node")
MEASURES = (
    "nano", "rest", "on_demand_nano", "on_demand_rest", "held_ms", "gpu_ms", "unpriced_ms",
)  # fmt: skip

ENTRIES = sa.Table(
    "entries",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    *(
        sa.Column(name, sa.Text, nullable=False)
        for name in (
            "kind", "namespace", "name", "uid", "queue", "node", "pool", "accelerator",
            "instance_type", "region", "zone", "capacity_type", "part",
        )
    ),
    *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("began", "ended", "charged")),
    sa.Column("gpus", sa.Text, nullable=False),
    sa.Column("rate_nano", sa.BigInteger),
    sa.Column("on_demand_rate_nano", sa.BigInteger),
    sa.Column("price_source", sa.Text, nullable=False),
    sa.Index("entries_by_end", "ended", "id"),
)  # fmt: skip


def _daily(name: str, dimensions: Iterable[str]) -> sa.Table:
    return sa.Table(
        name,
        METADATA,
        sa.Column("day", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(each, sa.Text, primary_key=True) for each in dimensions),
        *(sa.Column(each, sa.BigInteger, nullable=False) for each in MEASURES),
    )


DAILY = _daily("daily", COARSE)
"""Sums by day and by what there are few of: small, and asked often."""
DAILY_BY_HOLDER = _daily("daily_by_holder", FINE)
"""The same by job and node as well."""
JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("uid", sa.Text, primary_key=True),
    sa.Column("since", sa.BigInteger, nullable=False),
)
"""Jobs of which everything stands here that their status holds, and since when."""
CURSORS = sa.Table(
    "cursors",
    METADATA,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("moment", sa.BigInteger, nullable=False),
)

Row = dict[str, Any]
Key = tuple[Any, ...]
Sum = tuple[int, ...]
"""Values of `MEASURES`."""


def microseconds(moment: datetime) -> int:
    """A moment as it is kept, since 1970 in UTC [us]."""
    return (moment - EPOCH) // MICROSECOND


def moment(kept: int) -> datetime:
    """A moment that was kept."""
    return EPOCH + timedelta(microseconds=kept)


def day_number(day: date) -> int:
    """A day as it is kept: days since 1970."""
    return day.toordinal() - EPOCH.toordinal()


def day_text(kept: int) -> str:
    """A day that was kept, as YYYY-MM-DD."""
    return date.fromordinal(kept + EPOCH.toordinal()).isoformat()


def row(entry: Entry) -> Row:
    """An entry as it is kept.

    Raises:
        ValueError: Its rate is no whole number of billionths, or it ends before it begins.
    """
    span = entry.ended - entry.began
    most = max(span, entry.charged) if entry.rebuilt else span
    if not timedelta(0) <= entry.charged <= most:
        raise ValueError(f"entry {entry.id}: {entry.charged} charged in a span of {span}")
    owner, machine = entry.owner, entry.machine
    return {
        "id": entry.id,
        "kind": owner.kind.value,
        "namespace": owner.namespace,
        "name": owner.name,
        "uid": owner.uid,
        "queue": owner.queue,
        "node": machine.node,
        "pool": machine.pool,
        "accelerator": machine.accelerator,
        "instance_type": machine.instance_type,
        "region": machine.region,
        "zone": machine.zone,
        "capacity_type": machine.capacity_type,
        "part": "" if entry.part is None else entry.part.value,
        "began": microseconds(entry.began),
        "ended": microseconds(entry.ended),
        "charged": entry.charged // MICROSECOND,
        "gpus": str(entry.gpus),
        "rate_nano": _whole(entry.id, entry.usd_per_hour),
        "on_demand_rate_nano": _whole(entry.id, entry.on_demand_usd_per_hour),
        "price_source": entry.price_source,
    }


def entry(kept: Mapping[str, Any]) -> Entry:
    """An entry that was kept."""
    return Entry(
        id=kept["id"],
        owner=Owner(
            Kind(kept["kind"]), kept["namespace"], kept["name"], kept["uid"], kept["queue"]
        ),
        machine=Machine(
            node=kept["node"],
            pool=kept["pool"],
            accelerator=kept["accelerator"],
            instance_type=kept["instance_type"],
            region=kept["region"],
            zone=kept["zone"],
            capacity_type=kept["capacity_type"],
        ),
        part=Part(kept["part"]) if kept["part"] else None,
        began=moment(kept["began"]),
        ended=moment(kept["ended"]),
        charged=timedelta(microseconds=kept["charged"]),
        gpus=Fraction(kept["gpus"]),
        usd_per_hour=_rate(kept["rate_nano"]),
        on_demand_usd_per_hour=_rate(kept["on_demand_rate_nano"]),
        price_source=kept["price_source"],
    )


def daily_sums(entries: Iterable[Entry]) -> dict[Key, Sum]:
    """What entries add to each day, by day and `FINE`."""
    sums: dict[Key, Sum] = {}
    for whole in entries:
        for day, piece in by_day(whole):
            owner, machine = piece.owner, piece.machine
            key = (
                day_number(day), owner.kind.value, owner.namespace, owner.queue, machine.pool,
                machine.accelerator, machine.capacity_type,
                "" if piece.part is None else piece.part.value, owner.name, machine.node,
            )  # fmt: skip
            sums[key] = added(sums.get(key), _measures(piece))
    return sums


def coarse(sums: Mapping[Key, Sum]) -> dict[Key, Sum]:
    """The same by day and `COARSE`."""
    fewer: dict[Key, Sum] = {}
    for key, values in sums.items():
        short = key[: 1 + len(COARSE)]
        fewer[short] = added(fewer.get(short), values)
    return fewer


def added(one: Sum | None, other: Sum) -> Sum:
    """Two sums as one, with what the rests carry."""
    if one is None:
        return other
    nano, rest, listed, listed_rest, *times = (a + b for a, b in zip(one, other, strict=True))
    more, rest = divmod(rest, RESTS)
    listed_more, listed_rest = divmod(listed_rest, RESTS)
    return (nano + more, rest, listed + listed_more, listed_rest, *times)


def amounts(values: Iterable[Any]) -> Amounts:
    """Sums as the core counts them."""
    nano, rest, listed, listed_rest, held, gpu, unpriced = (int(value) for value in values)
    return Amounts(
        Fraction(nano * RESTS + rest, NANO * RESTS),
        Fraction(listed * RESTS + listed_rest, NANO * RESTS),
        held,
        gpu,
        unpriced,
    )


def _measures(piece: Entry) -> Sum:
    held = round(piece.charged / timedelta(milliseconds=1))
    paid, listed = cost(piece), on_demand_cost(piece)
    return (
        *_split(paid),
        *_split(listed if paid is not None else None),
        held,
        round(piece.gpus * held),
        held if paid is None else 0,
    )


def _split(amount: Fraction | None) -> tuple[int, int]:
    return (0, 0) if amount is None else divmod(int(amount * NANO * RESTS), RESTS)


def _whole(id_: str, usd_per_hour: Fraction | None) -> int | None:
    if usd_per_hour is None:
        return None
    nano = usd_per_hour * NANO
    if nano.denominator != 1:
        raise ValueError(f"entry {id_}: {usd_per_hour} USD/h is no whole number of billionths")
    return nano.numerator


def _rate(nano: int | None) -> Fraction | None:
    return None if nano is None else Fraction(nano, NANO)
