"""The GPU's own counters, from a library that we play: no GPU and no NVML are here."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from qm_trainer.parallel.layout import Layout
from qm_trainer.profile import device
from qm_trainer.profile.device import SHORTEST_S, Gpm, NoCounters, counters_of, told
from qm_trainer.profile.probe import AGAIN, WARM_UP, WINDOW, Probe, Setting
from qm_trainer.profile.timing import Mark

pytestmark = [pytest.mark.torch, pytest.mark.timeout(60)]


class NVMLError(Exception):
    """As the library's."""


@dataclass
class FakeNvml:
    """As much of NVML as is asked for; values are by metric id, and None is what it cannot tell."""

    values: dict[int, float | None]
    fails: str = ""
    living: set[int] = field(default_factory=set)
    made: int = 0
    NVML_SUCCESS = 0
    NVML_GPM_METRICS_GET_VERSION = 1
    NVML_GPM_METRIC_SM_UTIL = 2
    NVML_GPM_METRIC_ANY_TENSOR_UTIL = 5
    NVML_GPM_METRIC_DRAM_BW_UTIL = 10
    NVML_GPM_METRIC_PCIE_TX_PER_SEC = 20
    NVML_GPM_METRIC_PCIE_RX_PER_SEC = 21
    NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC = 60
    NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC = 61
    NVMLError = NVMLError

    def _trip(self, name: str) -> None:
        if self.fails == name:
            raise NVMLError(name)

    def nvmlGpmSampleAlloc(self) -> int:  # noqa: N802 - NVML's name
        self._trip("alloc")
        self.made += 1
        self.living.add(self.made)
        return self.made

    def nvmlGpmSampleGet(self, handle: Any, sample: int) -> None:  # noqa: N802 - NVML's name
        assert handle == "gpu"
        assert sample in self.living
        self._trip("get")

    def nvmlGpmSampleFree(self, sample: int) -> None:  # noqa: N802 - NVML's name
        self.living.remove(sample)

    def c_nvmlGpmMetricsGet_t(self) -> Any:  # noqa: N802 - NVML's name
        metrics = [SimpleNamespace(metricId=0, value=-1.0, nvmlReturn=-1) for _ in range(98)]
        return SimpleNamespace(metrics=metrics)

    def nvmlGpmMetricsGet(self, asked: Any) -> None:  # noqa: N802 - NVML's name
        self._trip("metrics")
        assert asked.version == self.NVML_GPM_METRICS_GET_VERSION
        assert {asked.sample1, asked.sample2} <= self.living
        for metric in asked.metrics[: asked.numMetrics]:
            value = self.values[metric.metricId]
            metric.nvmlReturn = 3 if value is None else 0
            metric.value = -1.0 if value is None else value


VALUES: dict[int, float | None] = {2: 83.0, 5: 21.0, 10: 47.5, 20: 100.0, 21: 900.0, 60: 7.0, 61: 8}
WANT = {
    "smActive": 0.83,
    "tensorActive": 0.21,
    "dramActive": 0.475,
    "pcieBytesPerSecond": 900.0 * 2**20,
    "nvlinkBytesPerSecond": 8.0 * 2**20,
}


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_what_was_counted_is_told_in_the_contracts_units() -> None:
    nvml = FakeNvml(VALUES)
    gpm = Gpm(nvml, "gpu", Clock())
    gpm.begin()
    assert gpm.end() == pytest.approx(WANT)
    assert not nvml.living


def test_what_nvml_cannot_tell_is_not_told() -> None:
    nvml = FakeNvml(VALUES | {5: None, 60: None, 61: None})
    gpm = Gpm(nvml, "gpu", Clock())
    gpm.begin()
    assert gpm.end().keys() == WANT.keys() - {"tensorActive", "nvlinkBytesPerSecond"}


def test_samples_that_are_too_near_tell_nothing() -> None:
    moments = iter([0.0, SHORTEST_S * 0.9])
    nvml = FakeNvml(VALUES)
    gpm = Gpm(nvml, "gpu", lambda: next(moments))
    gpm.begin()
    assert gpm.end() == {}
    assert not nvml.living


@pytest.mark.parametrize("fails", ["alloc", "get", "metrics"])
def test_training_goes_on_without_a_witness_who_fails(fails: str) -> None:
    nvml = FakeNvml(VALUES, fails)
    gpm = Gpm(nvml, "gpu", Clock())
    for _ in range(3):
        gpm.begin()
        assert gpm.end() == {}
    assert nvml.made <= 2


def test_an_end_without_a_beginning_tells_nothing() -> None:
    assert Gpm(FakeNvml(VALUES), "gpu", Clock()).end() == {}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_a_value_that_is_none_is_not_told(value: float) -> None:
    assert told({"NVML_GPM_METRIC_SM_UTIL": value}) == {}


def test_a_fraction_is_never_above_one() -> None:
    assert told({"NVML_GPM_METRIC_SM_UTIL": 100.4}) == {"smActive": 1.0}


def test_a_cpu_has_no_counters() -> None:
    assert isinstance(counters_of(torch.device("cpu")), NoCounters)
    assert NoCounters().end() == {}


def test_the_names_are_those_of_the_contract() -> None:
    assert WANT.keys() == device.FRACTIONS.keys() | device.RATES.keys()


@dataclass
class Told:
    """Counters that say how often they were asked."""

    began: int = 0
    ended: int = 0

    def begin(self) -> None:
        self.began += 1

    def end(self) -> dict[str, float]:
        self.ended += 1
        return {"smActive": 0.1 * self.ended}


def test_each_window_of_steps_is_counted_once_and_told_with_its_times() -> None:
    module = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(module.parameters())
    setting = Setting(module, optimizer, torch.device("cpu"), Layout(1, 1, 1), 2, "FP32")
    counters = Told()
    probe = Probe(setting, looking=True, counters=counters)

    def step() -> None:
        with probe:
            probe.mark(Mark.FETCHED)
            loss = module(torch.rand(2, 4)).sum()
            probe.before_backward(loss)
            loss.backward()
            probe.mark(Mark.BACKWARDED)
            optimizer.step()

    for _ in range(WARM_UP + WINDOW):
        step()
    assert (counters.began, counters.ended) == (1, 1)
    profile = probe.told()
    assert profile is not None
    assert profile["smActive"] == pytest.approx(0.1)
    for _ in range(AGAIN):
        step()
    assert (counters.began, counters.ended) == (2, 2)
