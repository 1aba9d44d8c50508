"""How nodes say that their GPUs are in parts, and what a part is of a GPU."""

from fractions import Fraction

import pytest

from quartermaster.catalog import partitions
from quartermaster.catalog.partitions import GPU, SHARED_GPU, Parting, parting

PRODUCT = "nvidia.com/gpu.product"
COUNT = "nvidia.com/gpu.count"
REPLICAS = "nvidia.com/gpu.replicas"
A100 = "NVIDIA-A100-SXM4-80GB"
MIG_1G = "nvidia.com/mig-1g.10gb"
MIG_3G = "nvidia.com/mig-3g.40gb"


def test_a_node_of_whole_gpus_and_one_without_any_have_no_parts() -> None:
    assert parting({GPU: 8}, {PRODUCT: A100, COUNT: "8"}) is None
    assert parting({GPU: 8}, {PRODUCT: A100, "nvidia.com/gpu.sharing-strategy": "none"}) is None
    assert parting({GPU: 0}, {}) is None


def test_mig_devices_of_the_mixed_strategy_are_counted_by_their_compute_slices() -> None:
    labels = {PRODUCT: A100, COUNT: "2", "nvidia.com/mig.strategy": "mixed"}
    assert parting({GPU: 1, MIG_1G: 4, MIG_3G: 1}, labels) == Parting(
        parts={MIG_1G: 4, MIG_3G: 1},
        fractions={MIG_1G: Fraction(1, 7), MIG_3G: Fraction(3, 7)},
        gpus=Fraction(2),
        whole=1,
    )


def test_how_many_gpus_mig_devices_come_from_is_not_guessed() -> None:
    found = parting({MIG_3G: 2}, {PRODUCT: A100})
    assert found is not None
    assert found.gpus is None


@pytest.mark.parametrize("product", ["NVIDIA-X100", "Tesla-T4", "", "NVIDIA-A30"])
def test_a_profile_that_a_gpu_is_not_known_to_have_has_no_fraction(product: str) -> None:
    found = parting({MIG_1G: 7}, {PRODUCT: product, COUNT: "1"})
    assert found is not None
    assert found.parts == {MIG_1G: 7}
    assert found.fractions == {}


@pytest.mark.parametrize(
    ("resource", "labels"),
    [
        (GPU, {PRODUCT: "Tesla-T4-SHARED"}),
        (GPU, {PRODUCT: "Tesla-T4", "nvidia.com/gpu.sharing-strategy": "time-slicing"}),
        (GPU, {PRODUCT: "Tesla-T4", "nvidia.com/gpu.sharing-strategy": "mps"}),
        (SHARED_GPU, {PRODUCT: "Tesla-T4"}),
        (SHARED_GPU, {PRODUCT: "Tesla-T4", "nvidia.com/gpu.sharing-strategy": "mps"}),
    ],
)
def test_slots_of_shared_gpus_are_never_whole_gpus(resource: str, labels: dict[str, str]) -> None:
    found = parting({resource: 8}, labels | {REPLICAS: "4"})
    assert found == Parting({resource: 8}, {resource: Fraction(1, 4)}, Fraction(2), whole=0)


@pytest.mark.parametrize("told", [{}, {REPLICAS: "0"}, {REPLICAS: "four"}, {REPLICAS: "-4"}])
def test_without_the_number_of_slots_nothing_is_known_of_one(told: dict[str, str]) -> None:
    found = parting({SHARED_GPU: 8}, {PRODUCT: "Tesla-T4", **told})
    assert found is not None
    assert (found.fractions, found.gpus) == ({}, None)


def test_mig_devices_that_pods_share_are_nobodys() -> None:
    """Neither a device of one's own, nor a slot of a whole GPU."""
    found = parting({MIG_1G: 14}, {PRODUCT: A100, f"{MIG_1G}.replicas": "2"})
    assert found is not None
    assert (found.parts, found.whole) == ({}, 0)


def test_a_mig_device_with_media_engines_is_as_large_as_one_without() -> None:
    name = "nvidia.com/mig-1g.10gb.me"
    found = parting({name: 1}, {PRODUCT: A100, COUNT: "1"})
    assert found is not None
    assert found.fractions == {name: Fraction(1, 7)}


def test_what_users_say_and_what_pods_ask_for_are_one_to_one() -> None:
    resources = [partitions.resource(name) for name in partitions.PARTITIONS]
    assert len(set(resources)) == len(resources)
    assert [partitions.partition(name) for name in resources] == list(partitions.PARTITIONS)
    assert partitions.resource("1g.10gb") == MIG_1G
