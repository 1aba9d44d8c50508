"""From the labels of real nodes to GPU models.

Four kinds of label name a GPU: `nvidia.com/gpu.product` of GPU feature discovery,
`cloud.google.com/gke-accelerator`, `karpenter.k8s.aws/instance-gpu-name`, and
`amd.com/gpu.product-name`. They differ in case, separators and the maker's name in front, and GPU
feature discovery adds how a GPU is shared; all that is taken off before a name is looked up.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from quartermaster.catalog.gpus import ACCELERATORS
from quartermaster.domain.hardware import Accelerator

_SHARING = re.compile(r"(-mig-[0-9a-z.+-]+)?(-shared)?$")
"""Source: NVIDIA k8s-device-plugin, docs/gpu-feature-discovery, 'MIG single strategy'."""
_MAKERS = ("nvidia-", "tesla-", "amd-", "instinct-", "intel-")

ALIASES: Mapping[str, str] = MappingProxyType(
    {
        # Karpenter's and GKE's names that leave memory or form open. Of what the two clouds have
        # by that name, it is the smallest: what fits into it fits into all of them.
        "p100": "Tesla-P100-PCIE-16GB",
        "v100": "Tesla-V100-SXM2-16GB",
        "a100": "NVIDIA-A100-SXM4-40GB",
        "a100-40gb": "NVIDIA-A100-SXM4-40GB",
        "a100-80gb": "NVIDIA-A100-SXM4-80GB",
        "h100": "NVIDIA-H100-80GB-HBM3",
        "h100-80gb": "NVIDIA-H100-80GB-HBM3",
        "h100-mega-80gb": "NVIDIA-H100-80GB-HBM3",
        "h200-141gb": "NVIDIA-H200",
        "rtx-pro-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
        "rtx-pro-server-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
        # Names of older drivers.
        "a100-sxm-80gb": "NVIDIA-A100-SXM4-80GB",
        "h100-80gb-hbm2e": "NVIDIA-H100-PCIe",
        # AMD's labeller, which takes the name from the driver: with the form, without, virtual.
        "mi300x": "AMD_Instinct_MI300X_OAM",
        "mi300x-vf": "AMD_Instinct_MI300X_OAM",
        "mi325x": "AMD_Instinct_MI325X_OAM",
        "mi325-oam": "AMD_Instinct_MI325X_OAM",
        "mi350x": "AMD_Instinct_MI350X_OAM",
        "mi355x": "AMD_Instinct_MI355X_OAM",
    }
)
"""Names that are not a model's own, as `bare` leaves them, and the model each stands for."""


def bare(label: str) -> str:
    """A label without case, maker and sharing: `Tesla-T4-SHARED` is `t4`."""
    name = re.sub(r"[ _]", "-", label.strip().lower())
    name = _SHARING.sub("", name)
    for maker in _MAKERS:
        name = name.removeprefix(maker)
    return name


_BY_NAME: Mapping[str, Accelerator] = MappingProxyType({gpu.name: gpu for gpu in ACCELERATORS})
_BY_BARE_NAME: Mapping[str, Accelerator] = MappingProxyType(
    {bare(name): gpu for name, gpu in _BY_NAME.items()}
    | {alias: _BY_NAME[name] for alias, name in ALIASES.items()}
)


def accelerator(label: str) -> Accelerator | None:
    """The whole GPU that a label names; None where it names none, or one that is not known.

    Where the instance type is known too, `instances.instance` is the more exact: Karpenter calls
    both A100s of AWS `a100`. How much of the GPU a MIG device has is `mig.mig_profile`.
    """
    return _BY_BARE_NAME.get(bare(label))
