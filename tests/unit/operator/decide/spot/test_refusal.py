"""When spot is refused, and how long a gang lasts on it."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.decide.fleet import fleet_of
from quartermaster.decide.profile.hardware import NOTHING_KNOWN
from quartermaster.decide.spot.interval import Interruptions
from quartermaster.decide.spot.markets import Markets
from quartermaster.decide.spot.offers import Scenery
from quartermaster.decide.spot.refusal import Toll, mean_s, spot_refusal
from quartermaster.domain.cluster import Capacity, Node, Reclaim
from tests.support import make

TOLL = Toll(save_s=20.0, restart_s=300.0)


def spot(name: str) -> Node:
    return make.node(name, 1, capacity=Capacity.SPOT, uid=name)


def scenery(
    interruptions: int, every_s: float, *, spot_usd: str = "1", sure: bool = True
) -> Scenery:
    """A node of spot that was taken so often, each time after so long, and one on demand."""
    markets, now = Markets(), make.T0
    for number in range(interruptions):
        node = spot(f"spot-{number}")
        for seen in (node, node, replace(node, reclaim=Reclaim("AWS", "spot interruption"))):
            markets = markets.then([seen], (), now)
            now += timedelta(seconds=every_s / 2)
    nodes = [spot("spot-now"), *([make.node("sure", 1)] if sure else [])]
    markets = markets.then(nodes, (), now)
    pool = make.pool("pool", make.price(spot_usd, capacity=Capacity.SPOT), make.price("3"))
    fleet = fleet_of(make.snapshot(nodes, pool), None)
    return Scenery(fleet, markets, NOTHING_KNOWN, now)


def test_spot_that_is_taken_every_few_minutes_is_refused_with_the_numbers() -> None:
    why = spot_refusal(make.gang(1, 1), scenery(40, 300.0, spot_usd="2"), TOLL)
    assert why is not None
    assert "paid hours at interruptions every" in why or "less than the" in why


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(scenery(0, 0.0), id="no interruption was seen"),
        pytest.param(scenery(2, 500.0), id="it lasts long enough"),
        pytest.param(scenery(40, 300.0, sure=False), id="there is nothing else"),
    ],
)
def test_spot_is_not_refused(at: Scenery) -> None:
    assert spot_refusal(make.gang(1, 1), at, TOLL) is None


def test_cheap_spot_is_not_refused_for_interruptions_that_dear_spot_is_refused_for() -> None:
    dear, cheap = scenery(30, 1100.0, spot_usd="2.8"), scenery(30, 1100.0, spot_usd="0.1")
    assert spot_refusal(make.gang(1, 1), dear, TOLL) is not None
    assert spot_refusal(make.gang(1, 1), cheap, TOLL) is None


def test_a_gang_on_ten_nodes_lasts_a_tenth() -> None:
    seen = [Interruptions(100_000.0, 3), Interruptions(50_000.0, 4)]
    assert mean_s(seen, 1) == pytest.approx((12_180 + 150_000) / 8)
    assert mean_s(seen, 10) == pytest.approx(mean_s(seen, 1) / 10)
