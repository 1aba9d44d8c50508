"""What a node costs, by whoever knows it best.

In this order: its pool's list, a NodeOverlay of Karpenter, the node's own annotation, a list of
prices by machine type, region and capacity type, and what its pool's GPUs were bought for. Where
nobody knows, the price is unknown, which is never zero. See ADR-0016.
"""

from dataclasses import dataclass, replace
from fractions import Fraction

from quartermaster.catalog.prices.price_list import Offer, PriceList, Wanted
from quartermaster.domain.cluster import Capacity, Node, Pool, PriceRow
from quartermaster.domain.money.price import OnPremises, Overlay, Price, PriceKind


@dataclass(frozen=True, slots=True)
class PriceBook:
    """What is known of prices beside the pools and the nodes themselves."""

    lists: tuple[tuple[PriceKind, PriceList], ...] = ()
    """What each counts as; the first that knows a machine is believed."""
    overlays: tuple[Overlay, ...] = ()
    """In any order."""

    def offer(self, node: Node, capacity: Capacity) -> tuple[PriceKind, Offer] | None:
        """What the lists say of such a machine, bought in some way."""
        wanted = Wanted(node.instance_type, node.region, capacity, node.provider, node.zone)
        for kind, prices in self.lists:
            offer = prices.find(wanted)
            if offer is not None:
                return kind, offer
        return None

    def overlay(self, node: Node) -> Overlay | None:
        """The one overlay that counts for a node's price."""
        found = (it for it in self.overlays if it.says_a_price and it.matches(node.labels))
        return max(found, key=lambda it: (it.weight, it.name), default=None)


NO_BOOK = PriceBook()


def priced(node: Node, book: PriceBook) -> Node:
    """A node with what the book says of it; the same object where that is nothing."""
    on_demand = _on_demand(node, book)
    price = _listed(node, book)
    if price is not None:
        price = replace(price, on_demand_usd_per_hour=_beside(node, price, on_demand))
    if price == node.price and on_demand == node.on_demand_usd_per_hour:
        return node
    return replace(node, price=price, on_demand_usd_per_hour=on_demand)


def price_of(node: Node, pool: Pool) -> Price | None:
    """What a node costs as one of a pool; None where nobody knows.

    Args:
        node: As `priced` leaves it; of another one the pool's prices alone are known.
        pool: The pool that it belongs to.
    """
    rate = _pool_rate(node, pool.prices)
    if rate is not None:
        source = (
            f"pool {pool.name}: {pool.price_source}" if pool.price_source else f"pool {pool.name}"
        )
        explicit = tuple(row for row in pool.prices if row.capacity is Capacity.ON_DEMAND)
        told = _pool_rate(replace(node, capacity=Capacity.ON_DEMAND), explicit)
        found = Price(rate, PriceKind.POOL, source)
        beside = node.on_demand_usd_per_hour if told is None else told
        return replace(found, on_demand_usd_per_hour=_beside(node, found, beside))
    return node.price or _bought(node, pool)


def _pool_rate(node: Node, rows: tuple[PriceRow, ...]) -> Fraction | None:
    """The first row that matches decides [USD/h]; None where it cannot tell, or there is none."""
    row = next((row for row in rows if row.matches(node)), None)
    if row is None:
        return None
    if row.usd_per_node_hour is not None:
        return row.usd_per_node_hour
    gpus = node.gpu_count
    if row.usd_per_gpu_hour is not None and gpus:
        return row.usd_per_gpu_hour * gpus
    return None


def _listed(node: Node, book: PriceBook) -> Price | None:
    """What is known of a node beside its pool."""
    offer = book.offer(node, node.capacity)
    offered = None if offer is None else _offered(*offer)
    overlay = book.overlay(node)
    overlaid = None if overlay is None else _overlaid(overlay, offered)
    if overlaid is not None:
        return overlaid
    if node.told_usd_per_hour is not None:
        return Price(node.told_usd_per_hour, PriceKind.ANNOTATION, "node annotation")
    return offered


def _overlaid(overlay: Overlay, offered: Price | None) -> Price | None:
    """What an overlay makes of the machine's price; a change of an unknown one says nothing."""
    name = f"NodeOverlay {overlay.name}"
    if overlay.usd_per_hour is not None:
        return Price(overlay.usd_per_hour, PriceKind.OVERLAY, name)
    if offered is None:
        return None
    rate = overlay.adjusted(offered.usd_per_hour)
    return Price(rate, PriceKind.OVERLAY, f"{name} on {offered.source}", offered.as_of)


def _offered(kind: PriceKind, offer: Offer) -> Price:
    name = "price list" if kind is PriceKind.LIST else "catalogue"
    day = offer.as_of.isoformat() if offer.as_of is not None else ""
    source = " ".join(word for word in (name, day, offer.provider, offer.region) if word)
    return Price(offer.usd_per_hour, kind, source, offer.as_of)


def _on_demand(node: Node, book: PriceBook) -> Fraction | None:
    found = book.offer(node, Capacity.ON_DEMAND)
    return None if found is None else found[1].usd_per_hour


def _beside(node: Node, price: Price, on_demand: Fraction | None) -> Fraction | None:
    """What the machine costs on demand: what is paid for it where it was bought so."""
    return price.usd_per_hour if node.capacity is Capacity.ON_DEMAND else on_demand


def _bought(node: Node, pool: Pool) -> Price | None:
    """What the GPUs of hardware of one's own have to bring; None without GPUs."""
    gpus = node.gpu_count
    found = next((it for it in pool.on_premises if _is_for(it, node)), None)
    if found is None or not gpus:
        return None
    return Price(
        found.usd_per_gpu_hour * gpus, PriceKind.ON_PREMISES, f"pool {pool.name}, on premises"
    )


def _is_for(bought: OnPremises, node: Node) -> bool:
    return bought.accelerator in (None, node.accelerator)
