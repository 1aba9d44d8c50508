"""What a step takes, computed by hand."""

from dataclasses import replace

import pytest

from quartermaster.decide.profile.calibration import DECLARED, Calibration
from quartermaster.decide.profile.classify import classify, kept, shares, wants_packing
from quartermaster.decide.profile.fit import Observation, fit
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.profile import Bound, Measured, Shape, StepTime, Strategy
from tests.support import gpus

UNIT = Calibration(
    convolution=1, matmul=1, recurrent=1, lookup=1, memory=1, link=1, bus=1, network=1,
    launch_seconds=0, hop_seconds=0, overlap=1,
)  # fmt: skip
"""All that is promised is reached, and nothing overlaps."""
PLAIN = gpus.profile(
    flops_per_sample=1e12, parameters=250_000_000, batch=8, traffic_per_sample=0.0, tensors=0
)
GPU = gpus.accelerator("plain", 10, 16, 1000, 100, bus_gb=10)


def known(*args: object) -> StepTime:
    step = step_time(*args)  # type: ignore[arg-type]
    assert step is not None
    return step


def test_compute_is_work_by_peak() -> None:
    assert known(PLAIN, GPU, Shape(), UNIT) == StepTime(0.8, 0.0, 0.0, 0.0, 0.8)


def test_the_slower_of_arithmetic_and_traffic_counts() -> None:
    step = known(replace(PLAIN, traffic_per_sample=200e9), GPU, Shape(), UNIT)
    assert (step.compute, step.memory, step.total) == pytest.approx((0.8, 1.6, 1.6))
    assert classify(step) is Bound.MEMORY


def test_a_ring_moves_twice_its_bytes_less_one_part() -> None:
    """1 GB over 100 GB/s, or 10 without NVLink: 2 x 3/4 x 0.01 s, or 0.1 s, for four GPUs."""
    assert known(PLAIN, GPU, Shape(4), UNIT).communication == pytest.approx(0.015)
    assert known(PLAIN, GPU, Shape(4, linked=False), UNIT).communication == pytest.approx(0.15)


def test_of_two_rings_the_slower_counts() -> None:
    """Between two nodes 2 x 1/2 x 1 GB over the network card, in the nodes 0.015 s as above."""
    slow, wide = (Shape(4, 2, network_bandwidth=width) for width in (1e9, 1e11))
    assert known(PLAIN, GPU, slow, UNIT).communication == pytest.approx(1.0)
    assert known(PLAIN, GPU, wide, UNIT).communication == pytest.approx(0.015)
    hop = UNIT.having(hop_seconds=0.001)
    assert known(PLAIN, GPU, slow, hop).communication == pytest.approx(1.0 + 2 * 4 * 0.001)


def test_full_sharding_goes_round_three_times() -> None:
    sharded = replace(PLAIN, strategy=Strategy.FSDP)
    assert known(sharded, GPU, Shape(4), UNIT).communication == pytest.approx(0.0225)


def test_without_overlap_communication_is_added() -> None:
    step = known(PLAIN, GPU, Shape(1, 2, network_bandwidth=1e9), UNIT)
    assert step.total == pytest.approx(1.8)
    hidden = known(PLAIN, GPU, Shape(1, 2, network_bandwidth=1e9), UNIT.having(overlap=2.0))
    assert hidden.total == pytest.approx((0.8**2 + 1.0) ** 0.5)
    assert classify(step) is Bound.COMMUNICATION
    assert shares(step)[Bound.COMMUNICATION] == pytest.approx(1 / 1.8)


def test_input_counts_only_where_it_is_the_slowest() -> None:
    slow = replace(PLAIN, input_seconds_per_sample=0.05)
    assert known(slow, GPU, Shape(), UNIT).total == pytest.approx(0.8)
    slower = known(replace(PLAIN, input_seconds_per_sample=0.5), GPU, Shape(), UNIT)
    assert (slower.total, classify(slower)) == (pytest.approx(4.0), Bound.INPUT)


def test_a_format_that_the_gpu_lacks_is_computed_in_fp32() -> None:
    bf16 = replace(PLAIN, number_format=NumberFormat.BF16)
    assert known(bf16, gpus.T4, Shape()).total == known(PLAIN, gpus.T4, Shape()).total
    assert known(bf16, gpus.A100, Shape()).total < known(PLAIN, gpus.A100, Shape()).total / 10


def test_a_small_model_gains_nothing_from_a_large_gpu() -> None:
    """ResNet-18 at batch 1: 62 tensors to launch, little to compute."""
    small = gpus.profile(flops_per_sample=3.3e9, batch=1, tensors=62, traffic_per_sample=0)
    ratio = known(small, gpus.T4, Shape()).total / known(small, gpus.H100, Shape()).total
    assert 1 <= ratio < 1.1


def test_jobs_that_lose_three_tenths_want_to_be_packed() -> None:
    packed, spread = known(PLAIN, GPU, Shape(2)), known(PLAIN, GPU, Shape(1, 2, True, 1e9))
    assert kept(packed, spread) == packed.total / spread.total < 0.7
    assert wants_packing(packed, spread)
    assert not wants_packing(packed, packed)


def test_memory_is_state_and_activations() -> None:
    job = replace(PLAIN, activation_bytes_per_sample=1e9)
    assert job.memory(1) == pytest.approx(4e9 + 8e9)
    assert job.memory(4) == job.memory(1)
    split = replace(job, strategy=Strategy.FSDP)
    assert split.memory(4) == pytest.approx(1e9 + 8e9)
    assert replace(split, shards=2).memory(4) == pytest.approx(2e9 + 8e9)
    assert replace(split, tensor=2).memory(4) == pytest.approx(1e9 + 8e9)
    assert replace(job, tensor=2).memory(4) == pytest.approx(2e9 + 8e9)
    assert replace(split, shards=2, tensor=2).memory(16) == pytest.approx(1e9 + 8e9)


def test_nothing_measured_fits_nothing() -> None:
    assert fit([]) is None
    unknown = Observation(PLAIN, GPU, Shape(1, 2), 1.0)
    assert fit([unknown]) is None


def test_a_fit_holds_what_the_measurements_say_nothing_of() -> None:
    seen = [Observation(PLAIN, GPU, Shape(), known(PLAIN, GPU, Shape()).total * 1.5)]
    found = fit(seen)
    assert found is not None
    assert found.convolution < DECLARED.convolution
    for name in ("memory", "link", "bus", "network", "hop_seconds"):
        assert getattr(found, name) == pytest.approx(getattr(DECLARED, name), rel=0.01)
    # A peak that convolutions miss is missed by other kernels too, if by less.
    for name in ("matmul", "recurrent"):
        assert found.convolution / DECLARED.convolution < 0.75
        assert 0.75 < getattr(found, name) / getattr(DECLARED, name) < 0.9


def test_one_wild_run_does_not_bend_the_constants() -> None:
    shapes = [Shape(1, n, network_bandwidth=1e9) for n in (1, 2, 3, 4, 6, 8, 12, 16)]
    seen = [Observation(PLAIN, GPU, shape, known(PLAIN, GPU, shape).total) for shape in shapes]
    wild = [*seen[:-1], replace(seen[-1], seconds=seen[-1].seconds * 20)]
    found = fit(wild)
    assert found is not None
    for shape in shapes[:-1]:
        assert known(PLAIN, GPU, shape, found).total == pytest.approx(
            known(PLAIN, GPU, shape).total, rel=0.15
        )


def test_a_job_measured_alone_keeps_that_measurement_in_the_fit() -> None:
    """The declared share of the peak is far off; the links are found all the same."""
    alone = replace(PLAIN, measured=(Measured(GPU.name, 1, 1, 3.0),))
    truth = DECLARED.having(network=0.4)
    shapes = [Shape(1, n, network_bandwidth=1e9) for n in (2, 4, 8)]
    seen = [Observation(alone, GPU, s, known(alone, GPU, s, truth).total) for s in shapes]
    found = fit(seen)
    assert found is not None
    further = Shape(1, 16, network_bandwidth=1e9)
    took = known(alone, GPU, further, truth).total
    assert known(alone, GPU, further, found).total == pytest.approx(took, rel=0.05)
    assert found.convolution == pytest.approx(DECLARED.convolution, rel=0.01)
