"""What a pod holds, as it is noted on the pod: its node may be gone when it is charged."""

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction

from quartermaster.decide.cost.rates import STEPS_PER_USD
from quartermaster.domain.money.ledger import Held, Machine

UNKNOWN = "unknown"
MOST_USD_PER_HOUR = 10**9
"""Of a pod; nothing that can be rented costs nearly as much."""
MOST_GPUS = 10**6
"""Of a pod [count]; no node has nearly as many."""
_FRACTION = re.compile(r"[0-9]{1,40}(/[0-9]{1,40})?", re.ASCII)
Prices = tuple[tuple[datetime, Fraction | None], ...]


def rate_text(rate: Fraction | None) -> str:
    """A rate as it stands in an annotation: exact, `263/500`, or `unknown`."""
    return UNKNOWN if rate is None else str(rate)


def rate_from_text(text: str) -> Fraction | None:
    """The rate that `rate_text` wrote; None where it is unknown or not a rate."""
    try:
        rate = _amount(text)
    except (ValueError, ZeroDivisionError):
        return None
    # The ledger keeps whole billionths, in 64 bits.
    return rate if rate <= MOST_USD_PER_HOUR and rate * STEPS_PER_USD % 1 == 0 else None


def _amount(text: str) -> Fraction:
    """A fraction as Python prints it, and no other: of `1e999999999` the digits fill the memory."""
    if not _FRACTION.fullmatch(text):
        raise ValueError(f"{text!r} is no fraction")
    return Fraction(text)


def held_text(held: Held) -> str:
    """The annotation's value; the node is the pod's own."""
    machine = held.machine
    told = {
        "pool": machine.pool,
        "accelerator": machine.accelerator,
        "instanceType": machine.instance_type,
        "region": machine.region,
        "zone": machine.zone,
        "capacityType": machine.capacity_type,
        "gpus": str(held.gpus),
        "onDemand": rate_text(held.on_demand_usd_per_hour),
        "priceSource": held.price_source,
    }
    return json.dumps(told)


def held_from_text(text: str) -> Held | None:
    """What `held_text` wrote; None where it is not that."""
    try:
        told = json.loads(text)
        words = {name: str(told[name]) for name in told}
        return Held(
            machine=Machine(
                pool=words["pool"],
                accelerator=words["accelerator"],
                instance_type=words["instanceType"],
                region=words["region"],
                zone=words["zone"],
                capacity_type=words["capacityType"],
            ),
            gpus=_gpus(words["gpus"]),
            on_demand_usd_per_hour=rate_from_text(words["onDemand"]),
            price_source=words["priceSource"],
        )
    except (ValueError, TypeError, LookupError, ZeroDivisionError):
        return None


def _gpus(text: str) -> Fraction:
    gpus = _amount(text)
    if gpus > MOST_GPUS:
        raise ValueError(f"{text} GPUs")
    return gpus


def prices_text(prices: Iterable[tuple[datetime, Fraction | None]]) -> str:
    """Later prices, each with the time from which it is in force."""
    return json.dumps([[at.isoformat(), rate_text(rate)] for at, rate in prices])


def prices_from_text(text: str) -> Prices:
    """What `prices_text` wrote; none where it is not that."""
    try:
        told = [
            (datetime.fromisoformat(at).astimezone(UTC), rate_from_text(rate))
            for at, rate in json.loads(text)
        ]
    except (ValueError, TypeError):
        return ()
    return tuple(sorted(told, key=lambda price: price[0]))
