"""GPU counters from DCGM exporters, or from a Prometheus that scrapes them.

Off unless `Settings.dcgm` names an address. What cannot be read is not there: counters are a second
witness, and nothing waits for them.

Sources, read 2026-11-25: NVIDIA DCGM user guide, feature overview, profiling metrics; NVIDIA
dcgm-exporter, etc/default-counters.csv and its Kubernetes labels.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from math import isfinite

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from quartermaster.decide.profile.counters import mean
from quartermaster.domain.measurement import CounterSource, DeviceCounters
from quartermaster.domain.name import NamespacedName

logger = logging.getLogger(__name__)

PERIOD_S = 30.0
"""The exporter's own collect interval; between two of them nothing is new [s]."""
TIMEOUT_S = 5.0
LARGEST_BYTES = 64 * 2**20
"""An answer that is longer is not read: 10,000 GPUs have some 30 MB of these series [byte]."""

FRACTIONS = {
    "DCGM_FI_PROF_SM_ACTIVE": "sm_active",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": "engine_active",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": "tensor_active",
    "DCGM_FI_PROF_DRAM_ACTIVE": "dram_active",
}
PERCENTAGES = {"DCGM_FI_DEV_GPU_UTIL": "utilisation"}
RATES = {
    "DCGM_FI_PROF_NVLINK_TX_BYTES": "nvlink_bytes_per_second",
    "DCGM_FI_PROF_NVLINK_RX_BYTES": "nvlink_bytes_per_second",
    "DCGM_FI_PROF_PCIE_TX_BYTES": "pcie_bytes_per_second",
    "DCGM_FI_PROF_PCIE_RX_BYTES": "pcie_bytes_per_second",
}
"""Of the two directions the busier counts."""
COUNTERS = FRACTIONS | PERCENTAGES | RATES
WHOLES = dict.fromkeys(FRACTIONS, 1.0) | dict.fromkeys(PERCENTAGES, 100.0)
"""What all of a GPU is."""
GAUGE = "gauge"


class DcgmCounters:
    """The newest counters of each pod that has GPUs."""

    def __init__(self, addresses: Iterable[str], largest_bytes: int = LARGEST_BYTES) -> None:
        self._addresses, self._largest = tuple(addresses), largest_bytes
        self._found: Mapping[NamespacedName, DeviceCounters] = {}
        self._silent: set[str] = set()

    def of(self, pods: Iterable[NamespacedName]) -> DeviceCounters | None:
        """The mean over the GPUs of these pods; None where none of them is known."""
        return mean([self._found[pod] for pod in pods if pod in self._found])

    async def run(self) -> None:
        """Read again and again, until cancelled."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(TIMEOUT_S)) as session:
            while True:
                await self.read(session)
                await asyncio.sleep(PERIOD_S)

    async def read(self, session: aiohttp.ClientSession) -> None:
        """Read all addresses once; one that does not answer has nothing."""
        found: dict[NamespacedName, DeviceCounters] = {}
        for address in self._addresses:
            try:
                found |= parse(await self._text(session, address))
                self._silent.discard(address)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                if address not in self._silent:
                    logger.warning(
                        "no GPU counters from %s: %s", address, str(error) or "no answer"
                    )
                self._silent.add(address)
        self._found = found

    async def _text(self, session: aiohttp.ClientSession, address: str) -> str:
        body = bytearray()
        async with session.get(address) as answer:
            if answer.status != HTTPStatus.OK:
                raise ValueError(f"status {answer.status}")
            async for part in answer.content.iter_any():
                body += part
                if len(body) > self._largest:
                    raise ValueError(f"more than {self._largest} bytes")
        return body.decode(errors="replace")


def parse(text: str) -> dict[NamespacedName, DeviceCounters]:
    """Counters by pod, from the exposition format: the mean over a pod's GPUs.

    Bytes count only where they are declared a gauge: DCGM tells a rate, and what an exporter that
    calls it a counter means by it is not known. A fraction that is none, such as a percentage,
    does not count either.

    Raises:
        ValueError: It is not the exposition format.
    """
    seen: dict[NamespacedName, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
    for family in text_string_to_metric_families(text):
        name = COUNTERS.get(family.name)
        if name is None or (family.name in RATES and family.type != GAUGE):
            continue
        whole = WHOLES.get(family.name, float("inf"))
        for sample in family.samples:
            pod = _pod(sample.labels)
            if pod is None or not isfinite(sample.value) or not 0 <= sample.value <= whole:
                continue
            value = sample.value / whole if family.name in WHOLES else sample.value
            gpus = seen[pod][name]
            gpu = _gpu(sample.labels)
            gpus[gpu] = max(gpus.get(gpu, 0.0), value)
    return {
        pod: DeviceCounters(
            CounterSource.DCGM,
            **{name: sum(gpus.values()) / len(gpus) for name, gpus in counters.items()},
        )
        for pod, counters in seen.items()
    }


def _pod(labels: Mapping[str, str]) -> NamespacedName | None:
    """Whose GPU it is; a Prometheus that has a pod of its own in mind renames the exporter's."""
    for prefix in ("exported_", ""):
        namespace, pod = labels.get(f"{prefix}namespace"), labels.get(f"{prefix}pod")
        if namespace and pod:
            return NamespacedName(namespace, pod)
    return None


def _gpu(labels: Mapping[str, str]) -> str:
    """A GPU, or its slice."""
    return "/".join(labels.get(name, "") for name in ("UUID", "gpu", "GPU_I_ID"))
