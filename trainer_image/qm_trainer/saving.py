"""When state is saved, and what all processes know of a step by then."""

import math

from qm_trainer.errors import UserError
from qm_trainer.parallel import processes
from qm_trainer.parallel.heart import Pulse
from qm_trainer.session import Session, report
from qm_trainer.storage import artifacts, checkpoint, snapshots


def heard(session: Session, pulse: Pulse | None) -> bool:
    """Take in what all processes know of a step; answers whether to stop.

    Raises:
        UserError: If the loss is not a number, in every process at the same step.
    """
    if pulse is None:
        return False
    if not math.isfinite(pulse.loss):
        raise UserError(
            f"the loss became {pulse.loss} at step {pulse.step} of {session.total_steps}: lower "
            f"trainer.learningRate (now {session.run.trainer.learning_rate:g}), or look for values "
            "in the data that are not numbers"
        )
    session.loss = pulse.loss
    every = -(-session.total_steps // artifacts.CURVE_LINES)
    if session.out.world.leads and pulse.step % every == 0:
        session.curve.add_loss(pulse.step, session.cursor.epoch, pulse.loss)
    return pulse.stop


def is_due(session: Session) -> bool:
    """Whether the process that leads finds that it is time to save."""
    if not session.out.world.leads:
        return False
    return session.out.clock() >= session.next_save and not session.saver.busy


def ask_to_save(session: Session) -> bool:
    """Whether to tell the other processes that it is time to save: once for each save."""
    asking = not session.asked and is_due(session)
    session.asked = session.asked or asking
    return asking


def save_when_due(session: Session, pulse: Pulse | None) -> None:
    """Begin a checkpoint when its time has come; training goes on while it is written.

    Where the model is split all processes are needed: they save at the step at which all know.

    Raises:
        StorageError: If an earlier save failed.
    """
    session.saver.check()
    due = pulse is not None and pulse.save if session.sharded else is_due(session)
    if not due:
        return
    now = session.out.clock()
    save(session)
    session.asked = False
    stall = session.out.clock() - now
    session.probe.stalled(stall)
    cost = max(stall, session.saver.seconds)
    session.next_save = now + checkpoint.period(
        session.run.checkpoint.period_seconds,
        cost,
        session.out.reporter.mean_between_interruptions_s,
    )


def save(session: Session) -> None:
    """Begin a checkpoint of this very step, and write the curve up to it."""
    heard(session, session.heart.peek())
    leads = session.out.world.leads
    if leads:
        session.curve.flush()
    if session.writer is None:
        return
    world = session.out.world
    parts = snapshots.take(
        session.model,
        session.optimizer,
        leads=leads,
        first=world.rank % world.together == 0,
        onto=session.saver.room(),
    )
    notes = {
        "loss": session.loss,
        "metrics": session.metrics,
        "scaler": session.numbers.state(),
    }
    session.saver.start(
        snapshots.Snapshot(
            session.cursor,
            parts.tensors,
            session.plan.world,
            notes,
            parts.offsets,
            session.writer,
        )
    )


def save_now(session: Session, within_s: float | None = None) -> int:
    """Save this very step and wait until it is on the volume; answers the newest step that is.

    Args:
        session: The session.
        within_s: How long that may take [s], the same in all processes; None: as long as it takes.
            When it is over, what is still being written is given up.
    """
    out = session.out
    began = out.clock()

    def left() -> float | None:
        return None if within_s is None else max(0.0, within_s - (out.clock() - began))

    if out.world.leads:
        report(session, "Saving")
    idle = session.saver.wait(left())
    if all_agree(idle, out.world) and newest(session) != session.cursor.step:
        save(session)
        idle = session.saver.wait(left())
    if not all_agree(idle, out.world):
        session.saver.give_up()
    if out.world.leads:
        report(session, "Saving")
        session.curve.flush()
    return newest(session)


def all_agree(yes: bool, world: processes.World) -> bool:  # noqa: FBT001 - one question
    """Whether all processes say yes."""
    return processes.least(float(yes), world) > 0


def newest(session: Session) -> int:
    """The step of the newest complete checkpoint, as the process that leads knows it; 0: none."""
    saved = session.saver.last
    return processes.agree(0 if saved is None else saved.step, session.out.world)
