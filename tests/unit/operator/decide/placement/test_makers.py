"""A job runs on the GPUs of the maker that its pods ask for, and on no others."""

import pytest

from quartermaster.decide.placement.choose import choose
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.resources import GpuResource
from tests.support import make

CLUSTER = {
    GpuResource.NVIDIA: make.node("nvidia", 4),
    GpuResource.AMD: make.node(
        "amd", 4, gpu="AMD_Instinct_MI300X_OAM", gpu_resource=GpuResource.AMD
    ),
    GpuResource.GAUDI: make.node("gaudi", 4, gpu="Intel-Gaudi3", gpu_resource=GpuResource.GAUDI),
}


@pytest.mark.parametrize("resource", GpuResource)
def test_a_gang_goes_where_its_makers_gpus_are(resource: GpuResource) -> None:
    snapshot = make.snapshot(CLUSTER.values(), make.pool("all", make.price("1")))
    decision = choose(make.gang(4, gpu_resource=resource), snapshot)
    assert isinstance(decision, Placed)
    assert {one.node for one in decision.assignments} == {CLUSTER[resource].name}


def test_a_gang_without_its_makers_gpus_is_told_so_at_once() -> None:
    snapshot = make.snapshot([CLUSTER[GpuResource.NVIDIA]], make.pool("all"))
    decision = choose(make.gang(1, gpu_resource=GpuResource.AMD), snapshot)
    assert isinstance(decision, Waiting)
    assert decision.refusal is Refusal.UNSATISFIABLE
    assert "1 node with GPUs of another maker" in decision.message


def test_a_gang_without_gpus_goes_anywhere() -> None:
    snapshot = make.snapshot([CLUSTER[GpuResource.GAUDI]], make.pool("all", make.price("1")))
    assert isinstance(choose(make.gang(1, 0), snapshot), Placed)
