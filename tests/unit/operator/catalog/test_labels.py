"""What real nodes carry leads to one GPU model, and what is not known to none."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.catalog.gpus import ACCELERATORS
from quartermaster.catalog.labels import ALIASES, accelerator, bare

NAMES = [gpu.name for gpu in ACCELERATORS]

CARRIED = {
    # nvidia.com/gpu.product
    "NVIDIA-A100-SXM4-80GB": "NVIDIA-A100-SXM4-80GB",
    "A100-SXM4-40GB": "NVIDIA-A100-SXM4-40GB",
    "A100-SXM4-40GB-MIG-1g.5gb": "NVIDIA-A100-SXM4-40GB",
    "NVIDIA-A100-80GB-PCIe-MIG-3g.40gb-SHARED": "NVIDIA-A100-80GB-PCIe",
    "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me": "NVIDIA-H100-80GB-HBM3",
    "Tesla-T4": "Tesla-T4",
    "Tesla-T4-SHARED": "Tesla-T4",
    "NVIDIA-A10G": "NVIDIA-A10G",
    "GeForce-RTX-2080-Ti": "NVIDIA-GeForce-RTX-2080-Ti",
    "NVIDIA-GB200": "NVIDIA-GB200",
    # cloud.google.com/gke-accelerator
    "nvidia-tesla-k80": "Tesla-K80",
    "nvidia-tesla-p4": "Tesla-P4",
    "nvidia-tesla-p100": "Tesla-P100-PCIE-16GB",
    "nvidia-tesla-v100": "Tesla-V100-SXM2-16GB",
    "nvidia-tesla-t4": "Tesla-T4",
    "nvidia-tesla-a100": "NVIDIA-A100-SXM4-40GB",
    "nvidia-a100-80gb": "NVIDIA-A100-SXM4-80GB",
    "nvidia-l4": "NVIDIA-L4",
    "nvidia-h100-80gb": "NVIDIA-H100-80GB-HBM3",
    "nvidia-h100-mega-80gb": "NVIDIA-H100-80GB-HBM3",
    "nvidia-h200-141gb": "NVIDIA-H200",
    "nvidia-b200": "NVIDIA-B200",
    "nvidia-gb200": "NVIDIA-GB200",
    "nvidia-rtx-pro-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
    # karpenter.k8s.aws/instance-gpu-name
    "t4": "Tesla-T4",
    "a10g": "NVIDIA-A10G",
    "a100": "NVIDIA-A100-SXM4-40GB",
    "v100": "Tesla-V100-SXM2-16GB",
    "h100": "NVIDIA-H100-80GB-HBM3",
    "h200": "NVIDIA-H200",
    "l40s": "NVIDIA-L40S",
    "rtx-pro-server-6000": "NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition",
    # amd.com/gpu.product-name
    "AMD_Instinct_MI300X_OAM": "AMD_Instinct_MI300X_OAM",
    "AMD_Instinct_MI300X_VF": "AMD_Instinct_MI300X_OAM",
    "Instinct-MI300X": "AMD_Instinct_MI300X_OAM",
    "AMD_Instinct_MI325_OAM": "AMD_Instinct_MI325X_OAM",
}


@pytest.mark.parametrize(("label", "want"), CARRIED.items())
def test_a_label_that_nodes_carry_is_understood(label: str, want: str) -> None:
    found = accelerator(label)
    assert found is not None
    assert found.name == want


@pytest.mark.parametrize(
    "label",
    ["", "-", "NVIDIA", "nvidia-", "Tesla", "GeForce-GT-710", "t4g", "m60", "radeon-pro-v520",
     "NVIDIA-A100X", "a100-", "MIG-1g.5gb", "-SHARED", "qualcomm-ai100", "A10GG"],
)  # fmt: skip
def test_an_unknown_label_names_nothing(label: str) -> None:
    assert accelerator(label) is None


def test_every_alias_stands_for_one_model_and_hides_none() -> None:
    assert set(ALIASES.values()) <= set(NAMES)
    own = Counter(bare(name) for name in NAMES)
    assert max(own.values()) == 1
    for alias in ALIASES:
        assert bare(alias) == alias, "an alias is written as it is looked up"
        assert alias not in own


def test_a_name_without_memory_means_the_smallest_of_its_kind() -> None:
    for short in ("v100", "a100", "h100"):
        smallest = accelerator(short)
        assert smallest is not None
        family = smallest.name.rsplit("-", 1)[0]
        kin = [gpu for gpu in ACCELERATORS if gpu.name.startswith(family)]
        assert smallest.memory_bytes == min(gpu.memory_bytes for gpu in kin)


@given(
    gpu=st.sampled_from(ACCELERATORS),
    upper=st.booleans(),
    separator=st.sampled_from("-_ "),
    mig=st.sampled_from(["", "-MIG-1g.5gb", "-MIG-7g.80gb.me", "-MIG-1c.3g.20gb"]),
    shared=st.sampled_from(["", "-SHARED"]),
)
def test_case_separators_and_sharing_do_not_matter(gpu, upper, separator, mig, shared) -> None:
    name = gpu.name.replace("-", separator).replace("_", separator)
    label = (name.upper() if upper else name.lower()) + mig + shared
    assert accelerator(label) == gpu


@given(st.text())
def test_any_text_is_answered(text: str) -> None:
    found = accelerator(text)
    assert found is None or bare(text) in {*ALIASES, *map(bare, NAMES)}
