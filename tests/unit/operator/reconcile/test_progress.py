"""Reports are untrusted: whatever comes is read within bounds, and can be told in a status."""

import json
import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.api.training_job_status import TrainingJobStatus
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import (
    CounterSource,
    DeviceCounters,
    Measurement,
    MemoryKind,
)
from quartermaster.domain.progress import Report
from quartermaster.domain.worker import Exit, Phase
from quartermaster.manifests import volume
from quartermaster.reconcile.money import accounts
from quartermaster.reconcile.money.accounts import Charging
from quartermaster.reconcile.progress import last_words, read_report
from quartermaster.reconcile.status import report
from tests.support import make
from tests.support.make import T0

GOOD: dict[str, Any] = {
    "schemaVersion": 1,
    "state": "Training",
    "step": 120,
    "totalSteps": 600,
    "epoch": 2,
    "loss": 0.31,
    "samplesPerSecond": 812.0,
    "stepSeconds": 0.079,
    "secondsRemaining": 38.0,
    "steppingSeconds": 9.4,
    "metrics": {"accuracy": 0.93},
    "checkpoint": {"step": 100, "time": "2026-11-23T10:00:00Z"},
    "model": None,
    "profile": {
        "steps": 20,
        "processes": 2,
        "precision": "FP32",
        "stepSeconds": 0.04,
        "dataWaitSeconds": 0.004,
        "forwardSeconds": 0.01,
        "backwardSeconds": 0.024,
        "optimizerSeconds": 0.002,
        "communicationSeconds": 0.01,
        "checkpointStallSeconds": 0.0028,
        "samplesPerSecond": 1600.0,
        "flops": 1260896256,
        "memoryTrafficBytes": 36326960,
        "synchronisedBytes": 2782640,
        "parameters": 695660,
        "parameterBytes": 2782640,
        "peakMemoryBytes": 752144384,
        "memoryKind": "Process",
    },
}
ANY_TEXT = st.text(st.characters(), max_size=12)
ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**30, -(10**400), 10**400, 2**53, -1]),
    st.floats(),
    st.sampled_from([-0.0, 1e-12, 1e308, 5e-324]),
    ANY_TEXT,
    st.sampled_from(["\ud800", "\x00", "../../etc", "/model", "x" * 300]),
    st.sampled_from(["0001-01-01T00:00:00+23:59", "2026-11-23T10:00:00+00:00:30", "2026-11-23"]),
)
SIZES = st.one_of(st.floats(1e-9, 1e22), st.integers(0, 2**60), st.just("BF16"))
"""What a profile's numbers could be."""
JSON = st.recursive(
    ODD,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=80), inner, max_size=20)
    ),
    max_leaves=12,
)


def told(found: Report) -> TrainingJobStatus:
    """The status that is made of a report, as the API server would store it."""
    spec = make.spec()
    job = make.record(spec=spec)
    facts = report.Facts(
        job=job,
        spec=spec,
        location=volume.location(spec, job.key, job.uid),
        now=make.after(5),
        wanted=1,
        progress=found,
        child=make.child(complete=True),
    )
    books = accounts.close(None, None, (), Charging(T0))
    made = report.status(facts, books)
    body = json.dumps(made.model_dump(mode="json", by_alias=True, exclude_none=True))
    json.loads(body.encode("utf-8").decode("utf-8"))
    return TrainingJobStatus.model_validate(json.loads(body))


def test_the_contracts_own_example_is_read_whole() -> None:
    found = read_report(GOOD, T0)
    assert found is not None
    assert (found.step, found.total_steps, found.epoch) == (120, 600, 2)
    assert found.checkpoint_step == 100
    assert found.metrics == {"accuracy": 0.93}
    progress = told(found).progress
    assert progress is not None
    assert progress.summary == "20% 120/600"


@settings(max_examples=400, deadline=None)
@given(
    st.one_of(
        st.fixed_dictionaries({}, optional=dict.fromkeys([*GOOD, "other"], ODD)),
        st.dictionaries(st.sampled_from([*GOOD, "other"]), JSON),
        st.builds(lambda inner: {"metrics": inner}, st.dictionaries(ANY_TEXT, ODD, max_size=20)),
        st.builds(
            lambda profile, step: {"profile": profile | {"stepSeconds": step}},
            st.fixed_dictionaries({}, optional=dict.fromkeys(GOOD["profile"], ODD | SIZES)),
            ODD | SIZES,
        ),
        st.builds(
            lambda step, time: {"checkpoint": {"step": step, "time": time}}, st.integers(0), ODD
        ),
    ),
    st.booleans(),
)
def test_no_report_is_too_odd_to_be_read_and_told(odd: dict[str, Any], valid: bool) -> None:
    body = odd | ({"schemaVersion": 1, "step": 3} if valid else {})
    found = read_report(body, T0)
    if found is None:
        assert not valid
        return
    for number in (found.loss, found.samples_per_second, found.seconds_remaining):
        assert number is None or math.isfinite(number)
    assert found.step >= 0
    told(found)


@given(JSON)
def test_what_is_no_object_is_no_report(body: Any) -> None:
    if not isinstance(body, dict):
        assert read_report(body, T0) is None


def test_a_step_is_a_whole_number_and_the_schema_is_ours() -> None:
    for changes in ({"step": True}, {"step": 1.0}, {"step": -1}, {"step": "1"}, {"step": 2**53}):
        assert read_report(GOOD | changes, T0) is None
    assert read_report(GOOD | {"schemaVersion": 2}, T0) is None


def test_what_is_not_finite_is_unknown() -> None:
    for odd in (math.nan, math.inf, -math.inf, True, "0.3", 10**400):
        found = read_report(GOOD | {"loss": odd, "metrics": {"accuracy": odd}}, T0)
        assert found is not None
        assert found.loss is None
        assert found.metrics == {}


def test_a_model_outside_the_runs_directory_is_not_believed() -> None:
    for path in ("../other/model", "a/../../b", "x" * 257, "", 7):
        found = read_report(GOOD | {"model": path}, T0)
        assert found is not None
        assert found.model is None


def test_the_last_words_of_a_worker_that_is_done_are_its_report() -> None:
    words = json.dumps({"class": "Done", "report": GOOD | {"state": "Done", "step": 600}})
    done = make.worker(phase=Phase.SUCCEEDED, ended=make.after(9), exit=Exit(0, "Completed", words))
    found = last_words([make.worker(1), done], make.after(99))
    assert found is not None
    assert (found.step, found.received) == (600, make.after(9))


def test_a_profile_is_read_whole() -> None:
    found = read_report(GOOD, T0)
    assert found is not None
    assert found.measured == Measurement(
        step_seconds=0.04,
        data_wait_seconds=0.004,
        communication_seconds=0.01,
        checkpoint_stall_seconds=0.0028,
        samples_per_second=1600.0,
        flops=1260896256,
        memory_traffic_bytes=36326960,
        synchronised_bytes=2782640,
        parameters=695660,
        peak_memory_bytes=752144384,
        memory_kind=MemoryKind.PROCESS,
        processes=2,
        precision=NumberFormat.FP32,
    )


def test_what_the_gpu_counted_is_read_with_it() -> None:
    counted = {"smActive": 0.83, "dramActive": 0.47, "pcieBytesPerSecond": 9e8}
    found = read_report(GOOD | {"profile": {"stepSeconds": 0.5} | counted}, T0)
    assert found is not None
    want = DeviceCounters(
        CounterSource.GPM, sm_active=0.83, dram_active=0.47, pcie_bytes_per_second=9e8
    )
    assert found.measured == Measurement(step_seconds=0.5, device=want)


def test_a_percentage_is_no_fraction() -> None:
    for odd in (83, 1.01, -0.1, math.nan, "0.5", True):
        found = read_report(GOOD | {"profile": {"stepSeconds": 0.5, "smActive": odd}}, T0)
        assert found is not None
        assert found.measured == Measurement(step_seconds=0.5), odd


def test_a_profile_without_a_believable_step_is_none() -> None:
    for odd in (None, 0, -1.0, 1e-7, 1e9, math.nan, math.inf, True, "0.04", [0.04]):
        found = read_report(GOOD | {"profile": {"stepSeconds": odd, "flops": 1.0}}, T0)
        assert found is not None
        assert found.measured is None, odd


def test_what_a_profile_does_not_know_is_unknown_and_what_is_odd_too() -> None:
    odd = {"flops": 1e21, "processes": 1.5, "precision": ["BF16"], "memoryKind": "Disk"}
    for told in ({}, odd, dict.fromkeys(GOOD["profile"])):
        found = read_report(GOOD | {"profile": told | {"stepSeconds": 0.5}}, T0)
        assert found is not None
        assert found.measured == Measurement(step_seconds=0.5)


def test_other_last_words_are_no_report() -> None:
    for message in ("", "Traceback", "[]", '{"class": "ConfigError"}', "{", '{"class": "Done"}'):
        worker = make.worker(phase=Phase.SUCCEEDED, exit=Exit(0, "Completed", message))
        assert last_words([worker], T0) is None
    failed = make.worker(exit=Exit(1, "Error", json.dumps({"class": "Done", "report": GOOD})))
    assert last_words([failed], T0) is None
