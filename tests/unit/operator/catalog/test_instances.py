"""Laws of the table of instance types, and what other tables say of the same types."""

import csv
import os
import re
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

from devcluster.hardware import FAKE_HARDWARE, LOCAL_NODES
from quartermaster.catalog.gpus import ACCELERATORS
from quartermaster.catalog.instances import INSTANCE_TYPES, instance
from quartermaster.catalog.labels import accelerator
from quartermaster.domain.hardware import InstanceType

TODAY = date(2026, 11, 24)
GIB = 2**30
ROOT = Path(__file__).parents[4]
PRICES = Path(os.environ.get("QM_BENCH_DATA", ROOT.parent / "shared" / "data")) / "prices"
GPUS = {gpu.name: gpu for gpu in ACCELERATORS}

every_type = pytest.mark.parametrize("it", INSTANCE_TYPES, ids=lambda it: it.name)
needs_prices = pytest.mark.skipif(not PRICES.is_dir(), reason="no data folder (QM_BENCH_DATA)")

NOT_CLAIMED = re.compile(r"dl2q|g4ad|g5g|g6f|gr6f|g7\.|inf|trn|p6-b300")
"""AWS: other makers' chips, parts of a GPU, and GPUs that the catalogue leaves out."""

GPU_MEMORY_GB = {
    "a2-highgpu-8g": 320, "a2-megagpu-16g": 640, "a2-ultragpu-8g": 640, "a3-highgpu-8g": 640,
    "a3-megagpu-8g": 640, "a3-ultragpu-8g": 1128, "a4-highgpu-8g": 1440, "a4x-highgpu-4g": 744,
    "g2-standard-96": 192, "g4-standard-384": 768,
    "Standard_NC64as_T4_v3": 64, "Standard_NC24s_v3": 64, "Standard_ND40rs_v2": 256,
    "Standard_NC96ads_A100_v4": 320, "Standard_ND96asr_v4": 320,
    "Standard_NC80adis_H100_v5": 188, "Standard_ND96isr_H100_v5": 640,
    "Standard_ND96isr_H200_v5": 1128, "Standard_ND96isr_MI300X_v5": 1536,
    "Standard_NV72ads_A10_v5": 48,
}  # fmt: skip
"""All GPUs of a type together, as the clouds' pages print it."""


def total_gpu_memory(it: InstanceType) -> int:
    return it.gpus * GPUS[it.accelerator].memory_bytes


def test_no_name_stands_twice_and_every_cloud_is_there() -> None:
    assert max(Counter(it.name for it in INSTANCE_TYPES).values()) == 1
    assert {it.cloud for it in INSTANCE_TYPES} == {"AWS", "Azure", "GCP"}


@every_type
def test_a_type_is_found_by_its_name_and_its_gpu_is_in_the_catalogue(it: InstanceType) -> None:
    assert instance(it.name) is it
    assert it.accelerator in GPUS


@pytest.mark.parametrize("name", ["", "g5", "g5.XLARGE", "m5.large", "n1-standard-8"])
def test_an_unknown_type_is_none(name: str) -> None:
    assert instance(name) is None


@every_type
def test_a_type_is_of_a_sane_size(it: InstanceType) -> None:
    assert 1 <= it.gpus <= 16
    assert it.vcpus >= 4 * it.gpus
    assert it.memory_bytes % GIB == 0
    assert total_gpu_memory(it) / 2 <= it.memory_bytes <= 40 * total_gpu_memory(it)
    assert it.network_bandwidth is None or 1e8 < it.network_bandwidth < 1e12


@every_type
def test_gpus_are_joined_only_where_they_can_be(it: InstanceType) -> None:
    if it.linked:
        assert it.gpus > 1
        assert GPUS[it.accelerator].link_bandwidth is not None
    elif it.gpus > 1:
        assert not re.search(r"SXM|HBM3$|OAM|[HB]200$", it.accelerator)


@every_type
def test_every_row_names_its_source_and_a_day_that_has_been(it: InstanceType) -> None:
    assert len(it.source.title) > 8
    assert date(2026, 1, 1) <= it.source.read <= TODAY


@pytest.mark.parametrize(("name", "gb"), GPU_MEMORY_GB.items())
def test_the_gpus_have_the_memory_that_the_cloud_prints(name: str, gb: int) -> None:
    it = instance(name)
    assert it is not None
    assert total_gpu_memory(it) == gb * GIB


def test_the_development_cluster_pretends_to_have_what_the_clouds_sell() -> None:
    for hardware in (*FAKE_HARDWARE, *(node.hardware for node in LOCAL_NODES)):
        it = instance(hardware.instance_type)
        assert it is not None
        assert (it.accelerator, it.gpus) == (hardware.product, hardware.gpus)
        assert (it.vcpus, it.memory_bytes) == (hardware.cpus, hardware.memory_gib * GIB)
        usable = hardware.gpu_memory_mib * 2**20 / GPUS[it.accelerator].memory_bytes
        assert 15 / 16 - 0.001 <= usable <= 1, "the driver and ECC take up to a sixteenth"


@needs_prices
def test_aws_types_are_those_of_the_price_data() -> None:
    with (PRICES / "aws_gpu.csv").open() as file:
        rows = {
            row["instance_type"]: row
            for row in csv.DictReader(file)
            if not NOT_CLAIMED.match(row["instance_type"])
        }
    older = {it.name for it in INSTANCE_TYPES if re.match(r"p[23]\.", it.name)}
    assert rows.keys() | older == {it.name for it in INSTANCE_TYPES if it.cloud == "AWS"}
    for name, row in rows.items():
        it = instance(name)
        gpu = accelerator(row["accelerator"])
        assert it is not None
        assert gpu is not None, row["accelerator"]
        assert gpu.peak_flops == GPUS[it.accelerator].peak_flops
        assert gpu.memory_bytes <= GPUS[it.accelerator].memory_bytes
        assert (it.gpus, it.vcpus) == (int(row["accelerator_count"]), int(row["vcpu"]))
        assert it.memory_bytes == int(row["mem_mib"]) * 2**20
        assert it.network_bandwidth == float(row["network_mbps"]) * 1e6 / 8
        usable = int(row["accelerator_mem_mib"]) * 2**20 / GPUS[it.accelerator].memory_bytes
        assert 10**9 / GIB - 0.002 <= usable <= 1, name


@needs_prices
def test_gcp_types_are_those_of_the_price_data() -> None:
    with (PRICES / "gcp_gpu.csv").open() as file:
        rows = {row["instance_type"]: row for row in csv.DictReader(file)}
    whole = {name: row for name, row in rows.items() if float(row["accelerator_count"]) >= 1}
    unpriced = {"a3-ultragpu-8g", "a4-highgpu-8g", "a4x-highgpu-4g"}
    assert whole.keys() | unpriced == {it.name for it in INSTANCE_TYPES if it.cloud == "GCP"}
    for name, row in whole.items():
        it = instance(name)
        assert it is not None
        assert it.gpus == int(row["accelerator_count"])
        gpu = accelerator(row["accelerator"].removesuffix("-MEGA"))
        assert gpu is not None, row["accelerator"]
        assert gpu.name == it.accelerator
        assert gpu.memory_bytes == int(row["accelerator_mem_gib"]) * GIB


@needs_prices
def test_azure_types_have_a_price_in_the_price_data() -> None:
    with (PRICES / "azure_gpu_ondemand.csv").open() as file:
        sold = {row["instance_type"] for row in csv.DictReader(file)}
    assert {it.name for it in INSTANCE_TYPES if it.cloud == "Azure"} <= sold
