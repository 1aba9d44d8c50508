"""The price lists that come with this version."""

from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files

from quartermaster.catalog.prices.price_list import Offer, PriceList
from quartermaster.catalog.prices.rows import offers
from quartermaster.domain.money.price import PriceKind

LISTS = ("aws.csv", "gcp.csv", "azure.csv")


def shipped_offers() -> Iterator[Offer]:
    """What stands in them, list by list.

    Raises:
        SpecError: One of them is spoilt.
    """
    folder = files("quartermaster.catalog.prices")
    for name in LISTS:
        yield from offers(name, folder.joinpath(name).read_text("utf-8"))


@lru_cache(maxsize=1)
def shipped() -> PriceList:
    """All of them as one list, read once in the life of a process.

    Raises:
        SpecError: One of them is spoilt.
    """
    return PriceList(shipped_offers())


def lists(own: PriceList | None = None) -> tuple[tuple[PriceKind, PriceList], ...]:
    """The lists in the order in which they are believed: the user's before ours."""
    ours = (PriceKind.CATALOGUE, shipped())
    return (ours,) if own is None else ((PriceKind.LIST, own), ours)
