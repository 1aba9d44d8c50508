"""What one run works with, where it is, and how it tells people and the operator."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import torch
from torch import nn

from qm_trainer import console, precision
from qm_trainer.config import Run
from qm_trainer.console import Pace
from qm_trainer.data import sources
from qm_trainer.data.order import Cursor, Plan
from qm_trainer.data.supply import Supply
from qm_trainer.parallel.heart import Heart
from qm_trainer.parallel.processes import World
from qm_trainer.profile.probe import Probe
from qm_trainer.progress import Reporter
from qm_trainer.storage import artifacts, checkpoint
from qm_trainer.storage.places import Mirror
from qm_trainer.storage.snapshots import Writer

DEFAULT_GRACE_S = 30.0
"""From SIGTERM to SIGKILL, where nobody says otherwise [s]: what Kubernetes gives a pod."""
SAY_S = 2.0
"""Between two progress lines, and two reports [s]."""

_log = logging.getLogger("qm_trainer")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The world outside: everything that is not a function of the configuration."""

    run_dir: Path
    world: World
    reporter: Reporter
    now: Callable[[], datetime]
    clock: Callable[[], float]
    """Seconds of no particular origin [s]."""
    stop: Callable[[], bool]
    """Whether this process was told to stop."""
    grace_left: Callable[[], float] = lambda: DEFAULT_GRACE_S
    """Until this process is ended by force, if it was told to stop, or is told now [s]."""
    ready: Callable[[], None] = lambda: None
    """Called when there is state worth saving: from then on a stop is answered by a save."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables, of which those that begin with AWS_ say how to reach a bucket."""
    profiling: bool = True
    """Whether the process that leads measures what a step is made of."""


@dataclass
class Session:
    """What training works with, and where it is."""

    run: Run
    out: Surroundings
    data: sources.Data
    supply: Supply
    """The training data's batches, in the order of the steps."""
    model: nn.Module
    objective: nn.Module
    engine: nn.Module
    """The objective as all processes train it together."""
    optimizer: torch.optim.Optimizer
    numbers: precision.Choice
    sharded: bool
    """Whether the model is split over processes, so that all of them write a checkpoint."""
    plan: Plan
    folder: checkpoint.Folder
    saver: checkpoint.Saver
    mirror: Mirror
    curve: artifacts.Curve
    heart: Heart
    probe: Probe
    pace: Pace
    cursor: Cursor = field(default_factory=Cursor)
    total_steps: int = 0
    resumed_from: int | None = None
    stepped: bool = False
    """Whether a step was completed in this life."""
    next_save: float = 0.0
    asked: bool = False
    """Whether the other processes were told that it is time to save, and have not done so yet."""
    next_say: float = 0.0
    loss: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def writer(self) -> Writer | None:
        """Which part of a checkpoint this process writes; None: it writes none."""
        world = self.out.world
        if self.sharded:
            return Writer(world.rank, world.size)
        return Writer() if world.leads else None


def say_when_due(session: Session) -> None:
    """One progress line and one report in two seconds."""
    pace, now = session.pace, session.out.clock()
    if now < session.next_say:
        return
    session.next_say = now + SAY_S
    pace.close(now)
    _log.info(
        "step %d/%d  epoch %d/%d  loss %s  %s samples/s  %s left",
        session.cursor.step,
        session.total_steps,
        session.cursor.epoch + 1,
        session.plan.epochs,
        console.number(session.loss),
        console.number(pace.samples_per_second),
        console.duration(pace.remaining(session.total_steps - session.cursor.step)),
    )
    report(session, "Training")


def report(session: Session, state: str, model: str | None = None) -> None:
    """Tell the operator how far this is."""
    pace, saved = session.pace, session.saver.last
    session.out.reporter.report(
        state=state,
        step=session.cursor.step,
        total_steps=session.total_steps,
        epoch=session.cursor.epoch,
        loss=session.loss,
        samples_per_second=pace.samples_per_second,
        step_seconds=pace.step_seconds,
        seconds_remaining=pace.remaining(session.total_steps - session.cursor.step),
        metrics=session.metrics,
        checkpoint=None if saved is None else {"step": saved.step, "time": saved.time},
        model=model,
        profile=session.probe.told(),
    )
