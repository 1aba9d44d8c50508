"""What a GPU's counters say of a step: laws, and a table of witnesses who agree and who do not."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.bound import Shares
from quartermaster.decide.profile.counters import (
    MARGIN,
    busy_with,
    device_shares,
    disagreement,
    mean,
)
from quartermaster.domain.measurement import Busy, CounterSource, DeviceCounters
from quartermaster.domain.profile import Bound
from tests.support import gpus

FRACTIONS = st.none() | st.floats(0, 1)
RATES = st.none() | st.floats(0, 2e12)
COUNTERS = st.builds(
    DeviceCounters,
    st.sampled_from(CounterSource),
    sm_active=FRACTIONS,
    engine_active=FRACTIONS,
    utilisation=FRACTIONS,
    tensor_active=FRACTIONS,
    dram_active=FRACTIONS,
    nvlink_bytes_per_second=RATES,
    pcie_bytes_per_second=RATES,
)
GPUS = st.none() | st.sampled_from([gpus.T4, gpus.A100, gpus.H100])
law = settings(deadline=None)
RANK = {Busy.COMPUTE: 0, Busy.MEMORY: 1}


def counted(busy: float, tensor: float, memory: float, **more: float) -> DeviceCounters:
    return DeviceCounters(
        CounterSource.GPM, sm_active=busy, tensor_active=tensor, dram_active=memory, **more
    )


def told(bound: Bound, timing: Shares, counters: DeviceCounters) -> str:
    return disagreement(bound, timing, counters, device_shares(counters, gpus.H100))


ALL_COMPUTE = Shares(1.0, 0.0, 0.0)
WITNESSES = {
    "large products": (counted(0.95, 0.45, 0.3), Busy.COMPUTE),
    "copies and norms": (counted(0.9, 0.05, 0.8), Busy.MEMORY),
    "products that fill the memory too": (counted(0.95, 0.5, 0.7), Busy.COMPUTE),
    "a loader that does not keep up": (counted(0.1, 0.03, 0.05), Busy.IDLE),
    "collectives over NVLink": (
        counted(0.5, 0.1, 0.4, nvlink_bytes_per_second=300e9),
        Busy.LINKS,
    ),
    "copies from the host over PCIe": (
        counted(0.1, 0.0, 0.1, pcie_bytes_per_second=40e9),
        Busy.LINKS,
    ),
}


@pytest.mark.parametrize(("counters", "want"), WITNESSES.values(), ids=WITNESSES)
def test_what_a_gpu_is_busy_with(counters: DeviceCounters, want: Busy) -> None:
    assert busy_with(device_shares(counters, gpus.H100)) is want


CASES = {
    "both say computing": (Bound.COMPUTE, ALL_COMPUTE, counted(0.9, 0.4, 0.3), ""),
    "the GPU idles while the process is timed as computing": (
        Bound.COMPUTE,
        ALL_COMPUTE,
        counted(0.2, 0.05, 0.1),
        (
            "the GPU is busy for 20 % of the time, and 100 % of a step is timed as computing: "
            "it waits for the host, as with many small kernels"
        ),
    ),
    "the GPU idles while the process waits for data": (
        Bound.INPUT,
        Shares(0.2, 0.0, 0.8),
        counted(0.2, 0.1, 0.1),
        "",
    ),
    "the GPU is busy while the process is timed as waiting": (
        Bound.INPUT,
        Shares(0.3, 0.0, 0.7),
        counted(0.9, 0.4, 0.3),
        (
            "the GPU is busy for 90 % of the time, and 70 % of a step is timed as waiting: "
            "it computes while the process waits"
        ),
    ),
    "the roofline says computing, and memory is full": (
        Bound.COMPUTE,
        ALL_COMPUTE,
        counted(0.9, 0.1, 0.75),
        "the memory is busy for 75 % of the time: rather memory-bound",
    ),
    "the roofline says memory, and memory is idle": (
        Bound.MEMORY,
        ALL_COMPUTE,
        counted(0.9, 0.5, 0.2),
        "the memory is busy for 20 % of the time: rather compute-bound",
    ),
    "an engine that is always on is no contradiction": (
        Bound.COMMUNICATION,
        Shares(0.4, 0.6, 0.0),
        replace(counted(0.9, 0.2, 0.3), sm_active=None, engine_active=1.0),
        "",
    ),
}


@pytest.mark.parametrize(("bound", "timing", "counters", "want"), CASES.values(), ids=CASES)
def test_where_the_witnesses_differ(
    bound: Bound, timing: Shares, counters: DeviceCounters, want: str
) -> None:
    assert told(bound, timing, counters) == want


@law
@given(COUNTERS, GPUS)
def test_shares_are_shares(counters: DeviceCounters, gpu) -> None:
    found = device_shares(counters, gpu)
    parts = (found.busy, found.arithmetic, found.memory, found.link)
    assert all(part is None or 0 <= part <= 1 for part in parts)
    assert gpu is not None or found.link is None


@law
@given(COUNTERS)
def test_too_little_counted_says_nothing(counters: DeviceCounters) -> None:
    blind = replace(counters, sm_active=None, engine_active=None, utilisation=None)
    assert told(Bound.COMPUTE, ALL_COMPUTE, blind) == ""
    assert busy_with(device_shares(blind, None)) is None


@law
@given(COUNTERS, st.floats(0, 1), st.floats(0, 1))
def test_more_memory_traffic_never_looks_more_like_computing(
    counters: DeviceCounters, one: float, other: float
) -> None:
    less, more = (
        busy_with(device_shares(replace(counters, dram_active=share), gpus.H100))
        for share in sorted((one, other))
    )
    if less in RANK and more in RANK:
        assert RANK[less] <= RANK[more]


@law
@given(COUNTERS, st.floats(0, 1), st.floats(0, 1), st.sampled_from(Bound))
def test_a_contradiction_is_told_in_few_words_with_its_numbers(
    counters: DeviceCounters, first: float, second: float, bound: Bound
) -> None:
    communication, data_wait = first * second, first * (1 - second)
    timing = Shares(1 - communication - data_wait, communication, data_wait)
    text = told(bound, timing, counters)
    assert len(text) <= 256
    assert not text or " %" in text


@law
@given(st.floats(0, 1), st.floats(0, 1))
def test_a_gpu_that_is_busy_as_long_as_is_timed_contradicts_nobody(
    computing: float, split: float
) -> None:
    waits = 1 - computing
    timing = Shares(computing, waits * split, waits * (1 - split))
    counters = DeviceCounters(CounterSource.GPM, sm_active=computing)
    assert MARGIN > 0
    assert told(Bound.COMPUTE, timing, counters) == ""


@law
@given(st.lists(COUNTERS, max_size=6))
def test_the_mean_lies_within_what_was_counted(several: list[DeviceCounters]) -> None:
    found = mean(several)
    assert (found is None) == (not several)
    if found is not None:
        known = [it.sm_active for it in several if it.sm_active is not None]
        assert (found.sm_active is None) == (not known)
        if found.sm_active is not None:
            assert min(known) - 1e-9 <= found.sm_active <= max(known) + 1e-9
