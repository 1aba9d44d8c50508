"""What placement is told of a job's steps: measured before predicted, and nothing made up."""

from typing import Any

import pytest

from quartermaster.api.training_job import TrainingJobSpec
from quartermaster.api.training_job_status import Profile
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.profile import Bound, Kernel, Measured, ProfileSource
from quartermaster.reconcile.profile.step_costs import job_profile
from tests.support import make
from tests.support.operation import Operation

COSTS = {
    "flopsPerSample": 1000,
    "parameters": 50,
    "memoryTrafficPerSample": "2Ki",
    "kernel": "Convolution",
}


def spec(costs: dict[str, Any] | None = None, **trainer: Any) -> TrainingJobSpec:
    more = {} if costs is None else {"stepCosts": costs}
    per_worker = {"gpus": 1, "cpu": "1", "memory": "1Gi"}
    return make.spec(trainer={"resourcesPerWorker": per_worker, "batchSize": 10} | trainer, **more)


def known(**changes: Any) -> Profile:
    told: dict[str, Any] = {
        "bound": Bound.COMPUTE,
        "step_seconds": "0.5",
        "compute_fraction": "0.8",
        "communication_fraction": "0",
        "data_wait_fraction": "0.2",
        "flops_per_step": "30000",
        "memory_traffic_per_step": "700",
        "parameters": 60,
        "processes": 8,
        "nodes": 2,
        "precision": NumberFormat.FP32,
        "accelerator": make.T4,
    }
    return Profile(**(told | changes))


def test_nothing_known_is_nothing_told() -> None:
    assert job_profile(spec(), None) is None


def test_a_job_without_gpus_is_not_weighed_by_speed() -> None:
    assert job_profile(spec(COSTS, resourcesPerWorker={"gpus": 0, "cpu": "1"}), known()) is None


def test_what_the_spec_says_is_a_prediction() -> None:
    told = job_profile(spec(COSTS), None)
    assert told is not None
    assert told.source is ProfileSource.PREDICTED
    assert (told.flops_per_sample, told.parameters, told.batch) == (1000.0, 50, 10)
    assert (told.traffic_per_sample, told.kernel) == (2048.0, Kernel.CONVOLUTION)
    assert told.number_format is NumberFormat.BF16
    assert told.measured == ()


def test_what_was_measured_goes_before_what_the_spec_says() -> None:
    told = job_profile(spec(COSTS), known())
    assert told is not None
    assert told.source is ProfileSource.MEASURED
    assert (told.flops_per_sample, told.parameters) == (3000.0, 60)
    assert told.traffic_per_sample == 70.0
    assert told.input_seconds_per_sample == pytest.approx(0.01)
    assert told.number_format is NumberFormat.FP32
    assert told.measured == (Measured(make.T4, per_node=4, nodes=2, seconds=0.5),)
    assert told.kernel is Kernel.CONVOLUTION


def test_a_time_is_kept_with_the_network_that_it_was_measured_on() -> None:
    network = {"network_gigabits_per_second": "25", "network_latency_microseconds": "40"}
    told = job_profile(spec(COSTS), known(**network))
    assert told is not None
    (seen,) = told.measured
    assert (seen.network_bandwidth, seen.network_latency) == (25e9 / 8, pytest.approx(40e-6))


@pytest.mark.parametrize(
    "changes",
    [{"accelerator": "NVIDIA-A10G, Tesla-T4"}, {"accelerator": ""}, {"nodes": None}],
    ids=["two models at once", "no model", "on nobody knows how many nodes"],
)
def test_a_time_is_of_one_model_in_one_shape_or_of_none(changes: dict[str, Any]) -> None:
    told = job_profile(spec(), known(**changes))
    assert told is not None
    assert told.measured == ()
    assert told.flops_per_sample == 3000.0


@pytest.mark.parametrize("missing", ["flops_per_step", "parameters"])
def test_half_a_measurement_leaves_the_spec_its_say(missing: str) -> None:
    told = job_profile(spec(COSTS), known(**{missing: None}))
    assert told is not None
    assert told.source is ProfileSource.PREDICTED
    assert job_profile(spec(), known(**{missing: None})) is None


def mixed_cluster() -> Operation:
    """Cheap slow GPUs and dear fast ones: four times the price, many times the speed."""
    it = Operation()
    it.cluster.add_node(
        make.node("slow", gpu=make.T4, instance_type="g4dn.12xlarge"),
        make.node("fast", gpu=make.H100, instance_type="p5.48xlarge"),
    )
    prices = make.price("1", accelerator=make.T4), make.price("4", accelerator=make.H100)
    it.cluster.all_pools = (make.pool("all", *prices),)
    return it


def submit(it: Operation, costs: dict[str, Any] | None) -> None:
    it.cluster.submit(make.record("job", spec(costs, workers=2)))
    it.cluster.children["uid-job"] = make.child("uid-job", "job", workers=2)
    it.cluster.controllers()


@pytest.mark.parametrize(
    ("costs", "node"),
    [(None, "slow"), ({"flopsPerSample": 10**13, "parameters": 10**6}, "fast")],
    ids=["by the hour", "by the work"],
)
async def test_the_cycle_weighs_what_a_job_costs_to_finish(
    costs: dict[str, Any] | None, node: str
) -> None:
    it = mixed_cluster()
    submit(it, costs)
    await it.cycle.once()
    assert {worker.node for worker in it.cluster.workers("uid-job")} == {node}


def test_a_model_that_is_split_sends_more_and_holds_less() -> None:
    whole = job_profile(spec(COSTS), None)
    split = job_profile(spec(COSTS, workers=4, strategy={"mode": "FSDP"}), known())
    assert whole is not None
    assert split is not None
    assert (whole.strategy.passes, split.strategy.passes) == (2, 3)
    assert split.memory(4) == split.memory(1) / 4


def test_processes_that_share_layers_share_what_a_sample_costs() -> None:
    whole = job_profile(spec(COSTS), None)
    halved = job_profile(spec(COSTS, workers=2, strategy={"tensorParallel": 2}), None)
    assert whole is not None
    assert halved is not None
    assert halved.flops_per_sample == whole.flops_per_sample / 2
    assert halved.synchronised() == whole.synchronised() / 2
    shards = job_profile(spec(COSTS, workers=4, strategy={"shards": 2}), None)
    assert shards is not None
    assert shards.strategy.passes == 3
    assert shards.memory(4) == shards.memory(2) == shards.memory(8)
