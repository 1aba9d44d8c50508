"""GPU sizes of Azure.

Where a size has InfiniBand, its network is that and the front-end card together.
"""

from quartermaster.catalog.published.datasheet import READ
from quartermaster.catalog.published.machine_type import Family, Size
from quartermaster.domain.hardware import Source

_SOURCE = Source("Azure virtual machines, GPU-accelerated sizes", READ)
_HDR = 8 * 200
_NDR = 8 * 400

FAMILIES = (
    Family("Azure", "Tesla-T4", linked=False, source=_SOURCE, sizes=(
        Size("Standard_NC4as_T4_v3", 1, 4, 28, 8),
        Size("Standard_NC8as_T4_v3", 1, 8, 56, 8),
        Size("Standard_NC16as_T4_v3", 1, 16, 110, 8),
        Size("Standard_NC64as_T4_v3", 4, 64, 440, 32),
    )),
    Family("Azure", "Tesla-V100-PCIE-16GB", linked=False, source=_SOURCE, sizes=(
        Size("Standard_NC6s_v3", 1, 6, 112, None),
        Size("Standard_NC12s_v3", 2, 12, 224, None),
        Size("Standard_NC24s_v3", 4, 24, 448, None),
        Size("Standard_NC24rs_v3", 4, 24, 448, None),
    )),
    Family("Azure", "Tesla-V100-SXM2-32GB", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND40rs_v2", 8, 40, 672, 100 + 24),
    )),
    # Its GPUs could be bridged; the page does not say that they are.
    Family("Azure", "NVIDIA-A100-80GB-PCIe", linked=False, source=_SOURCE, sizes=(
        Size("Standard_NC24ads_A100_v4", 1, 24, 220, 20),
        Size("Standard_NC48ads_A100_v4", 2, 48, 440, 40),
        Size("Standard_NC96ads_A100_v4", 4, 96, 880, 80),
    )),
    Family("Azure", "NVIDIA-A100-SXM4-40GB", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND96asr_v4", 8, 96, 900, _HDR + 24),
    )),
    Family("Azure", "NVIDIA-A100-SXM4-80GB", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND96amsr_A100_v4", 8, 96, 1900, _HDR + 24),
    )),
    # As with the A100 above.
    Family("Azure", "NVIDIA-H100-NVL", linked=False, source=_SOURCE, sizes=(
        Size("Standard_NC40ads_H100_v5", 1, 40, 320, 40),
        Size("Standard_NC80adis_H100_v5", 2, 80, 640, 80),
    )),
    Family("Azure", "NVIDIA-H100-80GB-HBM3", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND96isr_H100_v5", 8, 96, 1900, _NDR + 80),
    )),
    Family("Azure", "NVIDIA-H200", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND96isr_H200_v5", 8, 96, 1850, _NDR + 80),
    )),
    Family("Azure", "AMD_Instinct_MI300X_OAM", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND96isr_MI300X_v5", 8, 96, 1850, _NDR + 80),
    )),
    # The page prints the front end in two units that do not agree: InfiniBand alone.
    Family("Azure", "NVIDIA-GB200", linked=True, source=_SOURCE, sizes=(
        Size("Standard_ND128isr_NDR_GB200_v6", 4, 128, 900, 4 * 400),
    )),
    # The smaller NVads have a part of a GPU and are left out.
    Family("Azure", "NVIDIA-A10", linked=False, source=_SOURCE, sizes=(
        Size("Standard_NV36ads_A10_v5", 1, 36, 440, 40),
        Size("Standard_NV36adms_A10_v5", 1, 36, 880, 80),
        Size("Standard_NV72ads_A10_v5", 2, 72, 880, 80),
    )),
)  # fmt: skip
