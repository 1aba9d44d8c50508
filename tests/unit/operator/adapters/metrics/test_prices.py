"""Prices as metrics."""

from datetime import UTC, date, datetime
from fractions import Fraction

from quartermaster.adapters.metrics.prices import PriceCollector
from quartermaster.catalog.prices.price_list import Offer, PriceList
from quartermaster.decide.cost.prices import PriceBook, priced
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.price import PriceKind
from tests.support import make
from tests.support.scraped import collected

DAY = date(2026, 7, 20)
P5 = ("p5.48xlarge", "r")


def offer(capacity: Capacity, usd: int) -> Offer:
    return Offer("aws", *P5, capacity, Fraction(usd), DAY)


def test_prices_are_told_with_their_age_and_beside_those_on_demand() -> None:
    offers = [offer(Capacity.SPOT, 9), offer(Capacity.ON_DEMAND, 5)]
    book = PriceBook(lists=((PriceKind.CATALOGUE, PriceList(offers)),))
    spot = {"instance_type": P5[0], "region": P5[1], "capacity": Capacity.SPOT}
    nodes = [priced(make.node("a", 8, **spot), book), make.node("b")]
    now = datetime(2026, 7, 22, tzinfo=UTC)
    found = collected(PriceCollector(lambda: make.snapshot(nodes), lambda: book, lambda: now))
    assert found["price_age_seconds", "catalogue", "aws"] == 2 * 86_400
    assert found["priced_nodes", "catalogue"] == 1
    assert found["priced_nodes", "unknown"] == 1
    assert found["priced_nodes", "node-annotation"] == 0
    assert found["node_price_usd_per_hour", *P5, "Spot"] == 9
    assert found["node_on_demand_price_usd_per_hour", *P5] == 5
    assert len([key for key in found if key[0] == "node_on_demand_price_usd_per_hour"]) == 1
