"""The GPU's own counters during the steps that are timed: a second witness of what binds them.

NVML's GPU performance monitoring (GPM) counts on Hopper and newer, without a profiler and without
being root. It is read where the library is installed and the GPU has it; elsewhere nothing is said.
It has not been run on a GPU by us.

Source: NVIDIA NVML API reference, GPM functions and GPM enums, read 2026-11-25.
"""

import importlib
import logging
import math
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any, Protocol

import torch

SHORTEST_S = 0.1
"""Two samples have to be this far apart to mean anything, says NVML [s]."""
PERCENT, MIB = 0.01, float(2**20)
FRACTIONS = {
    "smActive": "NVML_GPM_METRIC_SM_UTIL",
    "tensorActive": "NVML_GPM_METRIC_ANY_TENSOR_UTIL",
    "dramActive": "NVML_GPM_METRIC_DRAM_BW_UTIL",
}
"""What the contract calls it, and NVML, in percent."""
RATES = {
    "nvlinkBytesPerSecond": (
        "NVML_GPM_METRIC_NVLINK_TOTAL_TX_PER_SEC",
        "NVML_GPM_METRIC_NVLINK_TOTAL_RX_PER_SEC",
    ),
    "pcieBytesPerSecond": ("NVML_GPM_METRIC_PCIE_TX_PER_SEC", "NVML_GPM_METRIC_PCIE_RX_PER_SEC"),
}
"""The same of both directions, in MiB/s; the busier one is told."""

_log = logging.getLogger("qm_trainer")


class Counters(Protocol):
    """What counts while steps are timed."""

    def begin(self) -> None:
        """From here on."""
        ...

    def end(self) -> Mapping[str, float]:
        """What was counted since, by the contract's names; empty where that is not known."""
        ...


class NoCounters:
    """A CPU, an older GPU, or no library to ask."""

    def begin(self) -> None:
        """Nothing counts."""

    def end(self) -> Mapping[str, float]:
        """Nothing was counted."""
        return {}


class Gpm:
    """The counters of one GPU, between two samples."""

    def __init__(self, nvml: Any, handle: Any, now: Callable[[], float] = perf_counter) -> None:
        self._nvml, self._handle, self._now = nvml, handle, now
        names = [*FRACTIONS.values(), *(name for pair in RATES.values() for name in pair)]
        self._metrics = {name: int(getattr(nvml, name)) for name in names if hasattr(nvml, name)}
        self._first: Any = None
        self._useless = not self._metrics
        self._began = 0.0

    def begin(self) -> None:
        """Take the first sample."""
        self._release()
        if self._useless:
            return
        try:
            self._first = self._sample()
            self._began = self._now()
        except self._nvml.NVMLError as error:
            self._give_up(error)

    def end(self) -> Mapping[str, float]:
        """Take the second sample, and tell what lies between."""
        if self._first is None or self._now() - self._began < SHORTEST_S:
            self._release()
            return {}
        try:
            second = self._sample()
            try:
                return told(self._between(second))
            finally:
                self._nvml.nvmlGpmSampleFree(second)
        except self._nvml.NVMLError as error:
            self._give_up(error)
            return {}
        finally:
            self._release()

    def _sample(self) -> Any:
        sample = self._nvml.nvmlGpmSampleAlloc()
        self._nvml.nvmlGpmSampleGet(self._handle, sample)
        return sample

    def _between(self, second: Any) -> dict[str, float]:
        """Values by NVML's names, in its units; what it could not tell is missing."""
        asked = self._nvml.c_nvmlGpmMetricsGet_t()
        asked.version = self._nvml.NVML_GPM_METRICS_GET_VERSION
        asked.sample1, asked.sample2 = self._first, second
        asked.numMetrics = len(self._metrics)
        for position, metric in enumerate(self._metrics.values()):
            asked.metrics[position].metricId = metric
        self._nvml.nvmlGpmMetricsGet(asked)
        return {
            name: float(asked.metrics[position].value)
            for position, name in enumerate(self._metrics)
            if asked.metrics[position].nvmlReturn == self._nvml.NVML_SUCCESS
        }

    def _release(self) -> None:
        first, self._first = self._first, None
        if first is not None:
            self._nvml.nvmlGpmSampleFree(first)

    def _give_up(self, error: Exception) -> None:
        """Training never fails over a witness."""
        _log.info("the GPU's counters cannot be read: %s", error)
        self._useless = True


def told(values: Mapping[str, float]) -> dict[str, float]:
    """NVML's values by the contract's names: fractions from 0 to 1, and bytes a second."""
    good = {name: it for name, it in values.items() if math.isfinite(it) and it >= 0}
    found = {
        name: min(1.0, good[metric] * PERCENT)
        for name, metric in FRACTIONS.items()
        if metric in good
    }
    for name, metrics in RATES.items():
        if both := [good[metric] for metric in metrics if metric in good]:
            found[name] = max(both) * MIB
    return found


def counters_of(device: torch.device) -> Counters:
    """The counters of what computes, where there are any."""
    if device.type != "cuda":
        return NoCounters()
    try:
        nvml = importlib.import_module("pynvml")
    except ImportError:
        return NoCounters()
    uuid = getattr(torch.cuda.get_device_properties(device), "uuid", None)
    if uuid is None:
        return NoCounters()
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
        supported = bool(nvml.nvmlGpmQueryDeviceSupport(handle).isSupportedDevice)
    except nvml.NVMLError as error:
        _log.info("the GPU's counters cannot be read: %s", error)
        return NoCounters()
    return Gpm(nvml, handle) if supported else NoCounters()
