"""Recorded availability of spot, a job that runs on it under a policy, and what was the best.

The rules are those of the published evaluation of Can't Be Late (Wu et al., NSDI 2024): a decision
every 10 minutes, for which spot is there or not; a start, on spot or on demand, makes no progress
for as long as a restart takes, also if it takes longer than a step; a step that is begun is paid;
spot that goes loses nothing of what was done.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import ROOT
from quartermaster.decide.spot.deadline import allowed
from quartermaster.decide.spot.values import Move, Standing, Terms

STEP_S = 600
WORK_S = 48 * 3600
SPOT_USD = 0.9731
ON_DEMAND_USD = 3.06
"""p3.2xlarge, per hour, as the published evaluation has them."""
WINDOW_STEPS = 554
"""Length of a published window [step]."""

Costs = NDArray[np.float64]


class DataError(Exception):
    """The data folder has not got what a run needs; one line says what and where."""


@dataclass(frozen=True, slots=True)
class Window:
    """A piece of one recorded series."""

    series: str
    available: tuple[bool, ...]
    """By step; `True`: spot can be had."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One of the evaluation's settings."""

    deadline_h: float
    restart_s: int
    work_s: int = WORK_S

    @property
    def terms(self) -> Terms:
        """What the policies are told."""
        return Terms(SPOT_USD, ON_DEMAND_USD, self.restart_s, STEP_S, holds=True)

    @property
    def steps(self) -> int:
        """Decisions until the deadline [count]."""
        return round(self.deadline_h * 3600) // STEP_S

    @property
    def start(self) -> Standing:
        """A job that has just come."""
        return Standing(work_s=self.work_s, time_s=self.steps * STEP_S)


SETTINGS = (Setting(52, 180), Setting(52, 720), Setting(70, 180), Setting(70, 720))


class Policy(Protocol):
    """Decides one job."""

    def move(self, standing: Standing) -> Move:
        """What to run on for a step; asked once a step, in order."""
        ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a job went."""

    usd: float
    met: bool
    """Whether it was done by the deadline."""
    starts: int
    """[count]"""


def run(available: Sequence[bool], setting: Setting, policy: Policy, *, guard: bool) -> Outcome:
    """One job on one window.

    Args:
        available: Whether spot is there, by step.
        setting: Deadline and restart.
        policy: What decides.
        guard: Whether a move that could miss the deadline is replaced by on-demand, as the
            published simulator does with any policy.
    """
    terms, standing = setting.terms, setting.start
    usd, starts = 0.0, 0
    for spot in available[: setting.steps]:
        taken = standing.running is Move.SPOT and not spot
        standing = Standing(
            standing.work_s,
            standing.time_s,
            Move.WAIT if taken else standing.running,
            0.0 if taken else standing.starting_s,
            spot=spot,
        )
        move = policy.move(standing)
        if guard and not allowed(move, standing, terms):
            move = Move.ON_DEMAND
        if move is Move.SPOT and not spot:
            raise ValueError("a policy asks for spot that is not there")
        starts += move not in (Move.WAIT, standing.running)
        standing = after(standing, move, terms)
        usd += PRICES[move]
        if standing.work_s <= 0:
            return Outcome(usd, met=True, starts=starts)
    return Outcome(usd, met=False, starts=starts)


PRICES = {
    Move.WAIT: 0.0,
    Move.SPOT: SPOT_USD * STEP_S / 3600,
    Move.ON_DEMAND: ON_DEMAND_USD * STEP_S / 3600,
}
"""Of a step [USD]."""


def after(standing: Standing, move: Move, terms: Terms) -> Standing:
    """A job one step later."""
    time_s = standing.time_s - terms.step_s
    if move is Move.WAIT:
        return Standing(standing.work_s, time_s)
    start = standing.starting_s if move is standing.running else terms.restart_s
    worked = max(0.0, terms.step_s - start)
    return Standing(standing.work_s - worked, time_s, move, max(0.0, start - terms.step_s))


def optimum(available: Sequence[bool], setting: Setting) -> float:
    """The least that the job could have cost, had everything been known before [USD].

    Exact: backward induction over steps, work left in units of the largest time that all are
    multiples of, what runs, and what its start still needs. Infinite where nothing is in time.
    """
    unit = math.gcd(STEP_S, setting.restart_s, setting.work_s)
    step, restart = STEP_S // unit, setting.restart_s // unit
    starts = [0, *range(restart - step, 0, -step)]
    never = np.full(setting.work_s // unit + 1, np.inf)
    idle = never.copy()
    idle[0] = 0.0
    running = {(move, left): idle for move in (Move.SPOT, Move.ON_DEMAND) for left in starts}

    def go(move: Move, left: int) -> Costs:
        future = running[move, max(0, left - step)]
        worked = max(0, step - left)
        shifted = np.concatenate([np.full(worked, future[0]), future])[: len(future)]
        return PRICES[move] + shifted

    for spot in reversed(available[: setting.steps]):
        fresh = go(Move.SPOT, restart) if spot else never
        paused = np.minimum(idle, fresh)
        anew = np.minimum(paused, go(Move.ON_DEMAND, restart))
        before = {}
        for left in starts:
            sure = np.minimum(paused, go(Move.ON_DEMAND, left))
            before[Move.ON_DEMAND, left] = np.minimum(sure, anew)
            before[Move.SPOT, left] = np.minimum(anew, go(Move.SPOT, left)) if spot else anew.copy()
        for costs in (anew, *before.values()):
            costs[0] = 0.0
        idle, running = anew, before
    return float(idle[-1])


def published() -> list[Window]:
    """The windows of the published evaluation that are in the data folder.

    Raises:
        DataError: They are not there.
    """
    path = folder() / "cbl-real-traces/windows.jsonl"
    if not path.is_file():
        raise DataError(f"{path} is not there: set QM_BENCH_DATA to the data folder")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [Window(row["zone"], tuple(c == "1" for c in row["available"])) for row in rows]


def tuning(every_steps: int = 200) -> list[Window]:
    """Windows of other series, of another year: nine zones from February to April 2023.

    Args:
        every_steps: From one window's beginning to the next one's [step]; they overlap.

    Raises:
        DataError: They are not there.
    """
    found = []
    for name, series in recorded().items():
        found += [
            Window(name, series[first : first + WINDOW_STEPS])
            for first in range(0, len(series) - WINDOW_STEPS, every_steps)
        ]
    return found


def recorded() -> dict[str, tuple[bool, ...]]:
    """The series of 2023, whole, by zone and machine; sampled every step.

    Raises:
        DataError: They are not there.
    """
    place = folder() / "spot-traces/availability/1-node/aws-02-15-2023"
    files = sorted(place.glob("*.json"))
    if not files:
        raise DataError(f"{place} has no traces: set QM_BENCH_DATA to the data folder")
    found = {}
    for path in files:
        document = json.loads(path.read_text())
        every, seen = document["metadata"]["gap_seconds"], document["data"]
        steps = len(seen) * every // STEP_S
        found[path.stem] = tuple(seen[step * STEP_S // every] > 0 for step in range(steps))
    return found


def folder() -> Path:
    """The data folder: QM_BENCH_DATA, else ../shared/data beside the checkout."""
    return Path(os.environ.get("QM_BENCH_DATA", ROOT.parent / "shared/data"))
