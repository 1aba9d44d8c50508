"""Laws of the table of GPU models."""

import re
from datetime import date
from itertools import pairwise

import pytest

from quartermaster.catalog.gpus import ACCELERATORS, LEFT_OUT, UNSETTLED
from quartermaster.domain.hardware import Accelerator, NumberFormat

TODAY = date(2026, 11, 24)
GIB = 2**30
BY_NAME = {gpu.name: gpu for gpu in ACCELERATORS}
NOT_ITS_OWN_MEMORY = {"NVIDIA-GH200-480GB": 96}
"""The name counts the processor's."""

every_gpu = pytest.mark.parametrize("gpu", ACCELERATORS, ids=lambda gpu: gpu.name)


def peaks(gpu: Accelerator, *formats: NumberFormat) -> list[float]:
    return [gpu.peak_flops[each] for each in formats if each in gpu.peak_flops]


def test_there_are_many_and_no_name_stands_twice() -> None:
    assert len(ACCELERATORS) >= 30
    assert len(BY_NAME) == len(ACCELERATORS)


@every_gpu
def test_what_is_known_is_positive_and_of_a_real_size(gpu: Accelerator) -> None:
    assert all(1e12 < peak < 2e16 for peak in gpu.peak_flops.values())
    assert 8 * GIB <= gpu.memory_bytes <= 288 * GIB
    assert 1e11 < gpu.memory_bandwidth < 1e13
    assert gpu.link_bandwidth is None or 4e10 < gpu.link_bandwidth < 1e12
    assert gpu.bus_bandwidth is None or 1e10 < gpu.bus_bandwidth < 5e11


@every_gpu
def test_memory_is_nearer_than_peers_and_peers_are_nearer_than_the_host(gpu: Accelerator) -> None:
    if gpu.link_bandwidth is not None:
        assert gpu.memory_bandwidth > gpu.link_bandwidth
        assert gpu.bus_bandwidth is None or gpu.link_bandwidth > gpu.bus_bandwidth
    assert gpu.bus_bandwidth is None or gpu.memory_bandwidth > gpu.bus_bandwidth


@every_gpu
def test_a_narrower_format_is_never_slower(gpu: Accelerator) -> None:
    f = NumberFormat
    for order in (
        (f.FP64, f.FP32, f.TF32, f.FP16, f.FP8, f.FP4),
        (f.FP64, f.FP32, f.TF32, f.BF16, f.FP8, f.FP4),
        (f.FP16, f.INT8),
    ):
        assert all(wide <= narrow for wide, narrow in pairwise(peaks(gpu, *order))), order


@every_gpu
def test_half_the_bits_are_twice_the_speed_on_tensor_cores(gpu: Accelerator) -> None:
    f = NumberFormat
    for wide, narrow, times in ((f.TF32, f.FP16, 2), (f.FP16, f.BF16, 1), (f.BF16, f.FP8, 2)):
        both = peaks(gpu, wide, narrow)
        if len(both) == 2:
            assert both[1] == pytest.approx(times * both[0], rel=0.025), (wide, narrow)


@every_gpu
def test_memory_is_what_the_name_says(gpu: Accelerator) -> None:
    said = re.search(r"-(\d+)GB?\b", gpu.name)
    if said:
        assert gpu.memory_bytes == NOT_ITS_OWN_MEMORY.get(gpu.name, int(said[1])) * GIB


@every_gpu
def test_every_row_names_its_source_and_a_day_that_has_been(gpu: Accelerator) -> None:
    assert len(gpu.source.title) > 8
    assert date(2026, 1, 1) <= gpu.source.read <= TODAY


@every_gpu
def test_only_a_figure_that_is_there_can_have_been_halved(gpu: Accelerator) -> None:
    assert gpu.halved <= gpu.peak_flops.keys()
    assert not gpu.halved & {NumberFormat.FP64, NumberFormat.FP32}, "these know no sparsity"


def test_sparse_figures_are_halved() -> None:
    """Each of these is printed twice as large, with a footnote."""
    dense = {"NVIDIA-H100-80GB-HBM3": 989.5, "NVIDIA-L4": 121, "NVIDIA-B200": 2250}
    for name, tera in dense.items():
        assert BY_NAME[name].peak_flops[NumberFormat.BF16] == tera * 1e12
        assert NumberFormat.BF16 in BY_NAME[name].halved


def test_every_peak_that_is_missing_on_purpose_has_its_reason() -> None:
    assert UNSETTLED.keys() <= BY_NAME.keys()
    assert {gpu.name for gpu in ACCELERATORS if not gpu.peak_flops} <= UNSETTLED.keys()
    assert {gpu.name for gpu in ACCELERATORS if gpu.bus_bandwidth is None} <= UNSETTLED.keys()
    for name, reason in UNSETTLED.items():
        gpu = BY_NAME[name]
        for gap, known in (("no FP64", gpu.peak_flops.keys()), ("no FP32", gpu.peak_flops.keys())):
            if gap in reason:
                assert NumberFormat(gap.removeprefix("no ")) not in known, name
        assert ("no bus" in reason) == (gpu.bus_bandwidth is None), name


def test_what_is_left_out_is_not_there() -> None:
    for models in LEFT_OUT:
        for model in re.findall(r"[A-Z]+\d+\w*", models):
            assert not any(re.search(rf"\b{model}\b", gpu.name) for gpu in ACCELERATORS), model
