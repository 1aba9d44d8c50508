"""Laws of what a worker's time went into."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.cost.parts import Stay, split
from quartermaster.domain.money.ledger import Part
from quartermaster.domain.money.stretch import NO_TIME, Stretch

T0 = datetime(2026, 11, 25, tzinfo=UTC)
SECONDS = st.integers(0, 1000)


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


@st.composite
def histories(draw: st.DrawFn) -> list[Stretch]:
    """Times together that follow each other; only the last may still be whole."""
    found: list[Stretch] = []
    now = 0
    for last in [False] * draw(st.integers(0, 3)) + [True]:
        together = now + draw(st.integers(0, 100))
        stepped = draw(st.none() | st.integers(0, 100).map(lambda x, t=together: t + x))
        broken = None
        if not last or draw(st.booleans()):
            broken = together + draw(st.integers(1, 300))
            stepped = None if stepped is not None and stepped > broken else stepped
        saved = draw(st.none() | st.integers(0, 400).map(lambda x, t=together: t + x))
        idle = draw(st.integers(0, 400))
        found.append(
            Stretch(
                at(together),
                None if stepped is None else at(stepped),
                None if saved is None else at(saved),
                timedelta(seconds=draw(st.integers(0, 60))),
                draw(st.booleans()),
                idle=timedelta(seconds=idle),
                idle_saved=timedelta(seconds=draw(st.integers(0, idle))),
                broken=None if broken is None else at(broken),
            )
        )
        now = broken if broken is not None else together
    return found


@st.composite
def workers(draw: st.DrawFn) -> tuple[datetime, datetime | None, datetime]:
    bound, ran, until = sorted(draw(st.tuples(SECONDS, SECONDS, SECONDS)))
    return at(bound), draw(st.sampled_from([None, at(ran)])), at(until)


def totals(stays: list[Stay]) -> dict[Part, timedelta]:
    found: dict[Part, timedelta] = {}
    for stay in stays:
        found[stay.part] = found.get(stay.part, NO_TIME) + stay.charged
    return found


def seconds(stays: list[Stay]) -> dict[Part, float]:
    return {part: time.total_seconds() for part, time in totals(stays).items()}


@given(workers(), histories())
def test_the_parts_add_up_to_the_time(
    worker: tuple[datetime, datetime | None, datetime], history: list[Stretch]
) -> None:
    bound, started, released = worker
    stays = split(bound, started, released, history)
    assert sum((s.charged for s in stays), timedelta()) == released - bound
    for stay in stays:
        assert timedelta() < stay.charged <= stay.ended - stay.began
        assert bound <= stay.began < stay.ended <= released


@given(workers(), histories(), st.integers(0, 100))
def test_what_time_went_into_does_not_change_as_time_goes_on(
    worker: tuple[datetime, datetime | None, datetime], history: list[Stretch], more: int
) -> None:
    """But for saves and idle time, which are only sums: billed up to now or later, what was is
    the same."""
    bound, started, released = worker
    plain = [replace(s, stalled=NO_TIME, idle=NO_TIME, idle_saved=NO_TIME) for s in history]
    now = totals(split(bound, started, released, plain))
    later = totals(split(bound, started, released + timedelta(seconds=more), plain))
    for part, time in now.items():
        if started is not None:
            assert later[part] >= time


@given(workers(), histories())
def test_nothing_is_useful_of_a_run_that_tells_of_no_step(
    worker: tuple[datetime, datetime | None, datetime], history: list[Stretch]
) -> None:
    silent = [replace(stretch, stepped=None) for stretch in history]
    assert set(totals(split(*worker, silent))) <= {Part.OTHER, Part.GANG_WAIT, Part.IDLE}
    counted = [replace(stretch, idle=NO_TIME) for stretch in silent]
    assert set(totals(split(*worker, counted))) <= {Part.OTHER, Part.GANG_WAIT}


@given(workers(), histories())
def test_no_more_is_idle_than_was_counted(
    worker: tuple[datetime, datetime | None, datetime], history: list[Stretch]
) -> None:
    counted = sum((stretch.idle for stretch in history), NO_TIME)
    assert totals(split(*worker, history)).get(Part.IDLE, NO_TIME) <= counted


@given(
    st.integers(1, 20),
    st.lists(st.booleans(), min_size=1, max_size=60),
    st.none() | st.integers(0, 90),
    st.booleans(),
    st.booleans(),
)
def test_every_second_goes_where_it_went(
    starting: int, idle: list[bool], saved: int | None, complete: bool, broken: bool
) -> None:
    """A witness that asks each second: before the first step, idle or not, kept or lost."""
    ended = starting + len(idle)
    save = None if saved is None or not starting <= saved <= ended else saved
    kept = ended if not broken else (starting if save is None else save)
    before = sum(idle[: kept - starting])
    stretch = Stretch(
        at(0),
        at(starting),
        None if save is None else at(save),
        complete=complete,
        idle=timedelta(seconds=sum(idle)),
        idle_saved=timedelta(seconds=before),
        broken=at(ended) if broken else None,
    )
    want: dict[Part, float] = {}
    for second in range(ended):
        if second < starting:
            part = Part.OTHER
        elif second >= kept and complete:
            part = Part.RECOVERY
        elif idle[second - starting]:
            part = Part.IDLE
        else:
            part = Part.USEFUL if second < kept else Part.REWORK
        want[part] = want.get(part, 0) + 1
    assert seconds(split(at(0), at(0), at(ended), [stretch])) == want


def test_an_interrupted_gang_and_the_one_that_goes_on() -> None:
    first = Stretch(at(10), at(20), at(80), timedelta(seconds=3), broken=at(100))
    second = Stretch(at(150), at(160))
    assert seconds(split(at(0), at(4), at(101), [first, second])) == {
        Part.OTHER: 4 + 10,  # the container's start, then up to the first step
        Part.GANG_WAIT: 6,
        Part.USEFUL: 57,
        Part.CHECKPOINT: 3,
        Part.REWORK: 20,
        Part.RECOVERY: 1,
    }
    assert seconds(split(at(130), at(140), at(200), [first, second])) == {
        Part.RECOVERY: 10 + 10,
        Part.GANG_WAIT: 10,
        Part.USEFUL: 40,
    }


def test_what_comes_after_a_complete_save_is_not_lost_work() -> None:
    stopped = Stretch(at(0), at(10), at(80), complete=True, broken=at(84))
    assert seconds(split(at(0), at(0), at(84), [stopped])) == {
        Part.OTHER: 10,
        Part.USEFUL: 70,
        Part.RECOVERY: 4,
    }


def test_a_worker_that_never_ran_only_started() -> None:
    assert seconds(split(at(0), None, at(30), [])) == {Part.OTHER: 30}
    assert seconds(split(at(0), at(5), at(30), [])) == {Part.OTHER: 5, Part.GANG_WAIT: 25}


def test_a_run_without_a_save_loses_all_of_its_steps() -> None:
    broken = Stretch(at(0), at(10), broken=at(50))
    assert seconds(split(at(0), at(0), at(50), [broken])) == {Part.OTHER: 10, Part.REWORK: 40}
