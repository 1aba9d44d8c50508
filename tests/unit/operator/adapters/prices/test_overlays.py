"""NodeOverlays as Karpenter's API writes them."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.prices.overlays import overlay
from quartermaster.domain.money.price import Operator, Overlay, Requirement

Json = dict[str, Any]


def document(spec: Any, status: Any = None) -> Json:
    return {"metadata": {"name": "cheap"}, "spec": spec, "status": status}


def test_an_overlay_is_read_with_all_that_counts_for_prices() -> None:
    spec = {
        "weight": 10,
        "requirements": [
            {
                "key": "node.kubernetes.io/instance-type",
                "operator": "In",
                "values": ["p5.48xlarge"],
            },
            {"key": "karpenter.sh/nodepool", "operator": "Exists"},
        ],
        "price": "1.25",
        "capacity": {"example.com/slots": "4"},
    }
    assert overlay(document(spec)) == Overlay(
        "cheap",
        (
            Requirement("node.kubernetes.io/instance-type", Operator.IN, ("p5.48xlarge",)),
            Requirement("karpenter.sh/nodepool", Operator.EXISTS),
        ),
        10,
        usd_per_hour=Fraction("1.25"),
    )


@pytest.mark.parametrize(
    ("change", "of_ten"),
    [("+10%", "11"), ("-15%", "8.5"), ("-100%", "0"), ("+0.5", "10.5"), ("-0.5", "9.5"),
     ("-.5", "9.5"), ("+150.5%", "25.05")],
)  # fmt: skip
def test_a_change_is_a_part_or_an_amount(change: str, of_ten: str) -> None:
    found = overlay(document({"priceAdjustment": change}))
    assert found.says_a_price
    assert found.adjusted(Fraction(10)) == Fraction(of_ten)


@pytest.mark.parametrize(
    "spec",
    [
        None,
        {},
        {"capacity": {"example.com/slots": "4"}},
        {"price": "-1"},
        {"price": 1},
        {"price": "1e3"},
        {"priceAdjustment": "10%"},
        {"priceAdjustment": "++1"},
        {"price": "1", "requirements": [{"key": "a", "operator": "Near"}]},
        {"price": "1", "requirements": [{"operator": "Exists"}]},
        {"price": "1", "requirements": ["a"]},
        {"price": "1", "weight": "heavy"},
    ],
)
def test_what_cannot_be_read_says_no_price(spec: Any) -> None:
    assert not overlay(document(spec)).says_a_price


def test_what_karpenter_refuses_says_no_price() -> None:
    for status, says in (("False", False), ("True", True), ("Unknown", True)):
        conditions = {"conditions": [{"type": "Ready", "status": status}]}
        assert overlay(document({"price": "1"}, conditions)).says_a_price is says


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.fixed_dictionaries({
    "requirements": JSON, "weight": JSON, "price": JSON, "priceAdjustment": JSON,
}))  # fmt: skip
def test_no_overlay_breaks_the_reading(spec: Json) -> None:
    assert overlay(document(spec)).name == "cheap"
