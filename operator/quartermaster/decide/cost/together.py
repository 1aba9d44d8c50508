"""When a gang ran together: followed from pass to pass, by its pods' times and its reports."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from quartermaster.decide.workers import released
from quartermaster.domain.money.stretch import NO_TIME, Stretch
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Phase, Worker

NOT_STEPPING = frozenset({"", "Starting"})
"""What a run says of itself before its first step."""
LAST_WORDS = timedelta(seconds=10)
"""So long after a gang began, a report may still be the last one of the gang before."""
STARTING = timedelta(minutes=10)
"""A run that has told of no step may be starting for so long; from then on it counts as idle where
its GPUs are."""
MAX_STRETCHES = 16


@dataclass(frozen=True, slots=True)
class Gang:
    """A gang as one pass sees it."""

    size: int
    """Workers that it has at present [count]."""
    workers: Sequence[Worker]
    report: Report | None = None
    """The newest report of its run, of whatever life."""


def follow(history: Sequence[Stretch], gang: Gang) -> tuple[Stretch, ...]:
    """The gang's times together, with what this pass has seen; the same where that is nothing new.

    Each pass may see several events at once, or one of them twice: what is entered is when they
    were, as far as Kubernetes and the run tell it, not when they were seen.
    """
    found = _with_break(list(history), gang)
    together = _together(gang)
    if together is not None and (not found or _is_new(found[-1], together)):
        found = [*_ended(found, together), Stretch(together)]
    return tuple(_needed(_with_report(found, gang.report), gang.workers))


def entered(
    history: Sequence[Stretch], now: datetime, idle_since: Callable[[datetime], timedelta]
) -> tuple[Stretch, ...]:
    """A gang's times together, with what was idle since it was entered last.

    The same history gives the same sum however often it is asked: what counts is from `looked` on.

    Args:
        history: In order of time.
        now: The time.
        idle_since: How long it was idle from a moment up to now, as far as somebody looked.
    """
    if not history or history[-1].broken is not None:
        return tuple(history)
    last = history[-1]
    if last.stepped is None and now - last.together < STARTING:
        return tuple(history)
    if last.looked is None:
        return (*history[:-1], replace(last, looked=now))
    more = idle_since(last.looked)
    if more <= NO_TIME:
        return tuple(history)
    return (*history[:-1], replace(last, idle=last.idle + more, looked=now))


def recovered(before: Sequence[Stretch], after: Sequence[Stretch]) -> timedelta | None:
    """How long it took from a break to the first step of the next life, if that step is news.

    Args:
        before: The gang's times together as they were known.
        after: As they are known now.
    """
    if len(after) < 2:
        return None
    last, stepped, broken = after[-1], after[-1].stepped, after[-2].broken
    known = any(it.together == last.together and it.stepped is not None for it in before)
    return None if known or stepped is None or broken is None else stepped - broken


def _together(gang: Gang) -> datetime | None:
    """When the last member began, if all of them are there; those that succeeded still count."""
    present: dict[int, datetime] = {}
    for worker in gang.workers:
        lives = worker.phase is Phase.SUCCEEDED or (not worker.over and worker.exit is None)
        if lives and worker.started is not None:
            began = present.get(worker.index, worker.started)
            present[worker.index] = max(began, worker.started)
    whole = len(present) >= gang.size > 0
    return max(present.values()) if whole else None


def _is_new(last: Stretch, together: datetime) -> bool:
    return together > last.together and (last.broken is None or together >= last.broken)


def _ended(history: list[Stretch], together: datetime) -> list[Stretch]:
    """A time together ends at the latest when a member begins anew."""
    if not history or history[-1].broken is not None:
        return history
    return [*history[:-1], replace(history[-1], broken=together)]


def _with_break(history: list[Stretch], gang: Gang) -> list[Stretch]:
    """The first end without success of a member breaks it."""
    if not history:
        return history
    last = history[-1]
    ends = [
        end
        for worker in gang.workers
        if worker.phase is Phase.FAILED
        and worker.started is not None
        and worker.started <= last.together
        and (end := released(worker)) is not None
        and end >= last.together
    ]
    if not ends or (last.broken is not None and last.broken <= min(ends)):
        return history
    return [*history[:-1], replace(last, broken=min(ends))]


def _with_report(history: list[Stretch], report: Report | None) -> list[Stretch]:
    if not history or report is None or report.received < history[-1].together:
        return history
    last = history[-1]
    if last.stepped is None and last.broken is None and _is_of(report, last):
        ago = _time(report.stepping_seconds)
        stepped = max(last.together, report.received - ago)
        # What was idle before was its start: until now nobody could know that it steps at all.
        begun = replace(last, stepped=stepped, idle=NO_TIME, idle_saved=NO_TIME, looked=None)
        history = [*history[:-1], begun]
    return _with_save(history, report)


def _is_of(report: Report, last: Stretch) -> bool:
    """Whether a report is of a step of this life, and not the last words of the one before."""
    if report.state in NOT_STEPPING:
        return False
    ago = _time(report.stepping_seconds)
    return report.received - ago >= last.together or report.received > last.together + LAST_WORDS


def _with_save(history: list[Stretch], report: Report) -> list[Stretch]:
    """Enter the newest save in the time together that it was made in: this one, or one before."""
    saved = report.checkpoint_time
    if saved is None:
        return history
    stall = report.measured.checkpoint_stall_seconds if report.measured is not None else None
    found = list(history)
    for i in reversed(range(len(history))):
        it = history[i]
        if it.together <= saved:
            if it.saved is None or it.saved < saved:
                stalled = it.stalled + _time(stall)
                it = replace(it, saved=saved, stalled=stalled, idle_saved=it.idle)
            if report.state == "Saving" and report.step == report.checkpoint_step:
                it = replace(it, complete=True)
            found[i] = it
            break
    return found


def _time(seconds: float | None) -> timedelta:
    return timedelta(seconds=round(seconds or 0.0, 6))


def _needed(history: list[Stretch], workers: Iterable[Worker]) -> list[Stretch]:
    """Without what no pod that is still to be charged has seen; the newest stays in any case."""
    bound = min((w.bound for w in workers if w.bound is not None), default=None)
    last = len(history) - 1
    kept = [
        stretch
        for i, stretch in enumerate(history)
        if i >= last - 1
        or (bound is not None and (stretch.broken is None or stretch.broken > bound))
    ]
    return kept[-MAX_STRETCHES:]
