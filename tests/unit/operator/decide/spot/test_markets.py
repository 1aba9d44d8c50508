"""What is kept of spot from look to look."""

from dataclasses import replace
from datetime import timedelta

from quartermaster.decide.spot.interval import Interruptions
from quartermaster.decide.spot.markets import Market, Markets, Seen, all_of
from quartermaster.domain.cluster import Capacity, Node, Reclaim
from tests.support import make

T4_A = Market(make.T4, "", "a")


def spot(name: str, *, busy: bool = False, zone: str = "a") -> Node:
    used = make.resources(1) if busy else make.resources(0, cpu=0, memory_gib=0, pods=0)
    node = make.node(name, capacity=Capacity.SPOT, used=used, uid=name)
    return replace(node, zone=zone, daemons=make.resources(0, cpu=0, memory_gib=0, pods=0))


def looked(*looks: list[Node], wanted: tuple[int, ...] = (), every_s: float = 60.0) -> Markets:
    found = Markets()
    for index, nodes in enumerate(looks):
        found = found.then(nodes, wanted, make.T0 + timedelta(seconds=index * every_s))
    return found


def test_spells_begin_and_end_with_the_nodes() -> None:
    a = spot("a-1")
    seen = looked([a], [a], [a], [], [], [a]).seen[T4_A]
    spells = all_of(seen, 1)
    assert (spells.up, spells.age_s) == (True, 0.0)
    assert (spells.ended_up, spells.ended_down) == (1, 1)
    assert round(spells.roots_up**2) == 180
    assert round(spells.roots_down**2) == 120


def test_a_gang_has_spot_where_all_of_it_has() -> None:
    one, two = spot("a-1"), spot("a-2")
    seen = looked([one, two], [one], wanted=(2,)).seen[T4_A]
    assert all_of(seen, 1).up
    assert not all_of(seen, 2).up
    assert all_of(seen, 2).ended_up == 1


def test_zones_are_markets_of_their_own() -> None:
    found = looked([spot("a-1"), spot("b-1", zone="b")], [spot("a-1")])
    assert all_of(found.seen[T4_A], 1).up
    assert not all_of(found.seen[Market(make.T4, "", "b")], 1).up


def interruptions(*looks: list[Node]) -> Interruptions:
    return looked(*looks).seen[T4_A].interruptions


def test_a_node_that_is_taken_away_is_an_interruption_and_one_that_is_given_back_is_not() -> None:
    idle, busy = spot("a-1"), spot("a-2", busy=True)
    told = replace(idle, reclaim=Reclaim("AWS", "spot interruption", 120.0))
    assert interruptions([idle], [told]) == Interruptions(60.0, 1)
    assert interruptions([idle], [told], [told]) == Interruptions(60.0, 1)
    assert interruptions([idle], []) == Interruptions(60.0, 0)
    assert interruptions([busy], []) == Interruptions(60.0, 1)
    assert interruptions([idle, busy], [idle, busy]) == Interruptions(120.0, 0)


def test_on_demand_is_no_market() -> None:
    assert looked([make.node("sure")]).seen == {}


def test_after_a_long_time_without_a_look_it_begins_anew() -> None:
    a = spot("a-1")
    found = looked([a], [], every_s=3600.0)
    assert found.seen == {}
    seen: Seen = looked([], [a], every_s=3600.0).seen[T4_A]
    assert all_of(seen, 1).age_s == 0


def test_a_node_that_is_not_ready_for_a_while_was_not_taken() -> None:
    busy = spot("a-1", busy=True)
    away = replace(busy, ready=False)
    assert interruptions([busy], [away], [busy], [away], [busy]).count == 0
    assert interruptions([busy], [away], []).count == 0, "nobody knows who took it"
