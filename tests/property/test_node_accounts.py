"""The law of nodes: jobs, services, system and idle time cost together what the nodes cost."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.cost.ledger import nodes, pieces
from quartermaster.domain.money.ledger import Entry, Kind, Machine, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price
from tests.support.ledger import NOON

law = settings(max_examples=200, deadline=None)
SECONDS = 60
MACHINE = Machine("node-a", accelerator="Tesla-T4")


def at(second: int) -> datetime:
    return NOON + timedelta(seconds=second)


@st.composite
def presences(draw: st.DrawFn) -> Presence:
    began = draw(st.integers(0, 20))
    moments = sorted(draw(st.sets(st.integers(-5, SECONDS), max_size=3)))
    first = Price(at(-100), draw(st.fractions(8, 100)), "first")
    later = [Price(at(moment), draw(st.fractions(8, 100)), f"at {moment}") for moment in moments]
    gone = draw(st.none() | st.integers(30, SECONDS).map(at))
    return Presence(MACHINE, "uid-a", at(began), gone, Fraction(8), (first, *later))


agreements = st.integers(0, 2 * 10**9).map(lambda nano: Fraction(nano, 10**9))


@st.composite
def crowds(draw: st.DrawFn, presence: Presence) -> list[Hold]:
    """Up to four pods of at most a quarter of the node each, on it for a time."""
    holds = []
    for index in range(draw(st.integers(0, 4))):
        began = draw(st.integers(0, SECONDS))
        ended = draw(st.none() | st.integers(began, SECONDS))
        kind = draw(st.sampled_from([Kind.JOB, Kind.SERVICE, Kind.SYSTEM]))
        last = SECONDS if presence.ended is None else (presence.ended - NOON).seconds
        holds.append(
            Hold(
                owner=Owner(kind, draw(st.sampled_from(["team-a", "team-b"])), f"pod-{index}"),
                node="node-a",
                began=max(at(began), presence.began),
                ended=max(presence.began, at(min(last, last if ended is None else ended))),
                gpus=Fraction(draw(st.integers(0, 2))),
                share=draw(st.fractions(0, Fraction(1, 4), max_denominator=97)),
                usd_per_hour=draw(agreements),
                repriced=tuple(
                    (at(moment), draw(agreements))
                    for moment in sorted(draw(st.sets(st.integers(-5, SECONDS), max_size=2)))
                ),
            )
        )
    return holds


def money(entries: Sequence[Entry]) -> Fraction:
    return sum((pieces.cost(each) or Fraction(0) for each in entries), Fraction(0))


def agreed(holds: Sequence[Hold], since: int, until: int) -> Fraction:
    """What jobs and services pay, second by second."""
    total = Fraction(0)
    for second in range(since, until):
        for hold in holds:
            there = hold.began <= at(second) and (hold.ended is None or hold.ended > at(second))
            if there and hold.owner.kind in (Kind.JOB, Kind.SERVICE):
                rate = hold.usd_per_hour
                for since, later in hold.repriced:
                    rate = later if since <= at(second) else rate
                assert rate is not None
                total += rate / 3600
    return total


def price_by_seconds(presence: Presence) -> Fraction:
    """What the node costs, second by second; prices are rounded to a billionth of a USD."""
    total = Fraction(0)
    for second in range(SECONDS):
        alive = presence.began <= at(second)
        alive &= presence.ended is None or at(second) < presence.ended
        if alive:
            rate = max((p for p in presence.prices if p.since <= at(second)), key=lambda p: p.since)
            assert rate.usd_per_hour is not None
            total += Fraction(round(rate.usd_per_hour * 10**9), 10**9) / 3600
    return total


@law
@given(st.data())
def test_jobs_services_system_and_idle_are_the_nodes_price_times_time(data: st.DataObject) -> None:
    presence = data.draw(presences())
    holds = data.draw(crowds(presence))
    whole = nodes.entries(presence, holds, (at(0), at(SECONDS)))
    assert money(whole) + agreed(holds, 0, SECONDS) == price_by_seconds(presence)
    assert nodes.node_cost(presence, (at(0), at(SECONDS))) == price_by_seconds(presence)
    assert all(each.usd_per_hour is not None and each.usd_per_hour >= 0 for each in whole)


@law
@given(st.data(), st.sets(st.integers(0, SECONDS * 10**6), max_size=5))
def test_it_does_not_matter_into_which_periods_time_is_split(
    data: st.DataObject, cuts: set[int]
) -> None:
    presence = data.draw(presences())
    holds = data.draw(crowds(presence))
    whole = nodes.entries(presence, holds, (at(0), at(SECONDS)))
    edges = sorted({at(0), at(SECONDS), *(NOON + timedelta(microseconds=cut) for cut in cuts)})
    parts = [each for span in pairwise(edges) for each in nodes.entries(presence, holds, span)]
    assert money(parts) == money(whole)
    for kind in (Kind.SYSTEM, Kind.IDLE):
        assert money([e for e in parts if e.owner.kind is kind]) == money(
            [e for e in whole if e.owner.kind is kind]
        )
    assert len({each.id for each in parts}) == len(parts)


def presence(*prices: Price, **changes: object) -> Presence:
    return Presence(MACHINE, "uid-a", at(0), None, Fraction(8), prices)


def test_what_has_no_price_is_unknown_and_never_free() -> None:
    found = nodes.entries(presence(), [], (at(0), at(10)))
    assert [(each.owner.kind, each.usd_per_hour) for each in found] == [(Kind.IDLE, None)]


def test_a_node_that_costs_less_than_jobs_have_agreed_to_says_so_and_adds_up() -> None:
    hold = Hold(Owner(Kind.JOB, "a"), "node-a", at(0), None, Fraction(8), Fraction(1), Fraction(5))
    found = nodes.entries(presence(Price(at(0), Fraction(4), "now")), [hold], (at(0), at(10)))
    assert [each.usd_per_hour for each in found] == [Fraction(-1)]
    assert found[0].price_source == "now; jobs have agreed to more than the node costs"


def test_time_of_which_pods_are_not_known_any_more_is_idle_and_marked() -> None:
    at_4 = presence(Price(at(0), Fraction(4), "now"))
    found = nodes.entries(at_4, [], (at(0), at(10)), known_since=at(4))
    assert [(each.began, each.price_source) for each in found] == [
        (at(0), "now; who was on it is not known any more"),
        (at(4), "now"),
    ]
