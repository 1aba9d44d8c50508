"""Laws of how idle time is entered in a status that is written seldom and read late."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.decide.cost.together import entered
from quartermaster.domain.money.stretch import NO_TIME, Stretch
from quartermaster.reconcile.money.idling import LONGEST_LOOK, Idling
from tests.support.make import after

PASSES = st.lists(
    st.tuples(
        st.integers(1, 400),  # seconds since the pass before
        st.sampled_from([True, True, False, None]),  # what the GPUs say
        st.booleans(),  # whether the status is written
        st.integers(0, 2),  # how many writes the cache is behind
        st.sampled_from([False, False, False, False, True]),  # whether the operator begins anew
    ),
    max_size=40,
)


@given(PASSES)
def test_only_who_looked_has_counted(
    passes: list[tuple[int, bool | None, bool, int, bool]],
) -> None:
    """The witness adds up times between two looks of one process that both saw it idle."""
    idling, status, now, want = Idling(), Stretch(after(0), after(0)), 0, NO_TIME
    before: bool | None = None
    for seconds, idle, _, _, anew in passes:
        now += seconds
        if anew:
            idling, before = Idling(), None
        apart = timedelta(seconds=seconds)
        want += apart if before and idle and apart <= LONGEST_LOOK else NO_TIME
        idling.look("uid", after(now), idle=idle)
        (status,) = entered([status], after(now), lambda at, it=idling: it.since("uid", at))
        assert status.idle == want
        before = idle


@given(PASSES)
def test_without_an_end_of_the_operator_nothing_is_missing(
    passes: list[tuple[int, bool | None, bool, int, bool]],
) -> None:
    idling, now = Idling(), 0
    written = [Stretch(after(0), after(0), looked=after(0))]
    idling.look("uid", after(0), idle=True)
    want, before = NO_TIME, True
    for seconds, idle, is_written, behind, _ in passes:
        now += seconds
        apart = timedelta(seconds=seconds)
        want += apart if before and idle and apart <= LONGEST_LOOK else NO_TIME
        idling.look("uid", after(now), idle=idle)
        read = written[-1 - min(behind, len(written) - 1)]
        (found,) = entered([read], after(now), lambda at, it=idling: it.since("uid", at))
        assert found.idle == want
        if is_written:
            written.append(found)
        before = bool(idle)
