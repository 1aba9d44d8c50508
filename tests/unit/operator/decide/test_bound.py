"""Shares, the roofline, and what a step is bound by: laws, a table, and a second way to count."""

from dataclasses import replace
from datetime import date

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from quartermaster.decide import bound
from quartermaster.decide.bound import Shares
from quartermaster.domain.hardware import Accelerator, NumberFormat, Source
from quartermaster.domain.measurement import Measurement
from quartermaster.domain.profile import Bound

STEPS = st.floats(1e-6, 1e6)
PARTS = st.none() | st.just(0.0) | st.floats(1e-12, 1.2)
"""Of a step; a report may claim more than there is. Below, a product of times is no number."""
AMOUNTS = st.floats(1.0, 1e20)


@st.composite
def steps(draw: st.DrawFn) -> Measurement:
    seconds, wait, communication = draw(STEPS), draw(PARTS), draw(PARTS)
    return Measurement(
        step_seconds=seconds,
        data_wait_seconds=None if wait is None else wait * seconds,
        communication_seconds=None if communication is None else communication * seconds,
        flops=draw(st.none() | AMOUNTS),
        memory_traffic_bytes=draw(st.none() | AMOUNTS),
        precision=draw(st.none() | st.sampled_from([NumberFormat.BF16, NumberFormat.FP64])),
    )


STEP = steps()
SOURCE = Source("made up for the test", date(2026, 11, 24))


def gpu(flops: float = 100e12, bandwidth: float = 1e12) -> Accelerator:
    """Its ridge is at 100 FLOP/byte, in BF16."""
    return Accelerator("GPU", {NumberFormat.BF16: flops}, 80 * 10**9, bandwidth, None, None, SOURCE)


GPUS = st.none() | st.builds(gpu, st.floats(1e9, 1e16), st.floats(1e9, 1e14))


@given(STEP)
def test_shares_are_shares_of_one_whole(measured: Measurement) -> None:
    found = bound.shares(measured)
    parts = (found.compute, found.communication, found.data_wait)
    assert all(0.0 <= part <= 1.0 for part in parts)
    assert sum(parts) == pytest.approx(1.0)


@given(STEP, GPUS, st.sampled_from([2.0, 0.5, 1024.0]))
def test_what_binds_does_not_depend_on_the_unit_of_time(
    measured: Measurement, accelerator: Accelerator | None, times: float
) -> None:
    def scaled(seconds: float | None) -> float | None:
        return None if seconds is None else seconds * times

    slower = replace(
        measured,
        step_seconds=measured.step_seconds * times,
        data_wait_seconds=scaled(measured.data_wait_seconds),
        communication_seconds=scaled(measured.communication_seconds),
    )
    assert bound.shares(slower) == bound.shares(measured)
    assert bound.bound(slower, accelerator) is bound.bound(measured, accelerator)


@given(STEP, GPUS)
def test_the_bound_is_the_largest_part_in_seconds(
    measured: Measurement, accelerator: Accelerator | None
) -> None:
    """Counted a second way: in seconds, and with Memory as the roofline's larger time."""
    communication = measured.communication_seconds or 0.0
    data_wait = measured.data_wait_seconds or 0.0
    rest = measured.step_seconds - communication - data_wait
    found = bound.bound(measured, accelerator)
    if communication > max(rest, data_wait) * 1.001:
        assert found is Bound.COMMUNICATION
    elif data_wait > max(rest, communication) * 1.001:
        assert found is Bound.INPUT
    elif rest > max(data_wait, communication) * 1.001:
        assert found in (Bound.COMPUTE, Bound.MEMORY)
        peak = accelerator and measured.precision and accelerator.peak_flops.get(measured.precision)
        if not (accelerator and peak and measured.flops and measured.memory_traffic_bytes):
            assert found is Bound.COMPUTE
            return
        computing = measured.flops / peak
        moving = measured.memory_traffic_bytes / accelerator.memory_bandwidth
        if moving > computing * 1.001:
            assert found is Bound.MEMORY
        elif computing > moving * 1.001:
            assert found is Bound.COMPUTE


@given(AMOUNTS, AMOUNTS, st.floats(1e9, 1e16), st.floats(1.0, 1e3))
def test_memory_that_binds_on_a_gpu_binds_on_one_that_computes_faster(
    work: float, traffic: float, flops: float, faster: float
) -> None:
    measured = Measurement(
        1.0, flops=work, memory_traffic_bytes=traffic, precision=NumberFormat.BF16
    )
    assume(bound.bound(measured, gpu(flops)) is Bound.MEMORY)
    assert bound.bound(measured, gpu(flops * faster)) is Bound.MEMORY


@given(STEP)
def test_memory_is_never_said_of_an_unknown_gpu(measured: Measurement) -> None:
    assert bound.bound(measured) is not Bound.MEMORY
    assert bound.utilisation(measured, None) is None


CASES = [
    ("computes", Measurement(1.0, 0.1, 0.2), None, Bound.COMPUTE),
    ("nothing known but the time", Measurement(1.0), None, Bound.COMPUTE),
    ("waits for data", Measurement(1.0, 0.6, 0.1), None, Bound.INPUT),
    ("waits for others", Measurement(1.0, 0.1, 0.5), None, Bound.COMMUNICATION),
    ("a tie computes", Measurement(1.0, 0.0, 0.5), None, Bound.COMPUTE),
    ("left of the ridge", Measurement(1.0, flops=99e9, memory_traffic_bytes=1e9), "gpu", "Memory"),
    ("right of it", Measurement(1.0, flops=101e9, memory_traffic_bytes=1e9), "gpu", "Compute"),
    ("no traffic known", Measurement(1.0, flops=1e9), "gpu", "Compute"),
    ("data before memory", Measurement(1.0, 0.6, 0.0, flops=1e9, memory_traffic_bytes=1e9), "gpu",
     "Input"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("measured", "on", "want"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_a_step_is_bound_by(measured: Measurement, on: str | None, want: str) -> None:
    measured = replace(measured, precision=NumberFormat.BF16)
    assert bound.bound(measured, gpu() if on else None) == want


def test_a_peak_in_another_format_says_nothing() -> None:
    measured = Measurement(1.0, flops=1e9, memory_traffic_bytes=1e9, precision=NumberFormat.FP64)
    assert bound.bound(measured, gpu()) is Bound.COMPUTE
    assert bound.utilisation(measured, gpu()) is None


def test_utilisation_is_work_by_what_the_peak_could_do_in_the_time() -> None:
    measured = Measurement(2.0, flops=80e12, precision=NumberFormat.BF16)
    assert bound.utilisation(measured, gpu(100e12)) == pytest.approx(0.4)


def test_a_sentence_says_it_for_people() -> None:
    shares = Shares(0.708, 0.212, 0.08)
    want = "compute 71 %, communication 21 %, data wait 8 %: compute-bound"
    assert bound.sentence(0.0384, shares, "Compute") == f"38 ms: {want}"
    assert bound.sentence(0.0027912, shares, "Compute") == f"2.8 ms: {want}"
    assert bound.sentence(12.3, shares, "Compute") == f"12 s: {want}"
    assert bound.sentence(1.26, shares, "Compute") == f"1.3 s: {want}"


@given(STEP)
def test_the_sentences_shares_are_whole_percents_of_a_hundred(measured: Measurement) -> None:
    words = bound.sentence(measured.step_seconds, bound.shares(measured), "Compute").split()
    percents = [int(words[i - 1]) for i, word in enumerate(words) if word.startswith("%")]
    assert len(percents) == 3
    assert 100 <= sum(percents) <= 101
