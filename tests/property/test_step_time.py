"""Laws of what a step takes, over random jobs, GPUs and places."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.profile.calibration import DECLARED, FIELDS, SHARES, Calibration
from quartermaster.decide.profile.classify import classify, shares
from quartermaster.decide.profile.fit import Observation, fit
from quartermaster.decide.profile.step import norm, step_time
from quartermaster.domain.hardware import Accelerator, NumberFormat
from quartermaster.domain.profile import JobProfile, Kernel, Measured, Shape, StepTime, Strategy
from tests.support import gpus

law = settings(max_examples=200, deadline=None)
factors = st.floats(1.0, 20.0)
speeds = st.floats(1e8, 1e12)
seconds = st.floats(1e-4, 100.0)


@st.composite
def profiles(draw: st.DrawFn) -> JobProfile:
    return JobProfile(
        flops_per_sample=draw(st.floats(1e3, 1e13)),
        parameters=draw(st.integers(1, 10**11)),
        batch=draw(st.integers(1, 4096)),
        traffic_per_sample=draw(st.floats(0, 1e11)),
        tensors=draw(st.integers(0, 2000)),
        kernel=draw(st.sampled_from(Kernel)),
        number_format=draw(st.sampled_from(NumberFormat)),
        strategy=draw(st.sampled_from(Strategy)),
        input_seconds_per_sample=draw(st.floats(0, 0.1)),
    )


@st.composite
def accelerators(draw: st.DrawFn) -> Accelerator:
    flops = draw(st.floats(1e11, 1e16))
    return Accelerator(
        name=draw(st.sampled_from(["a", "b"])),
        peak_flops={NumberFormat.FP32: flops, NumberFormat.BF16: 2 * flops},
        memory_bytes=2**34,
        memory_bandwidth=draw(speeds),
        link_bandwidth=draw(st.none() | speeds),
        bus_bandwidth=draw(speeds),
        source=gpus.SOURCE,
    )


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    return Shape(
        per_node=draw(st.integers(1, 16)),
        nodes=draw(st.integers(1, 64)),
        linked=draw(st.booleans()),
        network_bandwidth=draw(speeds),
        network_latency=draw(st.sampled_from([0.0, 1e-6, 1e-3])),
    )


@st.composite
def calibrations(draw: st.DrawFn) -> Calibration:
    values = {name: draw(st.floats(0.01, 1.0)) for name in SHARES}
    return Calibration(
        **values,
        launch_seconds=draw(st.floats(0, 1e-2)),
        hop_seconds=draw(st.floats(0, 1e-3)),
        overlap=draw(st.floats(1.0, 10.0)),
    )


def known(
    profile: JobProfile, gpu: Accelerator, shape: Shape, calibration: Calibration = DECLARED
) -> StepTime:
    step = step_time(profile, gpu, shape, calibration)
    assert step is not None
    return step


def no_longer(first: StepTime, second: StepTime) -> bool:
    return first.total <= second.total * (1 + 1e-9)


@law
@given(profiles(), accelerators(), shapes(), calibrations(), factors)
def test_more_work_in_a_sample_never_makes_a_step_shorter(
    profile: JobProfile, gpu: Accelerator, shape: Shape, c: Calibration, factor: float
) -> None:
    base = known(profile, gpu, shape, c)
    for more in (
        replace(profile, flops_per_sample=profile.flops_per_sample * factor),
        replace(profile, traffic_per_sample=profile.traffic_per_sample * factor),
        replace(profile, batch=math.ceil(profile.batch * factor)),
        replace(profile, parameters=math.ceil(profile.parameters * factor)),
        replace(profile, tensors=math.ceil(profile.tensors * factor)),
        replace(profile, input_seconds_per_sample=profile.input_seconds_per_sample * factor),
        replace(profile, strategy=Strategy.FSDP),
    ):
        assert no_longer(base, known(more, gpu, shape, c))


@law
@given(profiles(), accelerators(), shapes(), calibrations(), factors)
def test_a_faster_gpu_never_makes_a_step_longer(
    profile: JobProfile, gpu: Accelerator, shape: Shape, c: Calibration, factor: float
) -> None:
    base = known(profile, gpu, shape, c)
    peaks = {name: flops * factor for name, flops in gpu.peak_flops.items()}
    link, bus = gpu.link_bandwidth, gpu.bus_bandwidth
    for better in (
        replace(gpu, peak_flops=peaks),
        replace(gpu, memory_bandwidth=gpu.memory_bandwidth * factor),
        replace(gpu, link_bandwidth=None if link is None else link * factor),
        replace(gpu, bus_bandwidth=None if bus is None else bus * factor),
    ):
        assert no_longer(known(profile, better, shape, c), base)


@law
@given(profiles(), accelerators(), shapes(), calibrations(), factors)
def test_a_wider_network_never_makes_a_step_longer(
    profile: JobProfile, gpu: Accelerator, shape: Shape, c: Calibration, factor: float
) -> None:
    assert shape.network_bandwidth is not None
    wider = replace(shape, network_bandwidth=shape.network_bandwidth * factor)
    assert no_longer(known(profile, gpu, wider, c), known(profile, gpu, shape, c))


@law
@given(profiles(), accelerators(), shapes(), calibrations(), st.integers(1, 16))
def test_more_workers_on_a_link_never_make_a_step_shorter(
    profile: JobProfile, gpu: Accelerator, shape: Shape, c: Calibration, more: int
) -> None:
    base = known(profile, gpu, shape, c)
    on_the_node = replace(shape, per_node=shape.per_node + more)
    on_the_network = replace(shape, nodes=shape.nodes + more)
    assert no_longer(base, known(profile, gpu, on_the_node, c))
    assert no_longer(base, known(profile, gpu, on_the_network, c))


@law
@given(profiles(), accelerators(), shapes(), calibrations())
def test_the_total_lies_between_the_longest_part_and_their_sum(
    profile: JobProfile, gpu: Accelerator, shape: Shape, c: Calibration
) -> None:
    step = known(profile, gpu, shape, c)
    longest = max(step.parts().values())
    assert longest * (1 - 1e-9) <= step.total <= sum(step.parts().values()) * (1 + 1e-9)
    assert step.parts()[classify(step)] == longest
    assert all(0 <= share <= 1 for share in shares(step).values())


@law
@given(profiles(), accelerators(), calibrations())
def test_one_gpu_synchronises_nothing(
    profile: JobProfile, gpu: Accelerator, c: Calibration
) -> None:
    assert known(profile, gpu, Shape(), c).communication == 0


@law
@given(profiles(), accelerators(), shapes())
def test_what_is_unknown_has_no_step_time(
    profile: JobProfile, gpu: Accelerator, shape: Shape
) -> None:
    assert step_time(profile, None, shape) is None
    assert step_time(profile, replace(gpu, peak_flops={}), shape) is None
    no_network = replace(shape, network_bandwidth=None)
    assert (step_time(profile, gpu, no_network) is None) == (shape.nodes > 1)
    no_bus = replace(gpu, bus_bandwidth=None, link_bandwidth=None)
    assert (step_time(profile, no_bus, shape) is None) == (shape.per_node > 1)


@law
@given(profiles(), accelerators(), shapes(), seconds)
def test_a_measured_step_is_what_it_was_measured_as(
    profile: JobProfile, gpu: Accelerator, shape: Shape, took: float
) -> None:
    seen = Measured(gpu.name, shape.per_node, shape.nodes, took)
    step = known(replace(profile, measured=(seen,)), gpu, shape)
    assert step.total == pytest.approx(took)
    before, after = shares(known(profile, gpu, shape)), shares(step)
    if not seen.alone:
        assert after == pytest.approx(before)


@law
@given(profiles(), accelerators(), shapes(), seconds, factors, st.floats(0.0, 1e-2))
def test_what_was_measured_nearby_is_never_faster_far_away(
    profile: JobProfile,
    gpu: Accelerator,
    shape: Shape,
    took: float,
    narrower: float,
    later: float,
) -> None:
    assert shape.network_bandwidth is not None
    seen = Measured(
        gpu.name,
        shape.per_node,
        shape.nodes,
        took,
        network_bandwidth=shape.network_bandwidth,
        network_latency=shape.network_latency,
    )
    known_job = replace(profile, measured=(seen,))
    near = known(known_job, gpu, shape)
    far = replace(
        shape,
        network_bandwidth=shape.network_bandwidth / narrower,
        network_latency=shape.network_latency + later,
    )
    assert near.total == pytest.approx(took)
    assert no_longer(near, known(known_job, gpu, far))


def test_a_step_that_was_measured_in_a_rack_takes_longer_across_racks() -> None:
    """Five times narrower, and nothing but communication: five times as long."""
    profile = gpus.profile(flops_per_sample=1.0, traffic_per_sample=0, tensors=0)
    calibration = DECLARED.having(hop_seconds=0.0)
    seen = Measured(gpus.T4.name, 1, 2, 3.0, network_bandwidth=100e9 / 8)
    job = replace(profile, measured=(seen,))
    far = known(job, gpus.T4, Shape(1, 2, network_bandwidth=20e9 / 8), calibration)
    assert far.total == pytest.approx(15.0, rel=1e-3)


@law
@given(seconds, seconds, st.floats(1.0, 64.0))
def test_gpus_scale_alike_until_it_is_measured(
    alone: float, other_alone: float, slower: float
) -> None:
    """Sia's bootstrap: thr_A(k) = thr_A(1) / thr_B(1) * thr_B(k)."""
    shape = Shape(4, 2, network_bandwidth=1e9)
    measured = (
        Measured(gpus.T4.name, 1, 1, alone),
        Measured(gpus.V100.name, 1, 1, other_alone),
        Measured(gpus.V100.name, 4, 2, other_alone * slower),
    )
    step = known(gpus.profile(measured=measured), gpus.T4, shape)
    assert 1 / step.total == pytest.approx(
        (1 / alone) / (1 / other_alone) * (1 / (other_alone * slower))
    )


@law
@given(profiles(), accelerators(), accelerators(), st.floats(0.1, 10.0))
def test_a_measurement_on_another_gpu_corrects_the_prediction(
    profile: JobProfile, gpu: Accelerator, other: Accelerator, factor: float
) -> None:
    gpu, other = replace(gpu, name="here"), replace(other, name="there")
    profile = replace(profile, input_seconds_per_sample=0.0)
    alone = known(profile, other, Shape()).total * factor
    measured = replace(profile, measured=(Measured("there", 1, 1, alone),))
    corrected = step_time(measured, gpu, Shape(), DECLARED, [other])
    assert corrected is not None
    assert corrected.total == pytest.approx(known(profile, gpu, Shape()).total * factor, rel=1e-6)


@law
@given(st.floats(0, 1e3), st.floats(0, 1e3), st.floats(1, 10))
def test_the_overlap_lies_between_none_and_all(a: float, b: float, exponent: float) -> None:
    both = norm(a, b, exponent)
    assert max(a, b) <= both * (1 + 1e-12)
    assert both <= (a + b) * (1 + 1e-12)
    assert norm(a, b, math.inf) == max(a, b)
    assert both == norm(b, a, exponent)


@settings(max_examples=12, deadline=None)
@given(st.floats(0.3, 0.8), st.floats(0.05, 0.5), st.floats(0.4, 1.0), st.floats(1.0, 3.0))
def test_a_fit_finds_what_the_steps_were_made_with(
    convolution: float, bus: float, network: float, overlap: float
) -> None:
    """Steps of other jobs and places, of a job that is not among them, within 5 %."""
    truth = DECLARED.having(convolution=convolution, bus=bus, network=network, overlap=overlap)
    places = [(1, 1), (2, 1), (4, 1), (1, 2), (1, 4), (4, 2)]
    train = [
        (gpus.profile(parameters=parameters, batch=batch), Shape(*place, network_bandwidth=1e9))
        for parameters in (2_000_000, 25_000_000, 200_000_000)
        for batch in (8, 64)
        for place in places
    ]
    seen = [
        Observation(profile, gpus.T4, shape, known(profile, gpus.T4, shape, truth).total)
        for profile, shape in train
    ]
    found = fit(seen)
    assert found is not None
    unseen = gpus.profile(parameters=60_000_000, batch=24)
    for place in places:
        shape = Shape(*place, network_bandwidth=1e9)
        predicted = known(unseen, gpus.T4, shape, found).total
        assert predicted == pytest.approx(known(unseen, gpus.T4, shape, truth).total, rel=0.05)
    for name in FIELDS:
        assert name not in SHARES or 0 < getattr(found, name) <= 1
