"""When a gang ran together, as passes see it one after the other."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.decide.cost.together import Gang, follow, recovered
from quartermaster.domain.measurement import Measurement
from quartermaster.domain.money.stretch import Stretch
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Phase, Worker
from tests.support import make
from tests.support.make import after


def running(index: int, started: float, life: int = 0) -> Worker:
    return make.worker(
        index,
        life=life,
        node="a",
        bound=after(started - 2),
        started=after(started),
        phase=Phase.RUNNING,
    )


def failed(worker: Worker, ended: float) -> Worker:
    return replace(worker, phase=Phase.FAILED, ended=after(ended))


def report(received: float, state: str = "Training", saved: float | None = None) -> Report:
    return Report(
        after(received),
        state,
        step=7,
        checkpoint_step=None if saved is None else 5,
        checkpoint_time=None if saved is None else after(saved),
        measured=Measurement(step_seconds=0.1, checkpoint_stall_seconds=0.25),
    )


PAIR = [running(0, 5), running(1, 9)]
TOGETHER = Stretch(after(9))


def test_it_begins_when_the_last_member_begins() -> None:
    assert follow((), Gang(2, PAIR[:1])) == ()
    assert follow((), Gang(2, PAIR)) == (TOGETHER,)
    assert follow((TOGETHER,), Gang(2, PAIR)) == (TOGETHER,)


def test_a_member_that_is_done_is_still_a_member() -> None:
    done = replace(PAIR[0], phase=Phase.SUCCEEDED, ended=after(30))
    assert follow((), Gang(2, [done, PAIR[1]])) == (TOGETHER,)
    assert follow((TOGETHER,), Gang(2, [done, PAIR[1]])) == (TOGETHER,)


@pytest.mark.parametrize(
    ("told", "stepped"),
    [
        (report(20), after(20)),
        (replace(report(20), stepping_seconds=6.5), after(13.5)),
        (replace(report(12), stepping_seconds=600.0), None),  # the last words of an earlier life
        (replace(report(20), stepping_seconds=600.0), after(9)),  # clocks differ
        (report(20, "Starting"), None),
        (report(8), None),  # of an earlier life
    ],
)
def test_the_first_report_of_a_step_is_the_first_step(told: Report, stepped: object) -> None:
    assert follow((TOGETHER,), Gang(2, PAIR, told)) == (replace(TOGETHER, stepped=stepped),)


def test_a_later_report_does_not_move_the_first_step() -> None:
    stepped = replace(TOGETHER, stepped=after(20))
    assert follow((stepped,), Gang(2, PAIR, report(40))) == (stepped,)


def test_a_save_is_entered_with_what_stood_still_for_it_once() -> None:
    (once,) = follow((TOGETHER,), Gang(2, PAIR, report(40, saved=35)))
    assert (once.saved, once.stalled) == (after(35), timedelta(seconds=0.25))
    assert follow((once,), Gang(2, PAIR, report(42, saved=35))) == (once,)
    (twice,) = follow((once,), Gang(2, PAIR, report(60, saved=55)))
    assert (twice.saved, twice.stalled) == (after(55), timedelta(seconds=0.5))


def test_what_was_idle_before_a_save_is_kept_with_it() -> None:
    idle = replace(TOGETHER, stepped=after(10), idle=timedelta(seconds=20), looked=after(39))
    (once,) = follow((idle,), Gang(2, PAIR, report(40, saved=35)))
    assert (once.idle, once.idle_saved) == (timedelta(seconds=20), timedelta(seconds=20))
    more = replace(once, idle=timedelta(seconds=30))
    assert follow((more,), Gang(2, PAIR, report(50, saved=35))) == (more,)


def test_what_was_idle_before_the_first_step_was_its_start() -> None:
    silent = replace(TOGETHER, idle=timedelta(seconds=20), looked=after(900))
    assert follow((silent,), Gang(2, PAIR, report(910)))[0] == Stretch(after(9), after(910))


def test_the_save_of_a_run_that_was_told_to_stop_holds_all_of_its_steps() -> None:
    told = replace(report(40, "Saving", saved=39), step=5)
    (stopped,) = follow((TOGETHER,), Gang(2, PAIR, told))
    assert stopped.complete
    (going,) = follow((TOGETHER,), Gang(2, PAIR, replace(told, step=6)))
    assert not going.complete


def test_a_run_that_goes_on_tells_what_it_goes_on_from() -> None:
    """The operator was away for the save itself: nothing that was saved counts as lost."""
    broken = Stretch(after(9), after(10), None, broken=after(50))
    anew = [running(0, 60, life=1), running(1, 61, life=1)]
    first, second = follow((broken,), Gang(2, anew, report(70, saved=45)))
    assert first.saved == after(45)
    assert second == Stretch(after(61), stepped=after(70))


def test_the_first_end_without_success_breaks_it() -> None:
    both = [failed(PAIR[0], 50), failed(PAIR[1], 48)]
    assert follow((TOGETHER,), Gang(2, [both[0], PAIR[1]]))[0].broken == after(50)
    assert follow((TOGETHER,), Gang(2, both))[0].broken == after(48)


def test_a_worker_of_an_earlier_gang_breaks_nothing() -> None:
    old = failed(running(0, 1), 4)
    assert follow((TOGETHER,), Gang(2, [old, *PAIR])) == (TOGETHER,)


def test_all_of_it_seen_at_once() -> None:
    """An operator that was away finds the ends of one gang beside the beginning of the next."""
    anew = [running(0, 60, life=1), running(1, 63, life=1)]
    seen = Gang(2, [failed(PAIR[0], 50), failed(PAIR[1], 52), *anew])
    assert follow((TOGETHER,), seen) == (replace(TOGETHER, broken=after(50)), Stretch(after(63)))


def test_a_peer_that_hangs_on_does_not_hide_the_break() -> None:
    replaced = [failed(PAIR[0], 50), PAIR[1], running(0, 60, life=1)]
    first, second = follow((TOGETHER,), Gang(2, replaced))
    assert (first.broken, second) == (after(50), Stretch(after(60)))


def test_what_no_pod_has_seen_is_forgotten_but_for_the_last_two() -> None:
    history = tuple(
        Stretch(after(100 * n), after(100 * n + 1), broken=after(100 * n + 50)) for n in range(5)
    )
    anew = [running(0, 600, life=1), running(1, 601, life=1)]
    assert follow(history, Gang(2, anew)) == (history[-1], Stretch(after(601)))
    old = failed(replace(PAIR[0], started=after(210), bound=after(205)), 250)
    assert follow(history, Gang(2, [old])) == history[2:]


BROKEN = Stretch(after(9), stepped=after(12), broken=after(60))
AGAIN = Stretch(after(90))
STEPS = Stretch(after(90), stepped=after(102))


@pytest.mark.parametrize(
    ("before", "now", "took"),
    [
        ((BROKEN, AGAIN), (BROKEN, STEPS), 42),
        ((BROKEN,), (BROKEN, STEPS), 42),
        ((BROKEN, STEPS), (BROKEN, STEPS), None),
        ((BROKEN,), (BROKEN, AGAIN), None),
        ((), (STEPS,), None),
        ((), (TOGETHER, STEPS), None),
    ],
)
def test_a_gang_has_recovered_once_when_it_steps_again(
    before: tuple[Stretch, ...], now: tuple[Stretch, ...], took: float | None
) -> None:
    found = recovered(before, now)
    assert (found and found.total_seconds()) == took
