"""What a job with a deadline costs on spot, under our policy, under others, and at best.

    PYTHONPATH=operator:. python -m benchmarks.spot_deadline

The windows, the prices and the four settings are those of the published evaluation of Can't Be Late
(NSDI 2024). Every policy decides every window in the same simulator; the best is found exactly,
with the whole window known.
"""

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from rich.console import Console

from benchmarks import spot_traces
from benchmarks.machine import RESULTS
from benchmarks.peers.cant_be_late import Greedy, OnDemand, UniformProgress
from benchmarks.spot_results import Run, describe, document, verdict
from benchmarks.spot_traces import STEP_S, Outcome, Policy, Setting, Window
from quartermaster.decide.spot.deadline import choose
from quartermaster.decide.spot.spells import Prior, Spells
from quartermaster.decide.spot.table import Tables
from quartermaster.decide.spot.values import Move, Standing

RESULT = RESULTS / "spot_deadline.md"
SCALES = ((1500.0, 3000.0, 6000.0), (1800.0, 3600.0, 7200.0))
"""Those that `--tune` tries: of spells with spot, and without [s]."""
WEIGHTS = (8.0, 20.0, 50.0, 1e9)
"""Firmness of the prior that `--tune` tries [count]."""


@dataclass
class Ours:
    """Our policy for one job; tables are shared by jobs of one setting."""

    tables: Tables
    seen: Spells | None = field(default=None, init=False)

    def move(self, standing: Standing) -> Move:
        """What `decide/spot` chooses after one more look at spot."""
        spot = standing.spot
        self.seen = Spells(up=spot) if self.seen is None else self.seen.then(STEP_S, up=spot)
        return choose(standing, self.seen, self.tables).move


@dataclass(frozen=True)
class Contender:
    """A policy, and how it is asked."""

    title: str
    make: Callable[[Setting], Callable[[], Policy]]
    """By setting: what makes a policy for one job."""
    guard: bool = True
    """Whether the simulator keeps it from missing the deadline."""


def ours(setting: Setting, prior: Prior) -> Callable[[], Policy]:
    """Our policy, for jobs of one setting."""
    tables = Tables(setting.terms, setting.start, prior)
    return lambda: Ours(tables)


CONTENDERS = {
    "on-demand": Contender("on-demand only", lambda _: OnDemand),
    "greedy": Contender("greedy (peer)", lambda it: lambda: Greedy(it.terms)),
    "uniform": Contender(
        "Uniform Progress (peer)", lambda it: lambda: UniformProgress(it.terms, it.start)
    ),
    "ours": Contender("Quartermaster", lambda it: ours(it, Prior()), guard=False),
}


def measure(
    windows: Sequence[Window], setting: Setting, make: Callable[[], Policy], *, guard: bool
) -> list[Outcome]:
    """One policy on all windows."""
    return [spot_traces.run(it.available, setting, make(), guard=guard) for it in windows]


def run_all(windows: Sequence[Window], say: Callable[[str], None]) -> Run:
    """Every policy in every setting on these windows, and the best of each."""
    outcomes: dict[tuple[str, Setting], list[Outcome]] = {}
    best: dict[Setting, list[float]] = {}
    for setting in spot_traces.SETTINGS:
        say(f"{describe(setting)}: the best")
        best[setting] = [spot_traces.optimum(window.available, setting) for window in windows]
        for name, one in CONTENDERS.items():
            say(f"{describe(setting)}: {one.title}")
            outcomes[name, setting] = measure(windows, setting, one.make(setting), guard=one.guard)
    titles = {name: one.title for name, one in CONTENDERS.items()}
    return Run(windows, titles, outcomes, best)


def tune(windows: Sequence[Window], console: Console) -> None:
    """Our mean cost over the best for the priors of the grid, on the tuning traces."""
    grid = [Prior(up, down) for up, down in itertools.product(*SCALES)]
    grid += [Prior(weight=weight) for weight in WEIGHTS]
    settings = spot_traces.SETTINGS
    best = {
        setting: fmean(spot_traces.optimum(it.available, setting) for it in windows)
        for setting in settings
    }
    for prior in grid:
        found = []
        for setting in settings:
            outcomes = measure(windows, setting, ours(setting, prior), guard=False)
            found.append(fmean(it.usd for it in outcomes) / best[setting])
        ratios = "  ".join(f"{ratio:.4f}" for ratio in found)
        console.print(
            f"up {prior.up_s:.0f} s, down {prior.down_s:.0f} s, weight {prior.weight:.0f}: {ratios}"
            f"  mean {fmean(found):.4f}",
            soft_wrap=True,
        )


def arguments(argv: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.spot_deadline", description="Cost of jobs with deadlines on spot."
    )
    parser.add_argument("--tune", action="store_true", help="print the grid of priors, on 2023")
    parser.add_argument(
        "--no-document", action="store_true", help="print only, leave benchmarks/results alone"
    )
    return parser.parse_args(argv)


def main(argv: Sequence[str]) -> int:
    """Run what was asked for, and write the document."""
    options = arguments(argv)
    console = Console()
    try:
        held_out, tuned_on = spot_traces.published(), spot_traces.tuning()
    except spot_traces.DataError as error:
        print(error, file=sys.stderr)
        return 2
    if options.tune:
        tune(tuned_on, console)
        return 0
    with console.status("reading") as status:
        run, tuned = run_all(held_out, status.update), run_all(tuned_on, status.update)
    command = " ".join(["PYTHONPATH=operator:. python -m benchmarks.spot_deadline", *argv])
    text = document(run, tuned, command)
    if options.no_document:
        console.print(text, markup=False)
    else:
        RESULT.write_text(text)
        console.print("\n".join([*verdict(run), f"written: {RESULT}"]), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
