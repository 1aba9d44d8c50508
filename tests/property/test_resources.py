"""Amounts of CPU, memory, GPUs and their parts add up, whatever the parts are called."""

from dataclasses import astuple

from hypothesis import given
from hypothesis import strategies as st

from quartermaster.domain.resources import NOTHING, Resources, amounts

COUNTS = st.integers(0, 9)
NAMES = st.sampled_from(["nvidia.com/mig-1g.10gb", "nvidia.com/gpu.shared", "example.com/npu"])
AMOUNTS = st.builds(
    Resources,
    COUNTS,
    COUNTS,
    COUNTS,
    COUNTS,
    st.dictionaries(NAMES, COUNTS).map(amounts),
)


def flat(told: Resources) -> dict[str, int]:
    cpu, memory, gpus, pods, parts = astuple(told)
    return {"cpu": cpu, "memory": memory, "gpus": gpus, "pods": pods, **dict(parts)}


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_adding_is_like_adding_numbers(a: Resources, b: Resources, c: Resources) -> None:
    assert a + b == b + a
    assert (a + b) + c == a + (b + c)
    assert a + b - b == a
    assert a - a == NOTHING
    assert NOTHING - a + a == NOTHING
    assert a + a + a == a.times(3)
    assert (a + b).devices == a.devices + b.devices


@given(AMOUNTS, AMOUNTS)
def test_the_larger_of_two_covers_both_and_nothing_else(a: Resources, b: Resources) -> None:
    largest = flat(a.larger(b))
    for name in flat(a).keys() | flat(b):
        assert largest.get(name, 0) == max(flat(a).get(name, 0), flat(b).get(name, 0))


@given(AMOUNTS, AMOUNTS)
def test_as_many_fit_as_can_be_taken_away_one_by_one(each: Resources, room: Resources) -> None:
    if not any(flat(each).values()):
        assert each.times_within(room) == 0
        return
    count, left = 0, room - each
    while min(flat(left).values()) >= 0:
        count, left = count + 1, left - each
    assert each.times_within(room) == count
