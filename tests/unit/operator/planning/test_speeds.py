"""How fast a job's steps would be elsewhere, from its document, and when nobody knows."""

from typing import Any

import pytest

from quartermaster.planning.speeds import step_seconds
from tests.support import make

H100, L4, T4 = "NVIDIA-H100-80GB-HBM3", "NVIDIA-L4", make.T4
MODELS = (H100, L4, T4, "Nobodys-GPU")


def document(profile: dict[str, Any] | None) -> dict[str, Any]:
    status = {} if profile is None else {"profile": profile}
    per_worker = {"gpus": 1, "cpu": "1", "memory": "1Gi"}
    trainer = {"command": ["x"], "batchSize": 32, "resourcesPerWorker": per_worker}
    return {
        "metadata": {
            "name": "job",
            "namespace": "team",
            "uid": "u",
            "creationTimestamp": "2026-11-25T00:00:00Z",
        },
        "spec": {"trainer": trainer},
        "status": status,
    }


def profile(**changes: Any) -> dict[str, Any]:
    told = {
        "bound": "Compute",
        "stepSeconds": "0.05",
        "computeFraction": "1",
        "communicationFraction": "0",
        "dataWaitFraction": "0",
        "flopsPerStep": "1000000000000",
        "memoryTrafficPerStep": "2000000000",
        "parameters": 25_000_000,
        "processes": 1,
        "nodes": 1,
        "precision": "BF16",
        "accelerator": H100,
        "memoryPerWorker": "9Gi",
        "memoryKind": "Device",
    }
    return {key: value for key, value in (told | changes).items() if value is not None}


def test_it_is_as_fast_as_it_was_where_it_ran_and_slower_on_less() -> None:
    steps = step_seconds(document(profile()), MODELS)
    assert steps[H100] == pytest.approx(0.05)
    assert steps[L4] > 2 * steps[H100]
    assert "Nobodys-GPU" not in steps


def test_who_waits_for_data_is_nearly_as_fast_on_less() -> None:
    waits = profile(computeFraction="0.02", dataWaitFraction="0.98", stepSeconds="1")
    steps = step_seconds(document(waits), MODELS)
    assert steps[L4] < 1.5 * steps[H100]


def test_what_does_not_fit_into_memory_is_no_choice() -> None:
    steps = step_seconds(document(profile(memoryPerWorker="40Gi")), MODELS)
    assert set(steps) == {H100}
    large = profile(parameters=3_000_000_000, memoryPerWorker=None)
    assert set(step_seconds(document(large), MODELS)) == {H100}


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(document(None), id="it has not run"),
        pytest.param(document(profile(flopsPerStep=None)), id="it does not count"),
        pytest.param(document(profile(accelerator=f"{H100}, {L4}")), id="on two models"),
        pytest.param(document(profile(accelerator="")), id="on CPUs"),
        pytest.param({**document(profile()), "spec": {"nothing": "readable"}}, id="not readable"),
    ],
)
def test_nothing_is_guessed(told: dict[str, Any]) -> None:
    assert step_seconds(told, MODELS) == {}
