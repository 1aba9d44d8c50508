"""No deadline is missed whatever spot does; the table is the best there is, and the optimum too."""

import itertools
from dataclasses import replace
from functools import cache
from random import Random

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks import spot_traces
from benchmarks.peers.cant_be_late import Greedy, OnDemand, UniformProgress
from benchmarks.spot_deadline import Ours
from benchmarks.spot_traces import PRICES, STEP_S, Setting, after
from quartermaster.decide.spot.deadline import allowed, choose, spare_s
from quartermaster.decide.spot.spells import Prior, Scales, Spells
from quartermaster.decide.spot.table import AGES, UNITS, Tables, chances, solve
from quartermaster.decide.spot.values import Move, Standing, Terms

law = settings(max_examples=60, deadline=None)
STEP = 600.0
SHARES = st.sampled_from([0.0, 0.1, 0.3, 0.5, 1.0, 1.2, 2.0])
PRICED = st.sampled_from([0.2, 0.6, 1.0, 1.4])


def outcomes(standing: Standing, move: Move, terms: Terms) -> list[Standing]:
    """What may have become of a job a step later: nothing done too, where spot does not hold."""
    found = [after(standing, move, terms)]
    if move is Move.SPOT and not terms.holds:
        found.append(Standing(standing.work_s, standing.time_s - terms.step_s))
    return found


def safe(standing: Standing, terms: Terms) -> bool:
    """Whether the deadline is met whichever allowed moves are made, and whatever spot does."""
    if standing.work_s <= 0:
        return True
    if spare_s(standing, terms) < 0:
        return False
    return all(
        safe(later, terms)
        for move in Move
        if allowed(move, standing, terms)
        for after_step in outcomes(standing, move, terms)
        for later in observed(after_step)
    )


def observed(standing: Standing) -> list[Standing]:
    """A job when it is decided next, with spot there and with spot away."""
    if standing.running is Move.SPOT:
        return [replace(standing, spot=True), Standing(standing.work_s, standing.time_s)]
    return [replace(standing, spot=True), standing]


@law
@given(st.integers(1, 30), st.integers(1, 5), SHARES, st.booleans())
def test_every_move_that_is_allowed_leaves_on_demand_in_time(
    tenths: int, steps: int, restart: float, holds: bool
) -> None:
    terms = Terms(0.3, 1.0, restart * STEP, STEP, holds=holds)
    standing = Standing(work_s=tenths * STEP / 10, time_s=steps * STEP)
    assume(spare_s(standing, terms) >= 0)
    assert all(safe(one, terms) for one in observed(standing))


def in_time(standing: Standing, seen: Spells, tables: Tables) -> bool:
    """Whether the deadline is met on every path: spot comes and goes as an adversary has it."""
    if standing.work_s <= 0:
        return True
    if standing.time_s <= 0:
        return False
    terms = tables.terms
    move = choose(standing, seen, tables).move
    return all(
        in_time(later, seen.then(terms.step_s, up=later.spot), tables)
        for after_step in outcomes(standing, move, terms)
        for later in observed(after_step)
    )


@law
@given(
    st.integers(1, 40), st.integers(1, 7), SHARES, PRICED, st.booleans(), st.booleans(),
)  # fmt: skip
def test_no_adversary_makes_it_miss_a_deadline_that_on_demand_meets(
    tenths: int, steps: int, restart: float, price: float, holds: bool, up: bool
) -> None:
    """Every way in which spot can come and go over up to seven steps, and take its work along."""
    terms = Terms(price, 1.0, restart * STEP, STEP, holds=holds)
    standing = Standing(work_s=tenths * STEP / 10, time_s=steps * STEP, spot=up)
    assume(standing.work_s + terms.restart_s <= standing.time_s)
    assert in_time(standing, Spells(up=up), Tables(terms, standing, Prior()))


@law
@given(st.integers(0, 2**32 - 1))
def test_decisions_that_come_early_or_at_odd_times_miss_none_either(seed: int) -> None:
    """Spot goes between decisions with all that it did since; steps are shorter than agreed."""
    random = Random(seed)
    terms = Terms(random.uniform(0.2, 1.2), 1.0, random.uniform(0, 900), random.uniform(150, 900))
    work = random.uniform(300, 4000)
    spare = random.uniform(0, 4000)
    standing = Standing(work, work + terms.restart_s + spare, spot=random.random() < 0.5)
    tables, seen = Tables(terms, standing, Prior()), Spells(up=standing.spot)
    flips = random.random()
    while standing.work_s > 1e-6:
        assert standing.time_s > 0
        move = choose(standing, seen, tables).move
        elapsed = terms.step_s * random.choice([1.0, 1.0, random.random()])
        up = standing.spot ^ (random.random() < flips)
        start = standing.starting_s if move is standing.running else terms.restart_s
        taken = move is Move.SPOT and random.random() < flips
        work = 0.0 if taken or move is Move.WAIT else max(0.0, elapsed - start)
        standing = Standing(
            standing.work_s - work,
            standing.time_s - elapsed if standing.work_s > work else standing.time_s,
            Move.WAIT if taken or (move is Move.SPOT and not up) else move,
            0.0 if taken or move is Move.WAIT else max(0.0, start - elapsed),
            spot=up,
        )
        seen = seen.then(elapsed, up=up)


@law
@given(st.integers(0, 2**32 - 1))
def test_a_table_has_the_least_expected_cost_of_all_that_is_allowed(seed: int) -> None:
    """Beside a search over all moves of a few steps, by work in place of slack."""
    random = Random(seed)
    steps, work = random.randint(1, 5), random.randint(1, 40)
    restart = random.choice([0, 3, 10, 12])
    assume(work + restart <= steps * UNITS)
    spot_usd, holds = random.choice([0.2, 0.5, 0.9]), random.random() < 0.5
    terms = Terms(spot_usd, 1.0, restart * STEP / UNITS, STEP, holds=holds)
    expected = Scales(random.uniform(300, 9000), random.uniform(300, 9000))
    standing = Standing(work * STEP / UNITS, steps * STEP)
    table, after_spell = solve(terms, expected, standing), chances(STEP, expected)

    @cache
    def best(left: int, todo: int, run: Move, starting: int, spell: int) -> dict[Move, float]:
        """Expected cost by move; without those that on-demand could not follow in time."""
        if todo <= 0:
            return {Move.WAIT: 0.0}
        if left == 0:
            return {}
        found = {}
        for move in Move:
            if move is Move.SPOT and spell < len(AGES):
                continue
            start = starting if move is run else restart
            worked = 0 if move is Move.WAIT else max(0, UNITS - start)
            sure = worked if move is Move.SPOT and holds else 0
            late = todo - sure > 0 and todo - sure + restart > (left - 1) * UNITS
            if move is not Move.ON_DEMAND and late:
                continue
            price = {Move.WAIT: 0.0, Move.SPOT: spot_usd, Move.ON_DEMAND: 1.0}[move] * STEP / 3600
            total = price
            for later in np.flatnonzero(after_spell[spell]):
                gone = move is Move.SPOT and later < len(AGES)
                kept = Move.WAIT if gone else move
                rest = 0 if kept is Move.WAIT else max(0, start - UNITS)
                options = best(left - 1, todo - worked, kept, rest, int(later))
                cost = min(options.values(), default=1e9)
                total += float(after_spell[spell, later]) * cost
            found[move] = total
        return found

    for spell in (0, len(AGES)):
        now = replace(standing, spot=spell > 0)
        options = best(steps, work, Move.WAIT, 0, spell)
        assert options[table.move(now, 0)] <= min(options.values()) + 1e-4


def cheapest(available: tuple[bool, ...], setting: Setting) -> float:
    """By trying every sequence of moves [USD]; infinite where none is in time."""
    best = float("inf")
    for moves in itertools.product(Move, repeat=len(available)):
        standing, usd = setting.start, 0.0
        for spot, move in zip(available, moves, strict=True):
            if move is Move.SPOT and not spot:
                break
            if standing.running is Move.SPOT and not spot:
                standing = replace(standing, running=Move.WAIT, starting_s=0.0)
            standing, usd = after(standing, move, setting.terms), usd + PRICES[move]
            if standing.work_s <= 0:
                best = min(best, usd)
                break
    return best


@law
@given(
    st.lists(st.booleans(), min_size=1, max_size=7),
    st.integers(1, 70),
    st.sampled_from([0, 180, 600, 720, 1500]),
)
def test_the_optimum_is_what_an_exhaustive_search_finds(
    available: list[bool], minutes: int, restart_s: int
) -> None:
    setting = Setting(len(available) / 6, restart_s, work_s=60 * minutes)
    found = spot_traces.optimum(available, setting)
    assert np.isclose(found, cheapest(tuple(available), setting), rtol=1e-12)


@law
@given(st.integers(0, 2**32 - 1))
def test_nobody_costs_less_than_the_optimum_and_all_are_in_time(seed: int) -> None:
    random = Random(seed)
    setting = Setting(random.randint(6, 20), random.choice([180, 720]), work_s=5 * 3600)
    up, available = random.random() < 0.5, []
    for _ in range(setting.steps):
        up ^= random.random() < 0.2
        available.append(up)
    best = spot_traces.optimum(available, setting)
    tables = Tables(setting.terms, setting.start, Prior())
    for policy in (Ours(tables), Greedy(setting.terms), OnDemand()):
        found = spot_traces.run(available, setting, policy, guard=not isinstance(policy, Ours))
        assert found.met
        assert found.usd >= best - 1e-9
    uniform = UniformProgress(setting.terms, setting.start)
    assert spot_traces.run(available, setting, uniform, guard=True).met


def test_a_simulated_job_costs_what_is_counted_by_hand() -> None:
    """Four steps on demand of which the first makes 7 of 10 minutes; STEP_S are 10 minutes."""
    setting = Setting(2, 180, work_s=37 * 60)
    found = spot_traces.run([False] * 12, setting, OnDemand(), guard=False)
    assert found == spot_traces.Outcome(4 * 3.06 * STEP_S / 3600, met=True, starts=1)
