"""Exports follow FOCUS 1.2's rules of columns, and tell what the ledger holds."""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings

from quartermaster.decide.cost.ledger import focus, pieces
from quartermaster.domain.money.ledger import Entry
from tests.support.ledger import entries, entry

law = settings(max_examples=150, deadline=None)

NUMBERS = {"BilledCost", "EffectiveCost", "ContractedCost", "ListCost", "PricingQuantity"}
TEXTS = {
    "BillingAccountId", "BillingAccountName", "BillingAccountType", "ChargeDescription",
    "InvoiceIssuerName", "PricingUnit", "ProviderName", "PublisherName", "ServiceName",
}  # fmt: skip
TIMES = {"BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"}
WORDS = {
    "BillingCurrency": {"USD"},
    "ChargeCategory": {"Usage", "Purchase", "Tax", "Credit", "Adjustment"},
    "ChargeClass": {"", "Correction"},
    "ServiceCategory": {
        "AI and Machine Learning", "Analytics", "Business Applications", "Compute", "Databases",
        "Developer Tools", "Multicloud", "Identity", "Integration", "Internet of Things",
        "Management and Governance", "Media", "Migration", "Mobile", "Networking", "Security",
        "Storage", "Web", "Other",
    },
    "PricingCategory": {"Standard", "Dynamic", "Committed", "Other"},
}  # fmt: skip
"""Columns that FOCUS 1.2 makes mandatory, and those of ours with a list of allowed values."""


@law
@given(entries())
def test_a_row_keeps_the_rules_of_every_mandatory_column(some: Entry) -> None:
    for row in focus.rows(some):
        assert row.keys() >= NUMBERS | TEXTS | TIMES | WORDS.keys()
        assert all(name[0].isupper() or name.startswith("x_") for name in row)
        for name in NUMBERS:
            assert re.fullmatch(r"-?\d+\.\d{12}", row[name]), name
        assert all(row[name] for name in TEXTS)
        for name, allowed in WORDS.items():
            assert row[name] in allowed
        moments = {name: datetime.fromisoformat(row[name]) for name in TIMES}
        assert moments["BillingPeriodStart"] <= moments["ChargePeriodStart"]
        assert moments["ChargePeriodEnd"] <= moments["BillingPeriodEnd"]
        assert moments["ChargePeriodEnd"] - moments["ChargePeriodStart"] == timedelta(days=1)


@law
@given(entries())
def test_rows_add_up_to_the_entry_within_their_last_digit(some: Entry) -> None:
    rows = list(focus.rows(some))
    told = sum(Fraction(row["BilledCost"]) for row in rows)
    assert abs(told - (pieces.cost(some) or 0)) <= len(rows) * Fraction(1, 10**12)
    assert all((row["x_PriceUnknown"] == "true") == (some.usd_per_hour is None) for row in rows)


def test_an_hour_on_spot_reads_as_focus_wants_it() -> None:
    (row,) = focus.rows(entry())
    assert Decimal(row["BilledCost"]) == Decimal("26.42")
    assert Decimal(row["ListCost"]) == Decimal("55.04")
    assert (row["PricingCategory"], row["PricingQuantity"], row["PricingUnit"]) == (
        "Dynamic", "8.000000000000", "GPU-Hours",
    )  # fmt: skip
    assert (row["ChargePeriodStart"], row["ChargePeriodEnd"]) == (
        "2026-11-01T00:00:00Z", "2026-11-02T00:00:00Z",
    )  # fmt: skip
    assert (row["SubAccountId"], row["x_JobName"], row["x_Part"]) == ("team-a", "digits", "Useful")


def test_what_spot_costs_above_the_list_price_is_told_as_it_is() -> None:
    (row,) = focus.rows(entry(on_demand_usd_per_hour=Fraction(20)))
    assert Decimal(row["ListCost"]) < Decimal(row["BilledCost"])
