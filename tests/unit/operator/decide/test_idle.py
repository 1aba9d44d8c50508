"""When a gang is idle, and what of that is entered."""

from dataclasses import replace
from datetime import timedelta

import pytest

from quartermaster.decide.cost.together import STARTING, entered
from quartermaster.decide.profile.idle import is_idle
from quartermaster.domain.measurement import CounterSource, DeviceCounters, Measurement
from quartermaster.domain.money.stretch import NO_TIME, Stretch
from quartermaster.domain.progress import Report
from tests.support.make import after

NOW = after(1000)
DCGM = DeviceCounters(CounterSource.DCGM)


def busy(share: float) -> DeviceCounters:
    return replace(DCGM, sm_active=share)


def report(share: float | None, age: float = 5, state: str = "Training") -> Report:
    device = None if share is None else DeviceCounters(CounterSource.GPM, sm_active=share)
    return Report(after(1000 - age), state, step=9, measured=Measurement(0.1, device=device))


@pytest.mark.parametrize(
    ("counted", "told", "idle"),
    [
        pytest.param([busy(0.04)], None, True, id="next to nothing"),
        pytest.param([busy(0.05)], None, False, id="little"),
        pytest.param([busy(0.0), busy(0.08)], None, True, id="the mean of the gang"),
        pytest.param([busy(0.0), busy(0.9)], None, False, id="one of two computes"),
        pytest.param([busy(0.0), None], None, None, id="of one nothing is known"),
        pytest.param([busy(0.0), DCGM], None, None, id="of one only its memory is known"),
        pytest.param([replace(DCGM, engine_active=0.01)], None, True, id="by the engine"),
        pytest.param([replace(DCGM, utilisation=0.01)], None, True, id="by NVML"),
        pytest.param([replace(busy(0.01), engine_active=0.9)], None, True, id="the sharpest"),
        pytest.param([None], None, None, id="nobody counts"),
        pytest.param([], None, None, id="nobody is there"),
        pytest.param([None], report(0.01), True, id="the trainer counted"),
        pytest.param([None], report(0.2), False, id="the trainer counted more"),
        pytest.param([busy(0.5)], report(0.01), False, id="exporters go before it"),
        pytest.param([None], report(0.01, age=61), None, id="long ago"),
        pytest.param([None], report(None), None, id="the trainer counts nothing"),
        pytest.param([busy(0.0)], report(0.9, state="Saving"), False, id="a save is a save"),
        pytest.param([busy(0.0)], report(0.9, state="Starting"), False, id="a start is a start"),
    ],
)
def test_it_is_idle_where_its_gpus_compute_next_to_nothing(
    counted: list[DeviceCounters | None], told: Report | None, idle: bool | None
) -> None:
    assert is_idle(counted, told, NOW) is idle


STEPPING = Stretch(after(0), after(10))
SILENT = Stretch(after(0))
MORE = timedelta(seconds=7)


def test_it_is_watched_from_the_first_look_on() -> None:
    assert entered([STEPPING], NOW, lambda _: MORE) == (replace(STEPPING, looked=NOW),)


def test_what_was_idle_since_is_added() -> None:
    before = replace(STEPPING, idle=timedelta(seconds=3), looked=after(900))
    (found,) = entered([before], NOW, lambda moment: MORE if moment == after(900) else NO_TIME)
    assert found == replace(before, idle=timedelta(seconds=10), looked=NOW)
    assert entered([before], NOW, lambda _: NO_TIME) == (before,)


def test_a_run_without_a_step_is_starting_for_a_while() -> None:
    assert entered([SILENT], after(STARTING.total_seconds() - 1), lambda _: MORE) == (SILENT,)
    assert entered([SILENT], NOW, lambda _: MORE) == (replace(SILENT, looked=NOW),)


def test_a_gang_that_is_broken_is_watched_no_more() -> None:
    over = replace(STEPPING, looked=after(900), broken=after(950))
    assert entered([over], NOW, lambda _: MORE) == (over,)
    assert entered([], NOW, lambda _: MORE) == ()
