"""What a list of prices says of a machine, found by its type, place and capacity type."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from types import MappingProxyType

from quartermaster.domain.cluster import Capacity

ANY = ""
"""A provider or a zone that is not named."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One row: a machine that can be had at a price."""

    provider: str
    """`aws`, `gcp`, `azure`, ...; empty where the list does not say."""
    instance_type: str
    """As `node.kubernetes.io/instance-type` names it."""
    region: str
    capacity: Capacity
    usd_per_hour: Fraction
    """Of the whole machine, above zero [USD/h]."""
    as_of: date | None = None
    """The day of the price; None where the list does not say."""
    zone: str = ANY
    """Empty: the whole region."""
    source: str = ""
    """Where the row comes from."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The machine whose price is wanted."""

    instance_type: str
    region: str
    capacity: Capacity
    provider: str = ANY
    """Empty where it is not known."""
    zone: str = ANY
    """Empty where it is not known."""


_Key = tuple[str, str, str, str, Capacity]
"""Provider, type, region, zone, capacity type."""


class PriceList:
    """Offers, found in constant time. The order of the rows does not matter.

    Of rows about the same machine the newest counts, and of equally new ones the dearest: a price
    that is in doubt must not flatter. A region's price is that of its zones where they agree.
    """

    def __init__(self, offers: Iterable[Offer]) -> None:
        found: dict[_Key, Offer] = {}
        for offer in offers:
            key = _key(offer)
            if key not in found or _rank(offer) > _rank(found[key]):
                found[key] = offer
        _add_regions(found)
        _add_unnamed(found)
        self._found: Mapping[_Key, Offer] = MappingProxyType(found)

    def find(self, wanted: Wanted) -> Offer | None:
        """The offer for a machine; None where the list does not know, or not for certain."""
        if not wanted.instance_type or not wanted.region or wanted.capacity is Capacity.UNKNOWN:
            return None
        for zone in dict.fromkeys((wanted.zone, ANY)):
            for provider in dict.fromkeys((wanted.provider, ANY)):
                offer = self._found.get(
                    (provider, wanted.instance_type, wanted.region, zone, wanted.capacity)
                )
                if offer is not None and (
                    wanted.provider == ANY or offer.provider in (ANY, wanted.provider)
                ):
                    return offer
        return None

    def newest(self) -> dict[str, date]:
        """The newest day of each provider's prices; none of providers whose rows have no day."""
        days: dict[str, date] = {}
        for offer in self._found.values():
            if offer.as_of is not None:
                before = days.get(offer.provider, offer.as_of)
                days[offer.provider] = max(before, offer.as_of)
        return days


def _key(offer: Offer) -> _Key:
    return offer.provider, offer.instance_type, offer.region, offer.zone, offer.capacity


def _rank(offer: Offer) -> tuple[date, Fraction, str]:
    return offer.as_of or date.min, offer.usd_per_hour, offer.source


def _add_regions(found: dict[_Key, Offer]) -> None:
    """A region that has no row of its own costs what its zones cost, where all cost the same."""
    zones: dict[_Key, list[Offer]] = defaultdict(list)
    for offer in found.values():
        if offer.zone != ANY:
            zones[_key(replace(offer, zone=ANY))].append(offer)
    for key, offers in zones.items():
        if key not in found and len({offer.usd_per_hour for offer in offers}) == 1:
            oldest = min(offers, key=_rank)
            found[key] = replace(oldest, zone=ANY)


def _add_unnamed(found: dict[_Key, Offer]) -> None:
    """A machine of unknown provider is that of the one provider that has such a type there."""
    providers: dict[_Key, list[Offer]] = defaultdict(list)
    for key, offer in found.items():
        providers[(ANY, *key[1:])].append(offer)
    for key, offers in providers.items():
        if len(offers) == 1:
            found[key] = offers[0]
