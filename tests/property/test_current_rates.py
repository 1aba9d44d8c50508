"""The law of what is paid now: over all kinds it is the price of the nodes that have one."""

from datetime import timedelta
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.cost.ledger import current
from quartermaster.domain.money.ledger import Kind, Machine, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price
from tests.support.ledger import HOUR, NOON

law = settings(max_examples=300, deadline=None)
NAMES = ("node-a", "node-b", "node-c")
NANO = 10**9
agreements = st.none() | st.integers(0, 4 * NANO).map(lambda nano: Fraction(nano, NANO))


@st.composite
def clusters(draw: st.DrawFn) -> list[Presence]:
    found = []
    for name in NAMES[: draw(st.integers(0, len(NAMES)))]:
        prices = [
            Price(NOON - since * HOUR, draw(st.none() | st.fractions(0, 20)))
            for since in sorted(draw(st.sets(st.integers(-1, 5), max_size=3)), reverse=True)
        ]
        machine = Machine(
            name,
            draw(st.sampled_from(["", "pool"])),
            draw(st.sampled_from(["", "Tesla-T4"])),
            capacity_type=draw(st.sampled_from(["", "Spot"])),
        )
        found.append(
            Presence(machine, f"uid-{name}", NOON - 9 * HOUR, None, Fraction(8), tuple(prices))
        )
    return found


@st.composite
def crowds(draw: st.DrawFn) -> list[Hold]:
    """Up to four pods on each node; jobs among them may have agreed to more than it costs."""
    holds = []
    for index in range(draw(st.integers(0, 4 * len(NAMES)))):
        began = NOON + timedelta(minutes=draw(st.integers(-60, 5)))
        minutes = draw(st.none() | st.integers(0, 90))
        holds.append(
            Hold(
                owner=Owner(
                    draw(st.sampled_from([Kind.JOB, Kind.SERVICE, Kind.SYSTEM])),
                    draw(st.sampled_from(["team-a", "team-b"])),
                    f"pod-{index}",
                ),
                node=NAMES[index % len(NAMES)],
                began=began,
                ended=None if minutes is None else began + timedelta(minutes=minutes),
                gpus=Fraction(draw(st.integers(0, 2))),
                share=draw(st.fractions(0, Fraction(1, 4), max_denominator=97)),
                usd_per_hour=draw(agreements),
                repriced=tuple(
                    (NOON + timedelta(minutes=minute), draw(agreements))
                    for minute in sorted(draw(st.sets(st.integers(-50, 9), max_size=2)))
                ),
            )
        )
    return holds


def price_now(presence: Presence) -> Fraction | None:
    rate = None
    for price in presence.prices:
        if price.since <= NOON:
            rate = price.usd_per_hour
    return None if rate is None else Fraction(round(rate * NANO), NANO)


def agreed_now(hold: Hold) -> Fraction:
    rate = hold.usd_per_hour
    for since, later in hold.repriced:
        if since <= NOON:
            rate = later
    return rate or Fraction(0)


@law
@given(clusters(), crowds())
def test_all_kinds_together_pay_what_the_nodes_cost(
    cluster: list[Presence], crowd: list[Hold]
) -> None:
    found = current.rates(cluster, crowd, NOON)
    prices = {it.machine.node: rate for it in cluster if (rate := price_now(it)) is not None}
    assert sum(found.by_place.values()) == sum(prices.values())
    there = [
        hold
        for hold in crowd
        if hold.node in prices and hold.began <= NOON and (hold.ended is None or hold.ended > NOON)
    ]
    for kind in (Kind.JOB, Kind.SERVICE):
        told = sum(rate for place, rate in found.by_place.items() if place[0] == kind)
        assert told == sum(agreed_now(hold) for hold in there if hold.owner.kind is kind)
    beyond = Fraction(0)
    for node, price in prices.items():
        paid = sum(agreed_now(h) for h in there if h.node == node and h.owner.kind != Kind.SYSTEM)
        for namespace in ("team-a", "team-b"):
            share = sum(
                (h.share for h in there
                 if (h.node, h.owner.kind, h.owner.namespace) == (node, Kind.SYSTEM, namespace)),
                Fraction(0),
            )  # fmt: skip
            paid += Fraction((price * share * NANO).__floor__(), NANO)
        beyond += max(Fraction(0), paid - price)
    assert found.overcharged == beyond


T4 = Machine("node-a", "pool", "Tesla-T4", capacity_type="Spot")


def test_a_full_node_has_no_idle_time_and_says_so() -> None:
    node = Presence(T4, "uid", NOON - HOUR, None, Fraction(1), (Price(NOON, Fraction(2)),))
    team = Owner(Kind.JOB, "team")
    on_gpu = Hold(team, "node-a", NOON, None, Fraction(1), Fraction(1), Fraction(2))
    beside = Hold(team, "node-a", NOON, None, Fraction(0), Fraction(0), Fraction(0))
    assert current.rates([node], [on_gpu, beside], NOON).by_place == {
        ("Job", "team", "pool", "Tesla-T4", "Spot"): 2,
        ("Job", "team", "pool", "", "Spot"): 0,
        ("Idle", "", "pool", "Tesla-T4", "Spot"): 0,
    }


def test_a_node_without_a_price_is_not_in_it() -> None:
    node = Presence(T4, "uid", NOON - HOUR, None, Fraction(1), (Price(NOON, None),))
    held = Hold(
        Owner(Kind.JOB, "team"), "node-a", NOON, None, Fraction(1), Fraction(1), Fraction(2)
    )
    assert current.rates([node], [held], NOON) == current.Rates()
