"""MIG devices have the parts of their GPU that NVIDIA says."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quartermaster.catalog.labels import accelerator
from quartermaster.catalog.mig import PROFILES, MigProfile, mig_profile

EVERY = [(gpu, name) for gpu, profiles in PROFILES.items() for name in profiles]


@pytest.mark.parametrize(
    ("label", "compute", "memory"),
    [
        ("A100-SXM4-40GB-MIG-1g.5gb", "1/7", "1/8"),
        ("A100-SXM4-40GB-MIG-1g.10gb", "1/7", "1/4"),
        ("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "1/7", "1/8"),
        ("NVIDIA-A100-SXM4-80GB-MIG-3g.40gb", "3/7", "1/2"),
        ("NVIDIA-A100-SXM4-80GB-MIG-7g.80gb", "1", "1"),
        ("NVIDIA-A30-MIG-2g.12gb.me", "1/2", "1/2"),
        ("NVIDIA-H100-80GB-HBM3-MIG-2g.20gb-SHARED", "2/7", "1/4"),
        ("NVIDIA-H200-MIG-1g.35gb", "1/7", "1/4"),
        ("NVIDIA-B200-MIG-4g.90gb", "4/7", "1/2"),
        ("NVIDIA-H100-NVL-MIG-1g.24gb", "1/7", "1/4"),
        ("NVIDIA-RTX-PRO-6000-Blackwell-Server-Edition-MIG-1g.24gb", "1/4", "1/4"),
    ],
)
def test_a_profile_has_the_part_that_the_user_guide_says(label, compute, memory) -> None:
    assert mig_profile(label) == MigProfile(Fraction(compute), Fraction(memory))


@pytest.mark.parametrize(
    "label",
    [
        "NVIDIA-A100-SXM4-80GB",  # a whole GPU
        "NVIDIA-A100-SXM4-80GB-MIG-1g.5gb",  # a profile of the smaller one
        "NVIDIA-A100-SXM4-80GB-MIG-1c.3g.40gb",  # shares its memory
        "Tesla-T4-MIG-1g.5gb",  # knows no MIG
        "NVIDIA-X100-MIG-1g.5gb",
        "1g.5gb",
        "",
    ],
)
def test_what_no_gpu_offers_is_not_known(label: str) -> None:
    assert mig_profile(label) is None


def test_every_gpu_with_profiles_is_in_the_catalogue() -> None:
    for name in PROFILES:
        gpu = accelerator(name)
        assert gpu is not None
        assert gpu.name == name


@pytest.mark.parametrize(("gpu", "profile"), EVERY, ids=lambda part: part)
def test_a_profile_has_the_memory_in_its_name(gpu: str, profile: str) -> None:
    whole = accelerator(gpu)
    part = mig_profile(f"{gpu}-MIG-{profile}")
    assert whole is not None
    assert part is not None
    said = int(profile.partition(".")[2].removesuffix("gb"))
    had = float(part.memory) * whole.memory_bytes / 2**30
    assert had == pytest.approx(said, abs=1)
    assert 0 < part.compute <= 1
    assert 0 < part.memory <= 1


@given(st.sampled_from(sorted(PROFILES)), st.data())
def test_more_slices_are_never_less_memory(gpu: str, data: st.DataObject) -> None:
    a, b = (data.draw(st.sampled_from(sorted(PROFILES[gpu].items())))[1] for _ in range(2))
    if a.compute < b.compute:
        assert a.memory <= b.memory
