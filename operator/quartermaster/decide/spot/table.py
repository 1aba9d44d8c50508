"""What it costs to finish in time from anywhere, by backward induction over the spells of spot.

A state is: the steps until the deadline, the slack, what the job runs on with how much of a start
to come, and whether spot is there with the age of that spell. Slack, not work, is counted, since it
is what is spent: a step of work leaves it as it is, a step of waiting takes a step of it, a start
takes a restart. On-demand that would still be in time is kept possible in every state, whatever
spot does, so that the table never counts on what the guarantee would not allow.

Source: backward induction (Bellman 1957); the decision of Can't Be Late (Wu et al., NSDI 2024),
which has rules in its place.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import ceil, exp, floor, log2, sqrt

import numpy as np
from numpy.typing import NDArray

from quartermaster.decide.spot.spells import Prior, Scales
from quartermaster.decide.spot.values import Move, Standing, Terms

Costs = NDArray[np.float32]

AGES = (1, 2, 4, 8, 24, 96)
"""Ages of spells that are told apart, in steps begun; what has lasted longer is like the last."""
LONGEST = 4
"""The last of them goes up to this many times its beginning [1]."""
UNITS = 10
"""Units of slack in a step [count]."""
MOST_STEPS = 600
"""Steps until the deadline [count]; where there are more, the table's are longer."""
MOST_STARTING = 2
"""Steps that a start may take [count]; where it takes more, the table's are longer."""
MOST_SLACK = 2000
"""Slack [unit]; a job that has more is decided as if it had this."""
NEVER = np.float32(1e7)
"""Cost of what cannot be in time [USD]."""
MOVES = (Move.WAIT, Move.SPOT, Move.ON_DEMAND)
WAIT, SPOT, ON_DEMAND = range(3)


def chances(step_s: float, expected: Scales) -> NDArray[np.float32]:
    """How spells go on from step to step.

    Returns:
        Probabilities [1] of shape (state, next state): first the ages of spells without spot, then
        of those with it. Within an age the mean over those that survive; it is left after as many
        steps as it has, on average.
    """
    count = len(AGES)
    found = np.zeros((2 * count, 2 * count))
    edges = (*AGES, LONGEST * AGES[-1])
    for up in (False, True):
        alive = [exp(-sqrt(age * step_s / expected.of(up=up))) for age in range(edges[-1])]
        for index, (first, after) in enumerate(pairwise(edges)):
            here = up * count + index
            ends = (alive[first - 1] - alive[after - 1]) / max(
                sum(alive[first - 1 : after - 1]), 1e-300
            )
            older = 0.0 if index == count - 1 else (1 - ends) / (after - first)
            found[here, (not up) * count] = ends
            found[here, min(here + 1, up * count + count - 1)] += older
            found[here, here] += 1 - ends - older
    return found.astype(np.float32)


@dataclass(frozen=True, slots=True)
class Table:
    """The best move of each state, for one job."""

    step_s: float
    """A step of the table [s]."""
    starts: tuple[int, ...]
    """What a start may have left at a decision [unit], ascending from 0."""
    moves: NDArray[np.int8]
    """Index into `MOVES`, of shape (steps until the deadline, run, spell, unit of slack)."""
    first: int = 0
    """Steps until the deadline that the first row of `moves` is for [count]."""

    def move(self, standing: Standing, age_s: float) -> Move:
        """The cheapest move. Time and slack are rounded down: the job is in no worse state.

        Args:
            standing: Where the job stands.
            age_s: How long spot has been there or away [s].
        """
        unit = self.step_s / UNITS
        last = self.first + len(self.moves) - 1
        steps = max(self.first, min(floor(standing.time_s / self.step_s + 1e-9), last))
        slack = floor((steps * self.step_s - standing.work_s) / unit + 1e-9)
        slack = max(0, min(slack, self.moves.shape[3] - 1))
        age = floor(age_s / self.step_s + 1e-9) + 1
        spell = sum(first <= age for first in AGES) - 1 + len(AGES) * standing.spot
        return MOVES[self.moves[steps - self.first, self._run(standing), spell, slack]]

    def _run(self, standing: Standing) -> int:
        if standing.running is Move.WAIT:
            return 0
        left = ceil(standing.starting_s * UNITS / self.step_s - 1e-9)
        level = next((i for i, start in enumerate(self.starts) if start >= left), -1)
        level = level if level >= 0 else len(self.starts) - 1
        return 1 + level + len(self.starts) * (standing.running is Move.ON_DEMAND)


def table_step_s(terms: Terms, standing: Standing) -> float:
    """A step of the table for a job [s]."""
    return max(terms.step_s, standing.time_s / MOST_STEPS, terms.restart_s / MOST_STARTING)


def solve(terms: Terms, expected: Scales, standing: Standing, rows: int | None = None) -> Table:
    """The table for what is left of a job.

    Args:
        terms: Prices, restart and the time between decisions.
        expected: How long spells last.
        standing: The job now; the table holds for it and for all that it may come to.
        rows: Steps from now on that are kept [count]: a whole table can take 70 MiB; None keeps
            all.
    """
    return _Solver(terms, expected, table_step_s(terms, standing)).table(standing, rows)


class _Solver:
    """One backward induction."""

    def __init__(self, terms: Terms, expected: Scales, step_s: float) -> None:
        self.step_s = step_s
        self.holds = terms.holds
        self.restart = ceil(terms.restart_s * UNITS / step_s - 1e-9)
        left = range(self.restart - UNITS, 0, -UNITS)
        self.starts = (0, *reversed(left))
        self.spot_usd = np.float32(terms.spot_usd_per_hour * step_s / 3600)
        self.on_demand_usd = np.float32(terms.on_demand_usd_per_hour * step_s / 3600)
        self.chances = chances(step_s, expected)

    def table(self, standing: Standing, rows: int | None) -> Table:
        steps = max(0, floor(standing.time_s / self.step_s + 1e-9))
        most = max(0, min(MOST_SLACK, floor(standing.slack_s * UNITS / self.step_s + 1e-9)))
        runs, spells = 1 + 2 * len(self.starts), len(self.chances)
        costs = np.zeros((runs, spells, most + 1), dtype=np.float32)
        first = 0 if rows is None else max(0, steps + 1 - rows)
        moves = np.zeros((steps + 1 - first, runs, spells, most + 1), dtype=np.int8)
        unkept = np.zeros_like(moves[0])
        for left in range(1, steps + 1):
            costs = self._step(left, costs, moves[left - first] if left >= first else unkept)
        return Table(step_s=self.step_s, starts=self.starts, moves=moves, first=first)

    def _step(self, left: int, costs: Costs, moves: NDArray[np.int8]) -> Costs:
        """Costs with one step more until the deadline, and the moves that have them.

        Where slack is all the time that there is, the work is done and costs nothing more.
        """
        levels = len(self.starts)
        done = np.arange(costs.shape[2]) >= left * UNITS
        future: Costs = np.matmul(self.chances, costs)
        away = np.arange(len(self.chances)) < len(AGES)

        def after(run: int, worked: int) -> Costs:
            return _spent(future[run], UNITS - worked)

        wait = self._kept(after(0, 0), left, 0)
        found = np.empty_like(costs)
        for run in range(len(costs)):
            spot_start = self._start(run if 1 <= run <= levels else None, 1)
            sure_start = self._start(run if run > levels else None, 1 + levels)
            spot = self.spot_usd + after(1 + spot_start[1], spot_start[0])
            spot = self._kept(spot, left, spot_start[0] if self.holds else 0)
            spot[away] = NEVER
            sure = self.on_demand_usd + after(1 + levels + sure_start[1], sure_start[0])
            options = np.minimum(np.stack([wait, spot, sure]), NEVER)
            options[:, :, done] = 0
            # Of equal costs the last: what is bought for sure.
            moves[run] = 2 - np.argmin(options[::-1], axis=0)
            found[run] = options.min(axis=0)
        found[1 : 1 + levels, away] = found[0, away]
        return found

    def _start(self, run: int | None, first: int) -> tuple[int, int]:
        """Work of a step [unit] and the level of the start left after it; None: it starts now."""
        left = self.restart if run is None else self.starts[run - first]
        worked = max(0, UNITS - left)
        return worked, self.starts.index(max(0, left - UNITS))

    def _kept(self, costs: Costs, left: int, worked: int) -> Costs:
        """Costs, where a start on demand afterwards is still in time, or the work is done."""
        after = np.arange(costs.shape[1]) - (UNITS - worked)
        lost = (after < self.restart) & (after < (left - 1) * UNITS)
        costs[:, lost] = NEVER
        return costs


def _spent(costs: Costs, units: int) -> Costs:
    """Costs by the slack before so much of it is spent."""
    if units <= 0:
        return costs.copy()
    found = np.full_like(costs, NEVER)
    found[:, units:] = costs[:, :-units]
    return found


class Tables:
    """The tables of one job, kept by what is expected of spot, to a factor of two.

    The costs are flat in it: a table for every guess would be the same moves again.
    """

    def __init__(
        self, terms: Terms, standing: Standing, prior: Prior, rows: int | None = None
    ) -> None:
        self.terms = terms
        self.prior = prior
        self._standing = standing
        self._rows = rows
        self._kept: dict[tuple[int, int], Table] = {}

    def holds_for(self, standing: Standing) -> bool:
        """Whether what is kept of the tables reaches that far, and the job has no more slack."""
        if standing.slack_s > 1.05 * self._standing.slack_s + self.terms.step_s:
            return False
        if self._rows is None:
            return True
        reach = (self._rows - 1) * table_step_s(self.terms, self._standing)
        return standing.time_s > self._standing.time_s - reach

    def of(self, expected: Scales) -> Table:
        """The table for what is expected."""
        key = (
            _octave(expected.up_s / self.prior.up_s),
            _octave(expected.down_s / self.prior.down_s),
        )
        if key not in self._kept:
            rounded = Scales(self.prior.up_s * 2.0 ** key[0], self.prior.down_s * 2.0 ** key[1])
            self._kept[key] = solve(self.terms, rounded, self._standing, self._rows)
        return self._kept[key]


def _octave(ratio: float) -> int:
    return max(-3, min(3, round(log2(ratio))))
