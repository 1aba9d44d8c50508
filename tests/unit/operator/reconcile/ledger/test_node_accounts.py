"""Node accounts over hours, restarts and outages: nodes add up."""

from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction

import pytest

from quartermaster.decide.cost.ledger import pieces
from quartermaster.decide.cost.ledger.nodes import UNSEEN
from quartermaster.domain.money.ledger import Kind, Machine, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price
from quartermaster.errors import LedgerError
from quartermaster.reconcile.ledger.nodes import LAG, NodeAccounts
from tests.support.ledger import HOUR, NOON, MemoryLedger, MemoryOccupancy, entry
from tests.support.memory import FakeClock

PRICE = Fraction(8)
NODE = Presence(
    Machine("node-a"), "uid-a", NOON - HOUR, None, Fraction(8), (Price(NOON - HOUR, PRICE, "list"),)
)
JOB = Hold(
    Owner(Kind.JOB, "team-a", "digits"), "node-a", NOON, None, Fraction(4), Fraction(1, 2),
    Fraction(4),
)  # fmt: skip
DAEMON = Hold(Owner(Kind.SYSTEM, "kube-system"), "node-a", NOON, None, Fraction(0), Fraction(1, 16))


class World:
    """An operator that is started, stopped and looked at as time goes on."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOON)
        self.ledger = MemoryLedger(cursors={"nodes": NOON})
        self.occupancy = MemoryOccupancy([NODE], {"pod-d": DAEMON})
        self.start()

    def start(self) -> None:
        self.accounts = NodeAccounts(self.occupancy, self.ledger, self.clock)

    async def until(self, moment: datetime) -> None:
        while self.clock.time < moment:
            await self.accounts.keep()
            self.clock.time = min(moment, self.clock.time + timedelta(minutes=7))
        await self.accounts.keep()

    def money(self, *kinds: Kind) -> Fraction:
        found = [
            pieces.cost(each) for each in self.ledger.kept.values() if each.owner.kind in kinds
        ]
        return sum((amount or Fraction(0) for amount in found), Fraction(0))


async def test_a_price_that_changed_and_came_back_is_charged_for_its_own_time_alone() -> None:
    world = World()
    prices = [(0, Fraction(4)), (1, Fraction(2)), (2, Fraction(4))]
    await world.ledger.record(
        [
            entry(f"pod-1/{n}", owner=JOB.owner, machine=NODE.machine, began=NOON + n * HOUR,
                  ended=NOON + (n + 1) * HOUR, gpus=Fraction(4), usd_per_hour=rate)
            for n, rate in prices
        ]
    )  # fmt: skip
    world.clock.time = NOON + 3 * HOUR + LAG
    await world.accounts.keep()
    assert world.money(Kind.JOB) == 10
    assert world.money(Kind.JOB, Kind.SYSTEM, Kind.IDLE) == 3 * PRICE


async def test_a_node_costs_what_it_costs_with_a_job_that_ended_between_two_looks() -> None:
    world = World()
    world.occupancy.holds["pod-1"] = JOB
    await world.until(NOON + HOUR / 2)
    del world.occupancy.holds["pod-1"]
    parts = [timedelta(minutes=20), timedelta(minutes=5, microseconds=1)]
    ended = NOON + sum(parts, timedelta())
    await world.ledger.record(
        [
            entry(f"pod-1/{n}", owner=JOB.owner, machine=NODE.machine, began=NOON, ended=ended,
                  charged=part, gpus=Fraction(4), usd_per_hour=Fraction(4))
            for n, part in enumerate(parts)
        ]
    )  # fmt: skip
    await world.until(NOON + 3 * HOUR + LAG)
    assert world.money(Kind.JOB, Kind.SYSTEM, Kind.IDLE) == 3 * PRICE
    assert world.money(Kind.SYSTEM) == 3 * PRICE / 16


async def test_an_hour_is_recorded_once_by_operators_that_come_and_go() -> None:
    world = World()
    for minute in range(0, 150, 50):
        await world.until(NOON + timedelta(minutes=minute))
        world.start()
    await world.until(NOON + 2 * HOUR + LAG)
    assert world.money(Kind.SYSTEM, Kind.IDLE) == 2 * PRICE


async def test_an_outage_is_made_up_for_from_what_is_still_there_and_says_so() -> None:
    world = World()
    await world.until(NOON + HOUR + LAG)
    world.clock.advance(72 * 3600)
    world.occupancy.presences.append(
        replace(NODE, machine=Machine("node-b"), uid="uid-b", began=NOON + 50 * HOUR)
    )
    world.start()
    await world.until(NOON + 80 * HOUR + LAG)
    assert world.money(Kind.SYSTEM, Kind.IDLE) == 80 * PRICE + 30 * PRICE
    outage = [e for e in world.ledger.kept.values() if e.price_source.endswith(UNSEEN)]
    assert min(each.began for each in outage) == NOON + HOUR, "the first hour was looked at"
    assert max(each.ended for each in outage) == NOON + 73 * HOUR + LAG


async def test_a_node_that_goes_is_paid_for_until_it_is_missed() -> None:
    world = World()
    await world.until(NOON + HOUR / 2)
    world.occupancy.presences.clear()
    await world.until(NOON + 4 * HOUR)
    spent = world.money(Kind.SYSTEM, Kind.IDLE)
    assert PRICE / 2 <= spent <= PRICE * Fraction(37, 60)


async def test_while_the_store_is_away_nothing_is_lost() -> None:
    world = World()
    await world.until(NOON + HOUR / 2)
    world.ledger.away = True
    for _ in range(5):
        world.clock.advance(3600)
        with pytest.raises(LedgerError):
            await world.accounts.keep()
    world.ledger.away = False
    await world.until(NOON + 7 * HOUR + LAG)
    assert world.money(Kind.SYSTEM, Kind.IDLE) == 7 * PRICE


async def test_the_first_operator_begins_with_the_hour_and_charges_nothing_before() -> None:
    world = World()
    world.ledger.cursors.clear()
    await world.until(NOON + HOUR + LAG)
    assert world.money(Kind.SYSTEM, Kind.IDLE) == 2 * PRICE, "11:00 to 13:00"
