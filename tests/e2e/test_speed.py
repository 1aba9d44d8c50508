"""Placing by what a step costs: three jobs, four kinds of nodes, on the real API server.

The nodes are kwok's: they have no GPUs, and nothing runs on them. What is tested is what the
operator decides from the objects that a real cluster would show it, and what it says of that.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.fake_nodes import fake_nodes
from tests.support.stage import Json, Stage, shell_job

pytestmark = pytest.mark.e2e

POOL = "a-mixed"
"""Before all others: a node belongs to the first pool by name that holds it."""
H100, A100, A10G = "NVIDIA-H100-80GB-HBM3", "NVIDIA-A100-SXM4-40GB", "NVIDIA-A10G"
GIGA = 10**9


def pool() -> Json:
    """On-demand prices of AWS us-east-1 (2026-07-20), but for A10Gs that are had cheaply."""
    usd = {"p5.48xlarge": "55.04", "p4d.24xlarge": "21.96", "g6.48xlarge": "13.35"}
    rows = [{"instanceType": kind, "usdPerNodeHour": price} for kind, price in usd.items()]
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL},
        "spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": "kwok.x-k8s.io/node"}],
            "prices": [*rows, {"accelerator": A10G, "usdPerGpuHour": "0.60"}],
        },
    }


@pytest.fixture
def mixed(stage: Stage) -> Iterator[Stage]:
    """One fake node of each kind, eight GPUs on each, and what they cost."""
    with fake_nodes(stage, 4, pool()):
        yield stage


def job(name: str, batch_size: int, **costs: Any) -> Json:
    document = shell_job(
        name, "sleep 600", workers=8, resourcesPerWorker={"gpus": 1, "cpu": "1", "memory": "1Gi"}
    )
    document["spec"]["trainer"]["batchSize"] = batch_size
    document["spec"]["placement"] = {"pools": [POOL], "objective": "Cost"}
    document["spec"]["stepCosts"] = costs
    return document


def test_three_jobs_of_different_kinds_land_on_three_kinds_of_nodes(mixed: Stage) -> None:
    """Each where a unit of its work is cheapest, and told why."""
    mixed.apply(
        job("computes", 64, flopsPerSample=12_000 * GIGA, parameters=25_000_000),
        job(
            "remembers",
            64,
            flopsPerSample=2 * GIGA,
            parameters=2_000_000,
            memoryTrafficPerSample="4Gi",
            kernel="Lookup",
        ),
        job("talks", 8, flopsPerSample=20 * GIGA, parameters=1_500_000_000),
    )
    expected = {
        "computes": (H100, "Compute"),
        "remembers": (A10G, "Memory"),
        "talks": (A100, "Communication"),
    }
    for name, (accelerator, bound) in expected.items():
        status = mixed.wait_for(name, "Running", 60)
        placement = status["placement"]
        assert placement["accelerator"] == accelerator, placement
        assert placement["bound"] == bound
        assert float(placement["predictedStepSeconds"]) > 0
        assert "the cheapest to finish" in placement["reason"]
        assert f"{bound.lower()}-bound" in placement["reason"]
        against = [row["reason"] for row in placement["rejected"]]
        assert any("x the cost for" in reason for reason in against), against


def test_the_dearest_hour_is_not_the_dearest_job(mixed: Stage) -> None:
    """Without what its steps cost, the same job goes to the cheapest hour."""
    blind = job("blind", 64, flopsPerSample=1, parameters=1)
    del blind["spec"]["stepCosts"]
    mixed.apply(blind)
    placement = mixed.wait_for("blind", "Running", 60)["placement"]
    assert placement["accelerator"] == A10G
    assert "predictedStepSeconds" not in placement
