"""What a job with a deadline runs on, and why; how long spot is expected to last."""

from math import exp, sqrt

import numpy as np
import pytest

from quartermaster.decide.spot.deadline import allowed, choose
from quartermaster.decide.spot.spells import Prior, Scales, Spells, ending, scales
from quartermaster.decide.spot.table import AGES, MOST_STEPS, Tables, chances, solve
from quartermaster.decide.spot.values import Choice, Move, Standing, Terms

HOUR = 3600.0
TERMS = Terms(1.0, 3.0, restart_s=600, step_s=600)
HELD = Terms(1.0, 3.0, restart_s=600, step_s=600, holds=True)


def chosen(standing: Standing, seen: Spells | None = None, terms: Terms = TERMS) -> Choice:
    tables = Tables(terms, standing, Prior())
    return choose(standing, seen or Spells(up=standing.spot), tables)


def test_spot_that_is_there_is_taken_while_there_is_slack() -> None:
    found = chosen(Standing(10 * HOUR, 20 * HOUR, spot=True))
    assert found == Choice(
        Move.SPOT, "spot at 1.00 USD/h beside 3.00, 10h00m of slack, spells of 1h40m"
    )


def test_without_spot_slack_is_waited_in() -> None:
    found = chosen(Standing(10 * HOUR, 40 * HOUR))
    assert found == Choice(Move.WAIT, "no spot for 2h00m as a rule, and 1d06h of slack to wait in")


def test_with_no_more_slack_than_a_restart_it_is_on_demand_whatever_there_is() -> None:
    found = chosen(Standing(10 * HOUR, 10 * HOUR + 600, spot=True))
    assert found.move is Move.ON_DEMAND
    assert found.reason == (
        "10m00s of slack is what a restart of 10m00s needs: on-demand, or the deadline is at risk"
    )


def test_a_deadline_that_is_lost_is_told_with_how_much_is_missing() -> None:
    found = chosen(Standing(10 * HOUR, 10 * HOUR))
    assert found == Choice(
        Move.ON_DEMAND, "the deadline will be missed by 10m00s: on-demand, at once"
    )


def test_spot_that_runs_is_kept_where_a_start_on_demand_would_be_late() -> None:
    running = Standing(HOUR, HOUR, Move.SPOT, spot=True)
    assert chosen(running).move is Move.SPOT


def test_on_demand_that_runs_is_in_time_with_what_its_start_still_needs() -> None:
    running = Standing(HOUR, HOUR + 300, Move.ON_DEMAND, starting_s=300, spot=True)
    assert chosen(running).move is Move.ON_DEMAND
    assert "missed" not in chosen(running).reason


def test_work_that_is_done_holds_nothing() -> None:
    assert chosen(Standing(0, HOUR, Move.SPOT, spot=True)).move is Move.WAIT


def test_spot_that_is_dearer_is_never_taken() -> None:
    dear = Terms(3.0, 3.0, restart_s=600, step_s=600)
    for slack in (1, 4, 16, 64):
        standing = Standing(10 * HOUR, (10 + slack) * HOUR, spot=True)
        assert chosen(standing, terms=dear).move is not Move.SPOT


def test_a_restart_that_is_longer_than_spells_keeps_a_job_on_demand() -> None:
    """It runs already, and spot comes for ten minutes at a time."""
    flighty = Spells(up=True, ended_up=500, roots_up=500 * sqrt(600), ended_down=500)
    standing = Standing(10 * HOUR, 14 * HOUR, Move.ON_DEMAND, spot=True)
    steady = Spells(up=True, age_s=48 * HOUR)
    terms = Terms(1.0, 3.0, restart_s=1800, step_s=600, holds=True)
    assert chosen(standing, flighty, terms).move is Move.ON_DEMAND
    assert chosen(standing, steady, terms).move is Move.SPOT


def test_spot_that_may_go_within_a_step_needs_the_step_as_slack() -> None:
    standing = Standing(10 * HOUR, 10 * HOUR + 1190, Move.SPOT, spot=True)
    assert allowed(Move.SPOT, standing, HELD)
    assert not allowed(Move.SPOT, standing, TERMS)
    assert allowed(Move.ON_DEMAND, standing, TERMS)
    assert not allowed(Move.WAIT, standing, HELD)


def test_spot_that_is_away_is_not_allowed() -> None:
    assert not allowed(Move.SPOT, Standing(HOUR, 9 * HOUR), HELD)


def test_spells_are_counted_as_they_end() -> None:
    seen = Spells(up=True)
    for elapsed, up in ((600, True), (600, False), (300, False), (600, True)):
        seen = seen.then(elapsed, up=up)
    assert seen == Spells(
        up=True, ended_up=1, ended_down=1, roots_up=sqrt(1200), roots_down=sqrt(900)
    )


def test_what_is_expected_moves_from_the_prior_to_what_was_seen() -> None:
    prior = Prior(up_s=3600, down_s=3600, weight=2)
    assert scales(Spells(up=True), prior) == Scales(3600, 3600)
    seen = Spells(up=False, age_s=400, ended_up=3, roots_up=3 * 30.0, ended_down=2, roots_down=60.0)
    assert scales(seen, prior) == Scales(((120 + 90) / 5) ** 2, ((120 + 60 + 20) / 4) ** 2)


def test_what_has_lasted_is_likely_to_last() -> None:
    chance = [ending(age, 600, 3000) for age in (0, 600, 3600, 36_000)]
    assert chance[0] == pytest.approx(1 - exp(-sqrt(0.2)))
    assert chance == sorted(chance, reverse=True)


def test_spells_of_a_table_end_as_the_distribution_has_it() -> None:
    """By step: the share of a thousand spells that are still there, beside the survival."""
    expected = Scales(up_s=3000, down_s=3600)
    after = chances(600, expected)
    assert np.allclose(after.sum(axis=1), 1)
    assert after[0, len(AGES)] == pytest.approx(ending(0, 600, 3600), rel=1e-5)
    alive = np.zeros(len(AGES))
    alive[0] = 1.0
    within = after[len(AGES) :, len(AGES) :]
    for step in range(1, 60):
        alive = alive @ within
        assert alive.sum() == pytest.approx(exp(-sqrt(step * 600 / 3000)), abs=0.04)


def test_a_long_time_is_decided_in_longer_steps() -> None:
    standing = Standing(24 * HOUR, 1000 * HOUR)
    table = solve(Terms(1.0, 3.0, restart_s=60, step_s=60), Scales(3000, 3600), standing)
    assert len(table.moves) == MOST_STEPS + 1
    assert table.move(standing, 0) is Move.WAIT


def test_tables_are_kept_to_a_factor_of_two() -> None:
    tables = Tables(TERMS, Standing(HOUR, 2 * HOUR), Prior())
    assert tables.of(Scales(3000, 3600)) is tables.of(Scales(3500, 3000))
    assert tables.of(Scales(3000, 3600)) is not tables.of(Scales(6000, 3600))
