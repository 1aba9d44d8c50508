"""The training loop, top to bottom: open, build, resume, step, evaluate, save, leave.

`train` is the whole story; what it calls follows in the order of the telling.
"""

import logging
from dataclasses import replace
from functools import partial
from pathlib import Path
from time import monotonic

import torch
from torch import Tensor, nn

from qm_trainer import console, errors, factory, optim, precision
from qm_trainer.config import Run
from qm_trainer.console import Pace
from qm_trainer.data import order, sources
from qm_trainer.data.order import Cursor, Plan, Share
from qm_trainer.data.supply import Supply
from qm_trainer.data.tuning import Tuner
from qm_trainer.errors import ConfigError, Interrupted, PeerLost, StorageError, TrainerError
from qm_trainer.launch import cgroup
from qm_trainer.parallel import processes, recomputation, sharding, strategy
from qm_trainer.parallel.heart import Heart, Pulse
from qm_trainer.profile.probe import Probe, Setting
from qm_trainer.profile.timing import Mark
from qm_trainer.saving import ask_to_save, heard, save_now, save_when_due
from qm_trainer.session import SAY_S, Session, Surroundings, report, say_when_due
from qm_trainer.storage import artifacts, checkpoint, snapshots, volume
from qm_trainer.storage.places import CHECKPOINTS, place
from qm_trainer.storage.shards import Damaged

LEAVING_S = 3.0
"""What a process needs between its last save and its end [s]."""

_log = logging.getLogger("qm_trainer")


def train(run: Run, out: Surroundings) -> artifacts.Summary:
    """Train as `run` says and leave the artifacts in `out.run_dir`.

    Raises:
        TrainerError: However training ends early; its class says what that means.
    """
    out.reporter.report(state="Starting")
    session = prepare(run, out)
    resume(session)
    out.ready()
    try:
        while session.cursor.epoch < session.plan.epochs:
            rank = session.out.world.data_rank
            for share in session.supply.shares(session.plan, session.cursor, rank):
                advance(session, share)
            stopping = heard(session, session.heart.take())
            session.cursor = Cursor(session.cursor.step, session.cursor.epoch + 1, 0)
            if stopping:
                stop(session)
            evaluate(session)
        return finish(session)
    except TrainerError:
        raise
    except Exception as error:
        raise explained(session, error) from error
    finally:
        session.supply.close()
        # A checkpoint that is being written is worth waiting for, however the run ends.
        session.saver.settle()


def prepare(run: Run, out: Surroundings) -> Session:
    """Open the data, build the model, wrap it."""
    world, trainer = out.world, run.trainer
    if world.leads:
        volume.claim(out.run_dir)
    data = sources.open_data(run.dataset)
    sources.seed_all(trainer.seed)
    model = factory.call(run.model.factory, run.model.args, "model.factory")
    if not isinstance(model, nn.Module):
        kind = type(model).__name__
        raise ConfigError(f"model.factory {run.model.factory} gave {kind}, not a torch.nn.Module")
    model.to(world.device)
    chosen = strategy.choose(trainer, model, world)
    world = replace(world, together=chosen.layout.tensor)
    out = replace(out, world=world)
    again = recomputation.recompute(model) if trainer.activation_checkpointing else None
    heart = Heart().to(world.device)
    objective = optim.Objective(model, heart)
    engine, how = strategy.wrap(objective, model, heart, world, chosen)
    numbers = precision.choose(trainer.precision, world.device, sharded=sharding.is_sharded(model))
    plan = Plan(len(data.train), trainer.batch_size, world.data_size, trainer.epochs, trainer.seed)
    kept = place(out.run_dir, run.checkpoint.uri, out.environment)
    folder = checkpoint.Folder(
        kept.checkpoints,
        run.checkpoint.keep,
        out.now,
        out.clock,
        processes.board(world, monotonic) if sharding.is_sharded(model) else None,
    )
    saver = checkpoint.Saver(folder)
    if world.leads:
        saver = checkpoint.Saver(folder, first=partial(kept.mirror.push, artifacts.CURVE))
    optimizer = optim.adamw(model, trainer.learning_rate)
    setting = Setting(
        module=objective,
        optimizer=optimizer,
        device=world.device,
        layout=chosen.layout,
        samples=plan.global_batch,
        precision=numbers.precision.value,
    )
    tell(run, model, plan, f"strategy {how}; precision {numbers.precision} ({numbers.reason})")
    if again is not None:
        _log.info("activation checkpointing: %d blocks are computed again for backward", again)
    return Session(
        run=run,
        out=out,
        data=data,
        supply=Supply(
            data.train,
            Tuner(int(data.train.costly), cgroup.cores() // world.beside),
            pinned=world.device.type == "cuda",
        ),
        model=model,
        objective=objective,
        engine=engine,
        optimizer=optimizer,
        numbers=numbers,
        sharded=sharding.is_sharded(model),
        plan=plan,
        folder=folder,
        saver=saver,
        mirror=kept.mirror,
        curve=artifacts.Curve(out.run_dir / artifacts.CURVE, out.now),
        heart=heart,
        probe=Probe(setting, looking=out.profiling and world.leads),
        pace=Pace(out.clock()),
    )


def tell(run: Run, model: nn.Module, plan: Plan, choices: str) -> None:
    """Print the whole configuration, and what was chosen where it left a choice."""
    for line in ["configuration", *console.tree_lines(run.to_tree())]:
        _log.info("%s", line)
    parameters, threads = sum(p.numel() for p in model.parameters()), torch.get_num_threads()
    _log.info("%s; %d thread(s) a process", choices, threads)
    _log.info("model: %s parameters; data: %s samples", f"{parameters:,}", f"{plan.samples:,}")


def resume(session: Session) -> None:
    """Continue from the newest complete checkpoint, if there is one."""
    world, folder = session.out.world, session.folder
    newest = 0
    if world.leads:
        for broken, why in folder.clear_rubble().items():
            _log.info("removed checkpoint %d: %s", broken, why)
    newest = restore(session)
    session.total_steps = session.plan.total_steps(session.cursor)
    if world.leads:
        session.mirror.pull(artifacts.CURVE)
        session.curve.rewind(session.cursor.step)
    _log.info(
        "%s, %d steps of %d samples in %d epochs",
        f"resuming after step {newest}" if newest else "starting",
        session.total_steps,
        session.plan.global_batch,
        session.plan.epochs,
    )
    session.next_say = session.out.clock() + SAY_S
    session.next_save = session.out.clock() + checkpoint.period(
        session.run.checkpoint.period_seconds, 0.0
    )


def restore(session: Session) -> int:
    """Put back the newest checkpoint that is sound to all processes; answers its step, 0 for none.

    Raises:
        StorageError: If there are checkpoints, and all of them are damaged.
    """
    world, folder = session.out.world, session.folder
    fault = None
    while step := processes.agree(max(folder.complete(), default=0) if world.leads else 0, world):
        fault = None
        try:
            read(session, step)
        except Damaged as error:
            _log.warning("removing checkpoint %d: %s", step, error)
            fault = error
        if not any(processes.sums([float(fault is not None)], world)):
            session.resumed_from = step
            # What it goes on from is told at once: the operator may not have heard of it.
            session.saver.last = folder.saved(step)
            return step
        if world.leads:
            folder.remove(step)
    if fault is not None:
        raise StorageError(f"all checkpoints are damaged; the last one: {fault}")
    return 0


def read(session: Session, step: int) -> None:
    """Put back one checkpoint."""
    folder = session.folder
    meta = folder.meta(step)
    with folder.open(step) as stored:
        snapshots.restore(session.model, session.optimizer, stored, folder.where(step))
    session.cursor = Cursor(meta["step"], meta["epoch"], meta["consumed"])
    session.loss, session.metrics = meta["notes"]["loss"], meta["notes"]["metrics"]
    session.numbers.restore(meta["notes"].get("scaler", {}))


def advance(session: Session, share: Share) -> None:
    """One step, and what belongs to it: hear the others, save, tell."""
    with session.probe:
        pulse = step(session, share)
    if heard(session, pulse):
        stop(session)
    save_when_due(session, pulse)
    if session.out.world.leads:
        say_when_due(session)


def step(session: Session, share: Share) -> Pulse | None:
    """One optimizer step on this process's share; answers what is known of the step before."""
    done, world = session.cursor.step, session.out.world
    peak = session.run.trainer.learning_rate
    optim.set_rate(session.optimizer, optim.rate(done, session.total_steps, peak))
    session.optimizer.zero_grad(set_to_none=True)
    gradients(session, share)
    session.probe.mark(Mark.BACKWARDED)
    session.numbers.step(session.optimizer)
    consumed = session.cursor.consumed + share.total
    session.cursor = replace(session.cursor, step=done + 1, consumed=consumed)
    session.pace.count(share.total)
    if not session.stepped:
        session.stepped = True
        session.out.reporter.stepping()
    return session.heart.beat(done + 1, share, world)


def gradients(session: Session, share: Share) -> None:
    """Add up the gradients of a step, part by part; the last part carries the pulse."""
    batch = session.supply.batch()
    # After the batch: what its making drew must not move the model's own chance.
    seed, rank = session.run.trainer.seed, session.out.world.data_rank
    sources.seed_all(order.chance(seed, session.cursor.step, rank))
    parts = order.slices(share, session.run.trainer.gradient_accumulation)
    told = torch.zeros((), device=session.out.world.device)
    for number, part in enumerate(parts, start=1):
        last = number == len(parts)
        inputs, targets = on_device(batch, part, session.out.world.device)
        if number == 1:
            session.probe.mark(Mark.FETCHED)
        with strategy.exchanging(session.engine, session.model, now=last):
            with session.numbers.context():
                loss, _ = session.engine(inputs, targets)
            start = optim.weighted(loss, part.own, share.total, session.out.world.data_size)
            told = told + loss.detach().float() * part.own
            if last:
                start = with_pulse(session, start, told)
            session.numbers.scaled(start).backward()  # type: ignore[no-untyped-call]  # torch's own


def on_device(
    batch: tuple[Tensor, Tensor], part: order.Slice, device: torch.device
) -> tuple[Tensor, Tensor]:
    """A part of a batch where it is computed."""
    inputs, targets = (whole[part.begin : part.end] for whole in batch)
    return inputs.to(device, non_blocking=True), targets.to(device, non_blocking=True)


def with_pulse(session: Session, start: Tensor, told: Tensor) -> Tensor:
    """What the last backward of a step starts from.

    Args:
        session: The session.
        start: The weighted loss.
        told: Sum of the losses over this process's samples.
    """
    asking = session.sharded and ask_to_save(session)
    start = session.heart.load(start, told, stop=session.out.stop(), save=asking)
    session.probe.before_backward(start)
    return start


def stop(session: Session) -> None:
    """Save at the step at which every process stops, and leave before the grace is over.

    Raises:
        Interrupted: In a process that was told to stop.
        PeerLost: In the others.
    """
    heard(session, session.heart.take())
    told = session.out.stop()
    grace = processes.least(session.out.grace_left(), session.out.world)
    saved, done = save_now(session, max(0.0, grace - LEAVING_S)), session.cursor.step
    where = f"state saved after step {done} of {session.total_steps}"
    if saved != done:
        kept = f"the checkpoint after step {saved} stays" if saved else "there is no checkpoint yet"
        where = (
            f"the state after step {done} could not be saved in the {grace:.0f} s that were left: "
            f"{kept}"
        )
    if told:
        raise Interrupted(f"SIGTERM: {where}")
    raise PeerLost(f"another worker was told to stop: {where}")


def evaluate(session: Session) -> None:
    """Measure the model on the test data, each process its part of them."""
    test, out = session.data.test, session.out
    if test is None:
        return
    if out.world.leads:
        report(session, "Evaluating")
    session.pace.close(out.clock())
    sums = [0.0] * 4
    session.objective.eval()
    with torch.no_grad(), session.numbers.context():
        batches = order.batches(
            len(test), session.plan.batch, out.world.data_size, out.world.data_rank
        )
        for indices in batches:
            # Who has none takes part with a stand-in: a model that is split needs all of them.
            inputs, targets = (p.to(out.world.device) for p in test.take(indices or range(1)))
            part = optim.measure(session.objective, inputs, targets)
            if indices:
                sums = [a + b for a, b in zip(sums, part, strict=True)]
    session.objective.train()
    loss, samples, right, judged = processes.sums(sums, out.world)
    session.metrics = {"testLoss": loss / samples}
    if judged:
        session.metrics["accuracy"] = right / judged
    if out.world.leads:
        session.curve.add_metrics(session.cursor.step, session.cursor.epoch, session.metrics)
        found = "  ".join(f"{k} {console.number(v)}" for k, v in session.metrics.items())
        _log.info("epoch %d/%d done  %s", session.cursor.epoch, session.plan.epochs, found)
        report(session, "Training")
    session.pace.since = out.clock()


def finish(session: Session) -> artifacts.Summary:
    """Save the last checkpoint, the model and the summary."""
    out, pace = session.out, session.pace
    if session.data.test is not None and not session.metrics:
        evaluate(session)
    session.probe.settle()
    save_now(session)
    paths = {"metrics": artifacts.CURVE, "checkpoint": f"{CHECKPOINTS}/{session.cursor.step}"}
    weights = sharding.whole_weights(session.model, keep=out.world.leads)
    if out.world.leads:
        parameters = sum(p.numel() for p in session.model.parameters())
        tree = {**session.run.to_tree(), "parameters": parameters}
        paths |= artifacts.write_model(weights, tree, out.run_dir)
    speed = round(pace.total_samples / pace.total_seconds, 1) if pace.total_seconds else None
    summary = artifacts.Summary(
        steps=session.cursor.step,
        seconds=round(pace.total_seconds, 3),
        samples_per_second=speed,
        loss=session.loss,
        metrics=session.metrics,
        resumed_from_step=session.resumed_from,
        paths=paths,
    )
    if out.world.leads:
        artifacts.write_summary(summary, out.run_dir)
        session.mirror.push(*paths.values(), artifacts.SUMMARY)
        report(session, "Done", model=paths["model"])
        tell_summary(summary, out.run_dir)
    processes.barrier(out.world)
    return summary


def tell_summary(summary: artifacts.Summary, run_dir: Path) -> None:
    """What came out, and where it lies."""
    found = "  ".join(f"{k} {console.number(v)}" for k, v in summary.metrics.items())
    _log.info(
        "done: %d steps in %s (%s samples/s)  loss %s  %s",
        summary.steps,
        console.duration(summary.seconds),
        console.number(summary.samples_per_second),
        console.number(summary.loss),
        found,
    )
    _log.info("the model is in %s", run_dir / summary.paths["model"])


def explained(session: Session, error: Exception) -> TrainerError:
    """What `error` means: the volume, another worker, memory, or the user's code."""
    if isinstance(error, OSError) and volume.is_storage(error):
        return volume.storage_error(error, session.out.run_dir)
    return errors.classify(error, stepped=session.stepped)
