"""Money as metrics: what is paid now, and counters that go on after a restart."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path

import pytest

from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.metrics.costs import CostCollector, LedgerCollector
from quartermaster.domain.money.ledger import Kind, Machine, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price
from quartermaster.domain.money.spending import Amounts, Sums
from quartermaster.errors import LedgerError
from tests.support.ledger import HOUR, NOON, MemoryOccupancy, entry
from tests.support.memory import FakeClock
from tests.support.scraped import Samples, collected

T4 = Machine("node-a", "aws", "Tesla-T4", capacity_type="Spot")
NODE = Presence(T4, "uid", NOON - HOUR, None, Fraction(4), (Price(NOON - HOUR, Fraction(8)),))
JOB = Hold(
    Owner(Kind.JOB, "team", "digits"), "node-a", NOON, None, Fraction(3), Fraction(3, 4),
    Fraction(6),
)  # fmt: skip


def rates(*holds: Hold) -> Samples:
    occupancy = MemoryOccupancy([NODE], {str(n): hold for n, hold in enumerate(holds)})
    return collected(CostCollector(occupancy, FakeClock(NOON)))


def test_who_pays_now_is_told_by_place() -> None:
    assert rates(JOB) == {
        ("cost_usd_per_hour", "Job", "team", "aws", "Tesla-T4", "Spot"): 6,
        ("cost_usd_per_hour", "Idle", "", "aws", "Tesla-T4", "Spot"): 2,
        ("overcharged_usd_per_hour",): 0,
    }


def test_what_is_agreed_beyond_the_price_is_told() -> None:
    found = rates(JOB, replace(JOB, usd_per_hour=Fraction(3)))
    assert found["overcharged_usd_per_hour",] == 1
    assert sum(value for key, value in found.items() if key[0] == "cost_usd_per_hour") == 8


def test_pods_that_are_over_pay_nothing() -> None:
    found = rates(replace(JOB, began=NOON - HOUR, ended=NOON))
    assert found["cost_usd_per_hour", "Idle", "", "aws", "Tesla-T4", "Spot"] == 8


PLACE = ("Job", "team-a", "aws", "NVIDIA-H100-80GB-HBM3", "Spot")


async def test_counters_go_on_where_they_were_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    ledger = SqlLedger(url, FakeClock(NOON))
    collector = LedgerCollector(ledger)
    assert collected(collector) == {}
    await ledger.record([entry("pod-1/0", hours=2)])
    want = {
        ("cost_usd_total", *PLACE): 52.84,
        ("on_demand_usd_total", *PLACE): 110.08,
        ("gpu_seconds_total", *PLACE): 2 * 8 * 3600,
        ("cost_parts_usd_total", "team-a", "Useful"): 52.84,
        ("ledger_up",): 1,
    }
    assert collected(collector) == want
    await ledger.close()
    again = SqlLedger(url, FakeClock(NOON))
    await again.open()
    assert collected(LedgerCollector(again)) == want
    await again.close()


async def test_a_ledger_that_cannot_be_reached_is_down(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ledger = SqlLedger(f"sqlite:///{tmp_path}/file/ledger.db", FakeClock(NOON))
    with pytest.raises(LedgerError):
        await ledger.open()
    assert collected(LedgerCollector(ledger)) == {("ledger_up",): 0}
    await ledger.close()


@dataclass
class Told:
    """A ledger that says what the test says."""

    by_place: Mapping[tuple[str, ...], Amounts] = field(default_factory=dict)
    up: bool | None = True

    def sums(self) -> Sums:
        return Sums(by_place=self.by_place)


IDLE = ("Idle", "", "aws", "NVIDIA-H100-80GB-HBM3", "Spot")


def amounts(usd: int) -> Amounts:
    return Amounts(usd=Fraction(usd), on_demand_usd=Fraction(usd))


def test_idle_time_that_falls_is_no_counter_that_began_anew() -> None:
    ledger = Told({PLACE: amounts(10), IDLE: amounts(5)})
    collector = LedgerCollector(ledger)
    shown = []
    for job, idle in ((10, 5), (20, 4), (30, 6)):
        ledger.by_place = {PLACE: amounts(job), IDLE: amounts(idle)}
        found = collected(collector)
        shown.append((found["cost_usd_total", *PLACE], found["cost_usd_total", *IDLE]))
    assert shown == [(10, 5), (20, 5), (30, 6)]


def test_another_ledger_begins_all_counters_anew() -> None:
    ledger = Told({PLACE: amounts(10), IDLE: amounts(5)})
    collector = LedgerCollector(ledger)
    collected(collector)
    ledger.by_place = {IDLE: amounts(1)}
    assert collected(collector) == {
        ("cost_usd_total", *IDLE): 1,
        ("on_demand_usd_total", *IDLE): 1,
        ("gpu_seconds_total", *IDLE): 0,
        ("ledger_up",): 1,
    }
