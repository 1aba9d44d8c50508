"""Lists of prices: each fault is told with its line, and nothing but a sound list comes through."""

import csv
import sys
from datetime import date
from fractions import Fraction
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.adapters.prices.shipped import LISTS, lists, shipped
from quartermaster.catalog.instances import instance
from quartermaster.catalog.prices.price_list import Offer, PriceList, Wanted
from quartermaster.catalog.prices.rows import COLUMNS, NAMES, offers
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.money.price import PriceKind
from quartermaster.errors import SpecError

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "operator/quartermaster/catalog/prices"
sys.path.append(str(ROOT / "scripts"))

import price_catalogue  # noqa: E402 # a script, which is no package

HEAD = ",".join(COLUMNS)
GOOD = "aws,p5.48xlarge,us-east-1,OnDemand,55.04,2026-07-20,somewhere"
SKYPILOT = "InstanceType,vCPUs,AcceleratorName,Region,AvailabilityZone,Price,SpotPrice"
law = settings(max_examples=300, deadline=None)


def told(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        offers("list.csv", text)
    return str(caught.value)


def test_a_row_is_an_offer() -> None:
    assert offers("list.csv", f"{HEAD}\n{GOOD}\n") == [
        Offer(
            "aws", "p5.48xlarge", "us-east-1", Capacity.ON_DEMAND, Fraction("55.04"),
            date(2026, 7, 20), source="somewhere",
        )
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("row", "want"),
    [
        ("aws,,us-east-1,OnDemand,1,2026-07-20,x", "instance type '' is not one"),
        ("aws,Standard_NC6,eastus,OnDemand,1,2026-07-20,x", "'Standard_NC6' is unknown: aws names"),
        ("gcp,p5.48xlarge,us-east-1,Spot,1,2026-07-20,x", "'p5.48xlarge' is unknown: gcp names"),
        ("azure,p5.48xlarge,us-east-1,Spot,1,2026-07-20,x", "is unknown: azure names none like"),
        ("aws,p5.48xlarge,,OnDemand,1,2026-07-20,x", "region '' is not one"),
        ("aws,p5.48xlarge,us east,OnDemand,1,2026-07-20,x", "region 'us east' is not one"),
        ("aws,p5.48xlarge,r,spot,1,2026-07-20,x", "'spot' is neither OnDemand nor Spot"),
        ("aws,p5.48xlarge,r,Spot,-1,2026-07-20,x", "usd_per_hour '-1' is no price"),
        ("aws,p5.48xlarge,r,Spot,0,2026-07-20,x", "usd_per_hour '0' is no price"),
        ("aws,p5.48xlarge,r,Spot,1e-10,2026-07-20,x", "usd_per_hour '1e-10' is no price"),
        ("aws,p5.48xlarge,r,Spot,nan,2026-07-20,x", "usd_per_hour 'nan' is no price"),
        ("aws,p5.48xlarge,r,Spot,1e999999,2026-07-20,x", "usd_per_hour '1e999999' is no price"),
        ("aws,p5.48xlarge,r,Spot,100001,2026-07-20,x", "at most 100,000"),
        ("aws,p5.48xlarge,r,Spot,1,2026-02-30,x", "price_date '2026-02-30' is no day"),
        ("aws,p5.48xlarge,r,Spot,1,,x", "price_date '' is no day: write it like 2026-07-20"),
        ("aws,p5.48xlarge,r,Spot,1,2026-W01-1,x", "price_date '2026-W01-1' is no day"),
        ("aws,p5.48xlarge,r,Spot,1,2026-07-20", "has not as many fields"),
        ("aws,p5.48xlarge,r,Spot,1,2026-07-20,x,y", "has not as many fields"),
        ('aws,"p5.48xlarge,r,Spot,1,2026-07-20,x', "is not CSV"),
    ],
)
def test_a_fault_is_told_with_file_and_line(row: str, want: str) -> None:
    message = told(f"{HEAD}\n{GOOD}\n{row}\n")
    assert message.startswith("list.csv:3: ")
    assert want in message
    assert "\n" not in message


@pytest.mark.parametrize("text", ["", "\n", "a,b\n1,2\n", "provider,instance_type\n"])
def test_a_list_without_the_columns_is_told_which(text: str) -> None:
    assert "columns are missing: " in told(text)


def test_a_list_without_a_price_is_refused() -> None:
    assert told(f"{HEAD}\n") == "list.csv:1: there is no price in it"


def test_skypilots_columns_are_understood() -> None:
    text = (
        f"{SKYPILOT}\np5.48xlarge,192,H100,us-east-1,us-east-1a,55.04,26.4\n"
        "p5.48xlarge,192,H100,us-east-1,us-east-1b,55.04,\n,,A100,us-east-1,,1.5,1\n"
    )
    found = PriceList(offers("sky.csv", text))
    on_demand = Wanted("p5.48xlarge", "us-east-1", Capacity.ON_DEMAND, "aws")
    spot = Wanted("p5.48xlarge", "us-east-1", Capacity.SPOT, "aws", "us-east-1a")
    assert [it and it.usd_per_hour for it in map(found.find, (on_demand, spot))] == [
        Fraction("55.04"),
        Fraction("26.4"),
    ]
    assert "sky.csv:2: Price '-1' is no price" in told_of_skypilot("-1")


def told_of_skypilot(price: str) -> str:
    with pytest.raises(SpecError) as caught:
        offers("sky.csv", f"{SKYPILOT}\np5.48xlarge,192,H100,us-east-1,,{price},\n")
    return str(caught.value)


def read(text: str) -> list[Offer] | str:
    """The offers, or what is said against them."""
    try:
        return offers("list.csv", text)
    except SpecError as error:
        return str(error)


FIELDS = st.one_of(
    st.text(max_size=12),
    st.sampled_from(["aws", "p5.48xlarge", "us-east-1", "Spot", "1.5", "2026-07-20", '"', ""]),
    st.decimals().map(str),
    st.dates().map(date.isoformat),
)


@law
@given(
    st.sampled_from([COLUMNS, tuple(SKYPILOT.split(","))]),
    st.lists(st.lists(FIELDS, min_size=6, max_size=8), max_size=5),
)
def test_whatever_a_list_holds_it_is_sound_or_refused_in_one_line(
    columns: tuple[str, ...], rows: list[list[str]]
) -> None:
    text = StringIO()
    csv.writer(text).writerows([columns, *rows])
    found = read(text.getvalue())
    if isinstance(found, str):
        assert found.startswith("list.csv:")
        assert len(found.splitlines()) == 1
        return
    assert found
    assert all(offer.usd_per_hour > 0 and offer.instance_type and offer.region for offer in found)


@law
@given(st.text(max_size=200))
def test_any_text_is_a_list_or_refused(text: str) -> None:
    found = read(text)
    assert found
    assert not isinstance(found, str) or found.startswith("list.csv:")


@pytest.mark.parametrize("name", LISTS)
def test_a_shipped_list_is_well_formed(name: str) -> None:
    text = (FOLDER / name).read_text()
    found = offers(name, text)
    rows = text.splitlines()[1:]
    assert rows == sorted(rows, key=lambda row: row.split(",")), "the order in which it is written"
    keys = [(it.instance_type, it.region, it.capacity) for it in found]
    assert len(set(keys)) == len(keys) == len(rows)
    assert {it.provider for it in found} == {name.removesuffix(".csv")} <= NAMES.keys()
    assert all(it.as_of is not None and it.source for it in found)


def test_all_three_clouds_are_there_and_ours_come_after_the_users() -> None:
    assert shipped().newest().keys() == {"aws", "gcp", "azure"}
    assert [kind for kind, _ in lists(PriceList(()))] == [PriceKind.LIST, PriceKind.CATALOGUE]
    assert [kind for kind, _ in lists()] == [PriceKind.CATALOGUE]


@pytest.mark.parametrize(
    ("instance_type", "region", "capacity", "want"),
    [
        ("p5.48xlarge", "us-east-1", Capacity.ON_DEMAND, "55.04"),
        ("p4d.24xlarge", "us-east-1", Capacity.ON_DEMAND, "21.957642"),
        ("g5.xlarge", "us-east-1", Capacity.ON_DEMAND, "1.006"),
        ("p5.48xlarge", "us-east-1", Capacity.SPOT, None),
        ("p5.48xlarge", "eu-west-1", Capacity.ON_DEMAND, None),
        ("p5.48xlarge", "us-east-1", Capacity.UNKNOWN, None),
        ("a2-highgpu-1g", "us-central1", Capacity.ON_DEMAND, "3.673385"),
        ("Standard_NC4as_T4_v3", "australiacentral", Capacity.ON_DEMAND, "0.684"),
        ("Standard_NC4as_T4_v3", "australiacentral", Capacity.SPOT, None),
    ],
)
def test_the_shipped_lists_say_what_was_published_and_nothing_else(
    instance_type: str, region: str, capacity: Capacity, want: str | None
) -> None:
    found = shipped().find(Wanted(instance_type, region, capacity))
    assert (found and found.usd_per_hour) == (want and Fraction(want))


def test_a_gpu_of_a_shipped_price_costs_what_a_gpu_can_cost() -> None:
    """A second look at the columns: seen were prices of 0.03 for eight A100 in others' lists."""
    for name in LISTS:
        for offer in offers(name, (FOLDER / name).read_text()):
            known = instance(offer.instance_type)
            if known is not None:
                assert Fraction("0.1") < offer.usd_per_hour / known.gpus < 60, offer


@pytest.mark.skipif(not price_catalogue.DATA.is_dir(), reason="QM_BENCH_DATA is not there")
def test_the_shipped_lists_are_those_of_the_data_folder() -> None:
    for name, rows in price_catalogue.lists():
        assert (FOLDER / name).read_text() == price_catalogue.written(rows)
