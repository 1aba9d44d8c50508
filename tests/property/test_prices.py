"""Laws of prices: who is believed, what is found, and that nobody invents one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.catalog.prices.price_list import ANY, Offer, PriceList, Wanted
from quartermaster.decide.cost.prices import NO_BOOK, PriceBook, price_of, priced
from quartermaster.decide.cost.rates import node_rate
from quartermaster.domain.cluster import Capacity, Node, Pool, PriceRow
from quartermaster.domain.money.price import (
    HOURS_PER_YEAR,
    OnPremises,
    Operator,
    Overlay,
    Price,
    PriceKind,
    Requirement,
)
from tests.support import make

law = settings(max_examples=200, deadline=None)
RATES = st.fractions(min_value=Fraction(1, 1000), max_value=100, max_denominator=1000)
BOUGHT = (Capacity.SPOT, Capacity.ON_DEMAND)
DAY = date(2026, 7, 20)


@st.composite
def offers(draw: Any) -> Offer:
    return Offer(
        provider=draw(st.sampled_from(["aws", "gcp", ANY])),
        instance_type=draw(st.sampled_from(["big", "small"])),
        region=draw(st.sampled_from(["east", "west"])),
        capacity=draw(st.sampled_from(BOUGHT)),
        usd_per_hour=draw(st.sampled_from([Fraction(1), Fraction(2), Fraction(3)])),
        as_of=draw(st.sampled_from([None, DAY, date(2026, 8, 1)])),
        zone=draw(st.sampled_from([ANY, ANY, "a", "b"])),
    )


WANTED = st.builds(
    Wanted,
    st.sampled_from(["big", "small", ""]),
    st.sampled_from(["east", "west", ""]),
    st.sampled_from([*BOUGHT, Capacity.UNKNOWN]),
    st.sampled_from(["aws", "gcp", "other", ANY]),
    st.sampled_from(["a", "b", ANY]),
)


def walked(rows: list[Offer], wanted: Wanted) -> Fraction | None:
    """The oracle: the same rules, by looking at all rows."""
    if not wanted.instance_type or not wanted.region or wanted.capacity is Capacity.UNKNOWN:
        return None

    def newest(provider: str, zone: str) -> Fraction | None:
        found = [
            it for it in rows
            if (it.provider, it.zone) == (provider, zone)
            and (it.instance_type, it.region) == (wanted.instance_type, wanted.region)
            and it.capacity is wanted.capacity
        ]  # fmt: skip
        ranks = [(it.as_of or date.min, it.usd_per_hour) for it in found]
        return max(ranks)[1] if ranks else None

    def of(provider: str, zone: str) -> Fraction | None:
        own = newest(provider, zone)
        if own is not None or zone != ANY:
            return own
        zones = {newest(provider, it) for it in ("a", "b")} - {None}
        return zones.pop() if len(zones) == 1 else None

    for zone in dict.fromkeys((wanted.zone, ANY)):
        known = {it: of(it, zone) for it in ("aws", "gcp", ANY)}
        said = {it: rate for it, rate in known.items() if rate is not None}
        if wanted.provider in said and wanted.provider != ANY:
            return said[wanted.provider]
        if len(said) == 1 and (ANY in said or wanted.provider == ANY):
            return next(iter(said.values()))
        if ANY in said:
            return said[ANY]
    return None


@law
@given(st.lists(offers(), max_size=12), WANTED)
def test_a_list_finds_what_looking_at_all_rows_finds(rows: list[Offer], wanted: Wanted) -> None:
    found = PriceList(rows).find(wanted)
    assert (found and found.usd_per_hour) == walked(rows, wanted)


@law
@given(st.lists(offers(), max_size=12), WANTED, st.randoms())
def test_the_order_of_rows_does_not_matter(
    rows: list[Offer], wanted: Wanted, random: Random
) -> None:
    other = PriceList(random.sample(rows, len(rows)))
    one, two = PriceList(rows).find(wanted), other.find(wanted)
    assert (one and one.usd_per_hour) == (two and two.usd_per_hour)
    assert PriceList(rows).newest() == other.newest()


@dataclass(frozen=True)
class Known:
    """A node, its pool, and what is known beside them."""

    node: Node
    pool: Pool
    book: PriceBook

    def price(self) -> Price | None:
        return price_of(priced(self.node, self.book), self.pool)


def everything() -> Known:
    """All six say a price, and each another one."""
    capacity = Capacity.SPOT
    node = make.node(
        "a", 8, capacity=capacity, instance_type="big", region="east", provider="aws",
        told_usd_per_hour=Fraction(3),
    )  # fmt: skip
    lists = tuple(
        (kind, PriceList([Offer("aws", "big", "east", capacity, Fraction(rate), DAY)]))
        for kind, rate in ((PriceKind.LIST, 4), (PriceKind.CATALOGUE, 5))
    )
    pool = make.pool(
        "a-shared",
        PriceRow(usd_per_node_hour=Fraction(1)),
        price_source="list of 2026-11-01",
        on_premises=(OnPremises(Fraction(8766), Fraction(1), 0, Fraction(0)),),
    )
    return Known(node, pool, PriceBook(lists, (Overlay("cheap", usd_per_hour=Fraction(2)),)))


Without = Callable[[Known], Known]


def without_list(kind: PriceKind) -> Without:
    return lambda it: replace(
        it,
        book=replace(it.book, lists=tuple(row for row in it.book.lists if row[0] is not kind)),
    )


TAKEN_AWAY: dict[PriceKind, Without] = {
    PriceKind.POOL: lambda it: replace(it, pool=replace(it.pool, prices=())),
    PriceKind.OVERLAY: lambda it: replace(it, book=replace(it.book, overlays=())),
    PriceKind.ANNOTATION: lambda it: replace(it, node=replace(it.node, told_usd_per_hour=None)),
    PriceKind.LIST: without_list(PriceKind.LIST),
    PriceKind.CATALOGUE: without_list(PriceKind.CATALOGUE),
    PriceKind.ON_PREMISES: lambda it: replace(it, pool=replace(it.pool, on_premises=())),
}
"""In the order in which they are believed."""
SOURCES = [
    "pool a-shared: list of 2026-11-01",
    "NodeOverlay cheap",
    "node annotation",
    "price list 2026-07-20 aws east",
    "catalogue 2026-07-20 aws east",
    "pool a-shared, on premises",
]
WANT = [1, 2, 3, 4, 5, 8]


def test_who_is_believed_first_is_told_and_the_next_one_takes_the_place() -> None:
    known = everything()
    for (kind, take_away), source, rate in zip(TAKEN_AWAY.items(), SOURCES, WANT, strict=True):
        price = known.price()
        assert price is not None
        assert (price.kind, price.source, price.usd_per_hour) == (kind, source, rate)
        known = take_away(known)
    assert known.price() is None


@law
@given(st.sets(st.sampled_from(list(PriceKind))))
def test_of_those_that_are_left_the_first_is_believed(gone: set[PriceKind]) -> None:
    known = everything()
    for kind in gone:
        known = TAKEN_AWAY[kind](known)
    left = [kind for kind in PriceKind if kind not in gone]
    price = known.price()
    assert (price and price.kind) == (left[0] if left else None)
    assert node_rate(priced(known.node, known.book), known.pool) == (price and price.usd_per_hour)


def test_the_names_of_kinds_are_in_the_order_of_belief() -> None:
    assert list(TAKEN_AWAY) == list(PriceKind)


@pytest.mark.parametrize("capacity", list(Capacity))
def test_what_nobody_knows_stays_unknown(capacity: Capacity) -> None:
    node = make.node("a", 8, capacity=capacity, instance_type="big", region="east")
    assert price_of(priced(node, NO_BOOK), make.pool()) is None
    assert node_rate(node, make.pool()) is None
    assert priced(node, NO_BOOK) is node


def test_a_machine_is_not_taken_for_one_that_was_bought_otherwise() -> None:
    """How it was bought is not known, so it may be spot, on demand, or reserved."""
    book = PriceBook((
        (PriceKind.CATALOGUE, PriceList([
            Offer("aws", "big", "east", it, Fraction(9)) for it in BOUGHT
        ])),
    ))  # fmt: skip
    node = make.node(
        "a", 8, capacity=Capacity.UNKNOWN, instance_type="big", region="east", provider="aws"
    )
    assert price_of(priced(node, book), make.pool()) is None
    elsewhere = replace(node, capacity=Capacity.SPOT, provider="gcp")
    assert price_of(priced(elsewhere, book), make.pool()) is None


@law
@given(RATES, RATES)
def test_spot_keeps_its_own_price_however_it_compares(spot: Fraction, on_demand: Fraction) -> None:
    prices = PriceList([
        Offer("aws", "big", "east", Capacity.SPOT, spot),
        Offer("aws", "big", "east", Capacity.ON_DEMAND, on_demand),
    ])  # fmt: skip
    book = PriceBook(((PriceKind.CATALOGUE, prices),))
    node = make.node("a", 8, capacity=Capacity.SPOT, instance_type="big", region="east")
    found = price_of(priced(node, book), make.pool())
    assert found is not None
    assert (found.usd_per_hour, found.on_demand_usd_per_hour) == (spot, on_demand)
    other = price_of(priced(replace(node, capacity=Capacity.ON_DEMAND), book), make.pool())
    assert other is not None
    assert (other.usd_per_hour, other.on_demand_usd_per_hour) == (on_demand, on_demand)


def test_a_pool_tells_both_prices_of_a_machine_where_it_has_both() -> None:
    rows = (
        make.price("1", capacity=Capacity.SPOT),
        make.price("3", capacity=Capacity.ON_DEMAND),
    )
    node = make.node("a", 8, capacity=Capacity.SPOT)
    found = price_of(node, make.pool("pool", *rows))
    assert found is not None
    assert (found.usd_per_hour, found.on_demand_usd_per_hour) == (8, 24)
    alike = price_of(node, make.pool("pool", make.price("1")))
    assert alike is not None
    assert alike.on_demand_usd_per_hour is None, "a price for both says nothing of what is saved"


@law
@given(
    st.fractions(1, 10**6, max_denominator=100),
    st.fractions(Fraction(1, 4), 20, max_denominator=12),
    st.integers(0, 10_000),
    st.fractions(0, 2, max_denominator=1000),
    st.integers(1, 100),
)
def test_the_hours_that_are_charged_bring_what_a_gpu_cost_in_its_life(
    price: Fraction, years: Fraction, watts: int, usd_per_kwh: Fraction, percent: int
) -> None:
    used = Fraction(percent, 100)
    it = OnPremises(price, years, watts, usd_per_kwh, used)
    life_h = years * HOURS_PER_YEAR
    assert it.usd_per_gpu_hour * life_h * used == price + watts * life_h * usd_per_kwh / 1000


def test_own_hardware_is_priced_by_its_model() -> None:
    h100 = OnPremises(Fraction(30_000), Fraction(4), 1000, Fraction("0.1"), accelerator="H100")
    any_other = OnPremises(Fraction(8766), Fraction(1), 0, Fraction(0))
    pool = make.pool(on_premises=(h100, any_other))
    rates = [node_rate(make.node("a", gpus, gpu=it), pool) for gpus, it in
             ((8, "H100"), (2, "other"), (0, ""))]  # fmt: skip
    assert rates == [8 * (Fraction(30_000, 4 * 8766) + Fraction("0.1")), 2, None]


OVERLAYS = st.lists(
    st.builds(
        Overlay,
        name=st.sampled_from(["a", "b", "c", "d"]),
        weight=st.integers(0, 2),
        usd_per_hour=st.one_of(st.none(), RATES),
    ),
    max_size=4,
    unique_by=lambda it: it.name,
)


@law
@given(OVERLAYS, st.randoms())
def test_the_heaviest_overlay_counts_and_of_equal_ones_the_last_by_name(
    overlays: list[Overlay], random: Random
) -> None:
    node = make.node()
    said = [it for it in overlays if it.usd_per_hour is not None]
    book = PriceBook((), tuple(random.sample(overlays, len(overlays))))
    found = price_of(priced(node, book), make.pool())
    want = sorted(said, key=lambda it: it.name)
    want.sort(key=lambda it: it.weight)
    assert (found and found.usd_per_hour) == (want[-1].usd_per_hour if want else None)


@pytest.mark.parametrize(
    ("overlay", "want"),
    [
        (Overlay("a", factor=Fraction("0.85")), "8.5"),
        (Overlay("a", factor=Fraction("1.1")), "11"),
        (Overlay("a", change=Fraction("-0.5")), "9.5"),
        (Overlay("a", change=Fraction(-20)), "0"),
        (Overlay("a", requirements=(Requirement("x", Operator.EXISTS),), change=Fraction(1)), "10"),
        (Overlay("a"), "10"),
    ],
)
def test_an_overlay_changes_what_the_lists_say(overlay: Overlay, want: str) -> None:
    prices = PriceList([Offer("aws", "big", "east", Capacity.SPOT, Fraction(10), DAY)])
    book = PriceBook(((PriceKind.CATALOGUE, prices),), (overlay,))
    node = make.node("a", 8, capacity=Capacity.SPOT, instance_type="big", region="east")
    found = price_of(priced(node, book), make.pool())
    assert found is not None
    assert found.usd_per_hour == Fraction(want)
    assert found.as_of == DAY
    nowhere = replace(node, region="west")
    assert price_of(priced(nowhere, book), make.pool()) is None
    told = replace(nowhere, told_usd_per_hour=Fraction(7))
    assert node_rate(priced(told, book), make.pool()) == 7


@pytest.mark.parametrize(
    ("operator", "values", "holds"),
    [
        (Operator.IN, ("8", "16"), (True, False)),
        (Operator.NOT_IN, ("8",), (False, True)),
        (Operator.EXISTS, (), (True, False)),
        (Operator.DOES_NOT_EXIST, (), (False, True)),
        (Operator.GT, ("7",), (True, False)),
        (Operator.GT, ("8",), (False, False)),
        (Operator.GTE, ("8",), (True, False)),
        (Operator.LT, ("9",), (True, False)),
        (Operator.LT, ("8",), (False, False)),
        (Operator.LTE, ("8",), (True, False)),
        (Operator.GT, ("x",), (False, False)),
        (Operator.GT, (), (False, False)),
    ],
)
def test_labels_are_compared_as_kubernetes_does(
    operator: Operator, values: tuple[str, ...], holds: tuple[bool, bool]
) -> None:
    requirement = Requirement("gpus", operator, values)
    assert (requirement.holds({"gpus": "8"}), requirement.holds({})) == holds
    if operator in (Operator.GT, Operator.LT, Operator.GTE, Operator.LTE):
        assert not requirement.holds({"gpus": "eight"})
