"""The second witness: what the silicon can do must be what the datasheet prints.

Units, clocks and operations a clock come from the architecture whitepapers (NVIDIA Kepler GK210,
Pascal, Volta, Turing, GA100, GA102, Ada, Hopper, Blackwell; AMD CDNA 2, 3 and 4; Intel Gaudi 2 and
3), not from the datasheets that the catalogue is from. A sparse figure that was not halved, a GB
for a TB or a slipped digit is off by far more than the rounding of two digits.
"""

from dataclasses import dataclass

import pytest

from quartermaster.catalog.gpus import ACCELERATORS
from quartermaster.domain.hardware import Accelerator, NumberFormat

ROUNDING = 0.025
BY_NAME = {gpu.name: gpu for gpu in ACCELERATORS}


@dataclass(frozen=True)
class Silicon:
    """Streaming multiprocessors, compute units or matrix engines, and what each does a clock."""

    units: int
    at_mhz: dict[int, dict[str, int]]
    """Operations of one unit in one clock, by boost clock [MHz]; a fused multiply-add is two."""


def tensor(base: int, *formats: str, **more: int) -> dict[str, int]:
    """Formats that all do `base` operations a clock, and others."""
    return dict.fromkeys(formats, base) | more


GV100 = {"FP64": 64, "FP32": 128, "FP16": 1024}
GA100 = {"FP64": 128, "FP32": 128, "TF32": 1024, "FP16": 2048, "BF16": 2048, "INT8": 4096}
GA102 = tensor(1024, "FP16", "BF16", FP32=256, TF32=512, INT8=2048)
HALF_GA102 = tensor(512, "FP16", "BF16", FP32=256, TF32=256, INT8=1024)
AD102 = tensor(1024, "FP16", "BF16", FP32=256, TF32=512, FP8=2048, INT8=2048)
HALF_AD102 = tensor(512, "FP16", "BF16", FP32=256, TF32=256, FP8=1024, INT8=1024)
GH100_VECTOR = {"FP64": 256, "FP32": 256}
GH100_TENSOR = tensor(4096, "FP16", "BF16", TF32=2048, FP8=8192, INT8=8192)
GH100_SXM = Silicon(132, {1980: GH100_VECTOR, 1830: GH100_TENSOR})
GH100_PCIE = Silicon(114, {1755: GH100_VECTOR, 1620: GH100_TENSOR})
GH100_NVL = Silicon(132, {1785: GH100_VECTOR, 1545: GH100_TENSOR})
CDNA3 = tensor(2048, "FP16", "BF16", FP64=256, FP32=256, TF32=1024, FP8=4096, INT8=4096)
CDNA4 = tensor(4096, "FP16", "BF16", FP64=128, FP32=256, FP8=8192, INT8=8192, FP4=16384)

SILICON = {
    "Tesla-K80": Silicon(13, {875: {"FP64": 128, "FP32": 384}}),
    "Tesla-P100-SXM2-16GB": Silicon(56, {1480: {"FP64": 64, "FP32": 128, "FP16": 256}}),
    "Tesla-P100-PCIE-16GB": Silicon(56, {1303: {"FP64": 64, "FP32": 128, "FP16": 256}}),
    "Tesla-P100-PCIE-12GB": Silicon(56, {1303: {"FP64": 64, "FP32": 128, "FP16": 256}}),
    "Tesla-P4": Silicon(20, {1063: {"FP32": 256, "INT8": 1024}}),
    "Tesla-P40": Silicon(30, {1531: {"FP32": 256, "INT8": 1024}}),
    "Tesla-V100-SXM2-16GB": Silicon(80, {1530: GV100}),
    "Tesla-V100-SXM2-32GB": Silicon(80, {1530: GV100}),
    "Tesla-V100-PCIE-16GB": Silicon(80, {1380: GV100}),
    "Tesla-V100-PCIE-32GB": Silicon(80, {1380: GV100}),
    "Tesla-V100S-PCIE-32GB": Silicon(80, {1597: GV100}),
    "Tesla-T4": Silicon(40, {1590: {"FP32": 128, "FP16": 1024, "INT8": 2048}}),
    "Quadro-RTX-6000": Silicon(72, {1770: {"FP32": 128, "FP16": 1024, "INT8": 2048}}),
    "Quadro-RTX-8000": Silicon(72, {1770: {"FP32": 128, "FP16": 1024, "INT8": 2048}}),
    "NVIDIA-GeForce-RTX-2080-Ti": Silicon(68, {1545: {"FP32": 128, "FP16": 512, "INT8": 2048}}),
    "NVIDIA-A100-SXM4-40GB": Silicon(108, {1410: GA100}),
    "NVIDIA-A100-SXM4-80GB": Silicon(108, {1410: GA100}),
    "NVIDIA-A100-PCIE-40GB": Silicon(108, {1410: GA100}),
    "NVIDIA-A100-80GB-PCIe": Silicon(108, {1410: GA100}),
    "NVIDIA-A800-SXM4-80GB": Silicon(108, {1410: GA100}),
    "NVIDIA-A800-80GB-PCIe": Silicon(108, {1410: GA100}),
    "NVIDIA-A30": Silicon(56, {1440: GA100}),
    "NVIDIA-A10": Silicon(72, {1695: GA102}),
    "NVIDIA-A10G": Silicon(80, {1710: HALF_GA102}),
    "NVIDIA-A16": Silicon(10, {1755: GA102}),
    "NVIDIA-A40": Silicon(84, {1740: GA102}),
    "NVIDIA-RTX-A6000": Silicon(84, {1800: GA102}),
    "NVIDIA-GeForce-RTX-3090": Silicon(82, {1695: HALF_GA102 | {"INT8": 2048}}),
    "NVIDIA-L4": Silicon(58, {2040: AD102}),
    "NVIDIA-L40": Silicon(142, {2490: HALF_AD102}),
    "NVIDIA-L40S": Silicon(142, {2520: AD102}),
    "NVIDIA-GeForce-RTX-4090": Silicon(128, {2520: HALF_AD102 | {"INT8": 2048}}),
    "NVIDIA-H100-80GB-HBM3": GH100_SXM,
    "NVIDIA-H100-PCIe": GH100_PCIE,
    "NVIDIA-H100-NVL": GH100_NVL,
    "NVIDIA-H800": GH100_SXM,
    "NVIDIA-H800-PCIe": GH100_PCIE,
    "NVIDIA-H200": GH100_SXM,
    "NVIDIA-H200-NVL": GH100_NVL,
    "NVIDIA-GH200-480GB": GH100_SXM,
    "NVIDIA-GH200-144G-HBM3e": GH100_SXM,
    "NVIDIA-B200": Silicon(
        148,
        {
            1965: {"FP64": 128, "FP32": 256},
            1850: tensor(8192, "FP16", "BF16", TF32=4096, FP8=16384, INT8=16384, FP4=32768),
        },
    ),
    "NVIDIA-GeForce-RTX-5090": Silicon(170, {2407: HALF_AD102 | {"INT8": 2048, "FP4": 4096}}),
    "AMD_Instinct_MI210": Silicon(
        104, {1700: tensor(1024, "FP16", "BF16", "INT8", FP64=256, FP32=256)}
    ),
    "AMD_Instinct_MI300X_OAM": Silicon(304, {2100: CDNA3}),
    "AMD_Instinct_MI325X_OAM": Silicon(304, {2100: CDNA3}),
    "AMD_Instinct_MI350X_OAM": Silicon(256, {2200: CDNA4}),
    "AMD_Instinct_MI355X_OAM": Silicon(256, {2400: CDNA4}),
    "Intel-Gaudi2": Silicon(2, {1650: {"BF16": 2 * 256 * 256, "FP8": 4 * 256 * 256}}),
}
UNWITNESSED = {
    "NVIDIA-H20": "its tensor cores are throttled by export rules, not by its silicon",
    "NVIDIA-GB200": "no document prints its clock; its formats are checked against each other",
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": "no document prints its clock",
    "Intel-Gaudi3": "has no peak",
}

BUS = {  # width of the memory bus [bit], data rate of a pin [Gbit/s]
    "Tesla-K80": (384, 5.0), "Tesla-P100-SXM2-16GB": (4096, 1.43),
    "Tesla-P100-PCIE-16GB": (4096, 1.43), "Tesla-P100-PCIE-12GB": (3072, 1.43),
    "Tesla-P4": (256, 6.0), "Tesla-P40": (384, 7.2),
    "Tesla-V100-SXM2-16GB": (4096, 1.75), "Tesla-V100-SXM2-32GB": (4096, 1.75),
    "Tesla-V100-PCIE-16GB": (4096, 1.75), "Tesla-V100-PCIE-32GB": (4096, 1.75),
    "Tesla-V100S-PCIE-32GB": (4096, 2.21), "Tesla-T4": (256, 10),
    "Quadro-RTX-6000": (384, 14), "Quadro-RTX-8000": (384, 14),
    "NVIDIA-GeForce-RTX-2080-Ti": (352, 14),
    "NVIDIA-A100-SXM4-40GB": (5120, 2.43), "NVIDIA-A100-SXM4-80GB": (5120, 3.19),
    "NVIDIA-A100-PCIE-40GB": (5120, 2.43), "NVIDIA-A100-80GB-PCIe": (5120, 3.02),
    "NVIDIA-A800-SXM4-80GB": (5120, 3.19), "NVIDIA-A800-80GB-PCIe": (5120, 3.02),
    "NVIDIA-A30": (3072, 2.43), "NVIDIA-A10": (384, 12.5), "NVIDIA-A10G": (384, 12.5),
    "NVIDIA-A16": (128, 12.5), "NVIDIA-A40": (384, 14.5), "NVIDIA-RTX-A6000": (384, 16),
    "NVIDIA-GeForce-RTX-3090": (384, 19.5),
    "NVIDIA-L4": (192, 12.5), "NVIDIA-L40": (384, 18), "NVIDIA-L40S": (384, 18),
    "NVIDIA-GeForce-RTX-4090": (384, 21),
    "NVIDIA-H100-80GB-HBM3": (5120, 5.24), "NVIDIA-H100-PCIe": (5120, 3.19),
    "NVIDIA-H100-NVL": (6016, 5.24), "NVIDIA-H800": (5120, 5.24),
    "NVIDIA-H800-PCIe": (5120, 3.19), "NVIDIA-H20": (6144, 5.24),
    "NVIDIA-H200": (6144, 6.25), "NVIDIA-H200-NVL": (6144, 6.25),
    "NVIDIA-GH200-480GB": (6144, 5.24), "NVIDIA-GH200-144G-HBM3e": (6144, 6.4),
    "NVIDIA-B200": (8192, 7.5), "NVIDIA-GB200": (8192, 7.8),
    "NVIDIA-GeForce-RTX-5090": (512, 28),
    "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition": (512, 25),
    "AMD_Instinct_MI210": (4096, 3.2), "AMD_Instinct_MI300X_OAM": (8192, 5.2),
    "AMD_Instinct_MI325X_OAM": (8192, 6.0), "AMD_Instinct_MI350X_OAM": (8192, 8.0),
    "AMD_Instinct_MI355X_OAM": (8192, 8.0),
    "Intel-Gaudi2": (6144, 3.2), "Intel-Gaudi3": (8192, 3.6),
}  # fmt: skip

LINKS = {  # links of one GPU, what each carries in one direction [GB/s]
    "Tesla-P100-SXM2-16GB": (4, 20),
    "Tesla-V100-SXM2-16GB": (6, 25), "Tesla-V100-SXM2-32GB": (6, 25),
    "Quadro-RTX-6000": (2, 25), "Quadro-RTX-8000": (2, 25), "NVIDIA-GeForce-RTX-2080-Ti": (2, 25),
    "NVIDIA-A100-SXM4-40GB": (12, 25), "NVIDIA-A100-SXM4-80GB": (12, 25),
    "NVIDIA-A100-PCIE-40GB": (12, 25), "NVIDIA-A100-80GB-PCIe": (12, 25),
    "NVIDIA-A800-SXM4-80GB": (8, 25), "NVIDIA-A800-80GB-PCIe": (8, 25),
    "NVIDIA-A30": (4, 25),
    "NVIDIA-A40": (4, 14.0625), "NVIDIA-RTX-A6000": (4, 14.0625),
    "NVIDIA-GeForce-RTX-3090": (4, 14.0625),
    "NVIDIA-H100-80GB-HBM3": (18, 25), "NVIDIA-H100-PCIe": (12, 25), "NVIDIA-H100-NVL": (12, 25),
    "NVIDIA-H800": (8, 25), "NVIDIA-H800-PCIe": (8, 25), "NVIDIA-H20": (18, 25),
    "NVIDIA-H200": (18, 25), "NVIDIA-H200-NVL": (18, 25),
    "NVIDIA-B200": (18, 50), "NVIDIA-GB200": (18, 50),
    "AMD_Instinct_MI210": (3, 50), "AMD_Instinct_MI300X_OAM": (7, 64),
    "AMD_Instinct_MI325X_OAM": (7, 64), "AMD_Instinct_MI350X_OAM": (7, 76.8),
    "AMD_Instinct_MI355X_OAM": (7, 76.8),
    "Intel-Gaudi2": (24, 12.5), "Intel-Gaudi3": (24, 25),
}  # fmt: skip


def test_every_gpu_has_a_second_witness_or_a_reason() -> None:
    assert SILICON.keys() | UNWITNESSED.keys() == BY_NAME.keys() == BUS.keys()
    assert not SILICON.keys() & UNWITNESSED.keys()


@pytest.mark.parametrize(
    ("gpu", "silicon"),
    [pytest.param(BY_NAME[name], silicon, id=name) for name, silicon in SILICON.items()],
)
def test_the_peak_is_units_times_clock_times_operations(gpu: Accelerator, silicon: Silicon) -> None:
    computed = {
        NumberFormat(name): silicon.units * mhz * 1e6 * operations
        for mhz, formats in silicon.at_mhz.items()
        for name, operations in formats.items()
    }
    assert gpu.peak_flops.keys() <= computed.keys()
    for number_format, peak in gpu.peak_flops.items():
        assert peak == pytest.approx(computed[number_format], rel=ROUNDING), number_format


@pytest.mark.parametrize("gpu", ACCELERATORS, ids=lambda gpu: gpu.name)
def test_the_memory_is_as_fast_as_its_bus(gpu: Accelerator) -> None:
    bits, gbit_per_s = BUS[gpu.name]
    assert gpu.memory_bandwidth == pytest.approx(bits * gbit_per_s * 1e9 / 8, rel=ROUNDING)


@pytest.mark.parametrize("gpu", ACCELERATORS, ids=lambda gpu: gpu.name)
def test_the_links_carry_what_each_of_them_carries(gpu: Accelerator) -> None:
    links = LINKS.get(gpu.name)
    want = None if links is None else links[0] * links[1] * 1e9
    assert gpu.link_bandwidth == want


@pytest.mark.parametrize(
    ("number_format", "bits"),
    [(NumberFormat.BF16, 16), (NumberFormat.FP16, 16), (NumberFormat.FP8, 8)],
)
def test_the_h20_is_just_under_the_export_limit(number_format: NumberFormat, bits: int) -> None:
    """Peak times bits may be 2,400 at most; source: 15 CFR 774, ECCN 3A090.b, October 2023."""
    tera = BY_NAME["NVIDIA-H20"].peak_flops[number_format] / 1e12
    assert 2300 < tera * bits < 2400
