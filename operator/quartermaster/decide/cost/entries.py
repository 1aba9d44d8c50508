"""What a worker pod held, as entries of the ledger: its time, cut by purpose and by price."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from quartermaster.decide.cost.parts import Stay, split
from quartermaster.domain.money.ledger import Entry, Held, Owner
from quartermaster.domain.money.stretch import MICROSECOND, NO_TIME, Stretch
from quartermaster.domain.worker import Worker


def of_worker(
    worker: Worker, owner: Owner, until: datetime, stretches: Iterable[Stretch]
) -> tuple[Entry, ...]:
    """All that a pod held from its bind up to its release, or up to now; nothing before a bind.

    Args:
        worker: The pod.
        owner: Whose it is.
        until: When its node was free of it, or as of when it is billed.
        stretches: When its gang ran together.
    """
    if worker.bound is None:
        return ()
    stays = split(worker.bound, worker.started, until, stretches)
    pieces = [piece for stay in stays for piece in _by_price(stay, worker)]
    held = worker.held or Held()
    return tuple(
        Entry(
            id=f"{worker.uid}/{number}",
            owner=owner,
            machine=replace(held.machine, node=worker.node or ""),
            part=stay.part,
            began=stay.began,
            ended=stay.ended,
            charged=stay.charged,
            gpus=held.gpus,
            usd_per_hour=rate,
            on_demand_usd_per_hour=held.on_demand_usd_per_hour,
            price_source=held.price_source,
        )
        for number, (stay, rate) in enumerate(pieces)
    )


def _by_price(stay: Stay, worker: Worker) -> Iterator[tuple[Stay, Fraction | None]]:
    """A stay at the prices that were in force: cut where the price has changed.

    What was charged of each piece is in proportion to its length; the last takes the rounding.
    """
    prices: Sequence[tuple[datetime, Fraction | None]] = worker.repriced
    cuts = [at for at, _ in prices if stay.began < at < stay.ended]
    ends = [*cuts, stay.ended]
    left, whole = stay.charged, (stay.ended - stay.began) // MICROSECOND
    began = stay.began
    for end in ends:
        length = (end - began) // MICROSECOND
        share = (stay.charged // MICROSECOND) * length // whole * MICROSECOND
        charged = left if end == stay.ended else share
        left -= charged
        rate = next((rate for at, rate in reversed(prices) if at <= began), worker.usd_per_hour)
        if charged > NO_TIME:
            yield Stay(stay.part, began, end, charged), rate
        began = end
