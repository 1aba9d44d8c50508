"""A GPU's own counters in a job's status, from the trainer's report or from an exporter."""

from dataclasses import replace
from typing import Any

from quartermaster.api.training_job_status import DeviceProfile, Profile
from quartermaster.domain.measurement import Busy, CounterSource, DeviceCounters, Measurement
from quartermaster.domain.profile import Bound
from quartermaster.domain.progress import Report
from quartermaster.reconcile.profile import device
from tests.support import gpus
from tests.support.operation import Operation
from tests.unit.operator.reconcile.test_life import operation, running

EXPORTED = DeviceCounters(CounterSource.DCGM, sm_active=0.9, tensor_active=0.1, dram_active=0.754)
READ = replace(EXPORTED, source=CounterSource.GPM, sm_active=0.2, dram_active=0.1)
STEP = Measurement(step_seconds=0.5, data_wait_seconds=0.0, communication_seconds=0.0)


def profile(**more: Any) -> Profile:
    told: dict[str, Any] = {
        "bound": Bound.COMPUTE,
        "step_seconds": "0.5",
        "compute_fraction": "1",
        "communication_fraction": "0",
        "data_wait_fraction": "0",
        "accelerator": gpus.H100.name,
    }
    return Profile(**(told | more))


def seen(
    measured: Measurement = STEP,
    exported: DeviceCounters | None = None,
    old: Profile | None = None,
) -> DeviceProfile | None:
    return device.witnessed(profile(), measured, exported, old, gpus.H100).device


def test_without_counters_nothing_is_told() -> None:
    assert seen() is None


def test_an_exporters_counters_are_told_with_what_they_contradict() -> None:
    assert seen(exported=EXPORTED) == DeviceProfile(
        source=CounterSource.DCGM,
        busy_fraction="0.90",
        tensor_fraction="0.10",
        memory_fraction="0.75",
        busy_with=Busy.MEMORY,
        disagreement="the memory is busy for 75 % of the time: rather memory-bound",
    )


def test_the_trainers_own_counters_go_before_an_exporters() -> None:
    found = seen(replace(STEP, device=READ), EXPORTED)
    assert found is not None
    assert (found.source, found.busy_with) == (CounterSource.GPM, Busy.IDLE)
    assert found.disagreement.startswith("the GPU is busy for 20 % of the time")


def test_links_have_a_share_where_the_gpu_is_known() -> None:
    fast = replace(EXPORTED, nvlink_bytes_per_second=360e9)
    found = seen(exported=fast)
    assert found is not None
    assert (found.link_fraction, found.busy_with) == ("0.80", Busy.LINKS)
    unknown = device.witnessed(profile(), STEP, fast, None, None).device
    assert unknown is not None
    assert unknown.link_fraction is None


def test_what_was_told_stays_when_the_pods_are_gone_and_not_on_another_gpu() -> None:
    before = profile(device=seen(exported=EXPORTED))
    assert seen(old=before) == before.device
    assert seen(old=before.model_copy(update={"accelerator": gpus.T4.name})) is None


def test_a_device_profile_can_be_stored() -> None:
    found = profile(device=seen(exported=EXPORTED))
    stored = found.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert Profile.model_validate(stored) == found


async def test_a_running_jobs_status_has_its_pods_counters_and_no_others() -> None:
    it: Operation = await running(operation())
    own = [worker.key for worker in it.cluster.workers("uid-job")]
    it.counters.counters = {own[0]: EXPORTED, own[1]: replace(EXPORTED, sm_active=0.7)}
    it.counters.counters[replace(own[0], namespace="other")] = READ
    it.cluster.clock.advance(11)
    now = it.cluster.clock.now()
    it.reports.reports["uid-job"] = Report(now, "Training", step=7, measured=STEP)
    await it.drive()
    job = it.cluster.job("uid-job")
    assert job is not None
    assert job.status.profile is not None
    assert job.status.profile.device is not None
    assert job.status.profile.device.busy_fraction == "0.80"
