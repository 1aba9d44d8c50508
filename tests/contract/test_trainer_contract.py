"""Operator and trainer image share no code: the page, and both sides of it, are held equal here."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from qm_trainer import CONTRACT_VERSION, config, errors, progress
from qm_trainer.launch import outcome
from qm_trainer.launch.gang import Gang
from quartermaster.adapters.http import MAX_BODY
from quartermaster.api import meta
from quartermaster.domain import failure
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.measurement import Measurement, MemoryKind
from quartermaster.domain.worker import Exit, Phase
from quartermaster.manifests import runtime, volume, worker
from quartermaster.reconcile import blame
from quartermaster.reconcile.progress import last_words, read_report
from tests.support import make

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/reference/trainer-contract.md").read_text()
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = make.record("digits").key
URL = "http://quartermaster.quartermaster-system.svc:8080/v1/progress"


def section(title: str) -> str:
    return PAGE.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def rows(text: str) -> list[list[str]]:
    table = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table[1:]]


def example(title: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(section(title).split("```json\n", 1)[1].split("```", 1)[0])
    return found


ENDS = [
    (int(code), kind.strip("`"), what)
    for code, kind, _, what in rows(section("How a worker ends"))
    if code.isdigit() and kind
]


def test_exit_codes_and_classes_are_the_pages_on_both_sides() -> None:
    told = {code: kind for code, kind, _ in ENDS}
    assert told == {code: kind.value for code, kind in failure.EXIT_CODES.items()}
    assert told == {kind.exit_code: kind.__name__ for kind in errors.CLASSES}


def test_what_the_operator_does_is_what_the_page_says() -> None:
    assert {code for code, _, what in ENDS if "fails the job" in what} == set(failure.HOPELESS)
    assert {code for code, _, what in ENDS if "not counted" in what} == set(failure.BLAMELESS)


def test_the_version_is_the_same_everywhere() -> None:
    assert f"Version: {runtime.CONTRACT}." in PAGE
    assert CONTRACT_VERSION == runtime.CONTRACT


def told_variables() -> set[str]:
    names = set()
    for row in rows(section("What a worker pod gets")):
        names |= set(re.findall(r"[A-Z][A-Z_]{3,}", row[0]))
    return names


@pytest.mark.parametrize("own_command", [False, True])
def test_a_worker_gets_the_variables_of_the_page(*, own_command: bool) -> None:
    spec = make.spec()
    if own_command:
        changes = {"command": ["torchrun", "x.py"]}
        spec = type(spec).model_validate({"trainer": changes})
    given = {variable["name"] for variable in runtime.environment(spec, KEY, "uid", URL)}
    ours = {name for name in given if name.startswith(("QM_", "PET_"))}
    # The Job controller sets the index itself.
    expected = told_variables() - {"JOB_COMPLETION_INDEX"}
    assert ours == expected - ({"QM_CONFIG"} if own_command else set())


def plain(spec: Any) -> dict[str, str]:
    return {
        variable["name"]: variable.get("value", "0")
        for variable in runtime.environment(spec, KEY, "uid-1", URL)
    }


def test_the_gang_that_the_operator_writes_is_the_one_that_the_trainer_reads() -> None:
    spec = make.spec(trainer={"workers": 3, "resourcesPerWorker": {"gpus": 4}})
    gang = Gang.from_environment(plain(spec))
    assert (gang.nodes, gang.node_rank, gang.processes) == (3, 0, 4)
    assert (gang.host, gang.port) == ("digits-0.digits", runtime.MASTER_PORT)
    assert gang.id == "uid-1"


def test_the_run_that_the_operator_writes_is_the_one_that_the_trainer_reads() -> None:
    spec = make.spec(
        trainer={
            "epochs": 7, "batchSize": 32, "learningRate": "0.0125", "precision": "BF16",
            "strategy": {"mode": "DDP"}, "seed": 5,
        },
        checkpoint={"periodSeconds": 60, "keep": 4},
    )  # fmt: skip
    run = config.parse(plain(spec)["QM_CONFIG"])
    assert (run.job.namespace, run.job.name, run.job.uid) == ("team", "digits", "uid-1")
    assert (run.trainer.epochs, run.trainer.batch_size, run.trainer.seed) == (7, 32, 5)
    assert float(run.trainer.learning_rate) == 0.0125
    assert (run.trainer.precision.value, run.trainer.strategy.value) == ("BF16", "DDP")
    assert (run.checkpoint.period_seconds, run.checkpoint.keep) == (60, 4)
    assert run.checkpoint.uri is None


def test_the_bucket_that_the_operator_writes_is_the_one_that_the_trainer_reads() -> None:
    spec = make.spec(checkpoint={"uri": "s3://models/vision", "secretName": "keys"})
    where = volume.location(spec, KEY, "uid-1")
    assert config.parse(plain(spec)["QM_CONFIG"]).checkpoint.uri == where.uri
    assert where.uri == "s3://models/vision/digits-uid-1"


def test_every_default_and_every_choice_of_the_api_is_read_by_the_trainer() -> None:
    config.parse(plain(make.spec())["QM_CONFIG"])
    for precision in ("Auto", "FP32", "BF16", "FP16"):
        for strategy in ("Auto", "DDP", "FSDP"):
            trainer = {"precision": precision, "strategy": {"mode": strategy}}
            config.parse(plain(make.spec(trainer=trainer))["QM_CONFIG"])


def keys(tree: Any) -> Any:
    return {k: keys(v) for k, v in tree.items() if k != "args"} if isinstance(tree, dict) else None


def test_the_pages_run_has_the_fields_of_both_sides() -> None:
    told = example("QM_CONFIG")
    assert keys(json.loads(plain(make.spec())["QM_CONFIG"])) == keys(told)
    config.parse(json.dumps(told))


def test_the_pages_report_is_read_whole_and_has_the_trainers_fields() -> None:
    told = example("Progress")
    assert set(progress.Reporter(None).last) == set(told)
    found = read_report(told, NOW)
    assert found is not None
    measured = found.measured
    assert measured is not None
    assert None not in [getattr(measured, name) for name in measured.__slots__]


def test_the_pages_profile_is_explained_field_by_field() -> None:
    told = example("Progress")["profile"]
    explained = [re.findall(r"`([A-Za-z]+)`", row[0]) for row in rows(section("Progress"))]
    assert sorted(name for names in explained for name in names) == sorted(told)
    parts = ("dataWaitSeconds", "forwardSeconds", "backwardSeconds", "optimizerSeconds")
    assert sum(told[name] for name in parts) == pytest.approx(told["stepSeconds"])
    assert len(told) <= progress.PROFILE_LIMIT
    text = section("Progress")
    assert all(f"`{kind}`" in text for kind in MemoryKind)
    assert {name for name in NumberFormat if f"`{name}`" in text} == set(NumberFormat)


def test_a_report_of_the_trainer_is_read_by_the_operator() -> None:
    reporter = progress.Reporter(None)
    reporter.report(
        state="Training", step=3, total_steps=9, epoch=1, loss=float("nan"),
        samples_per_second=5.5, seconds_remaining=4.0, metrics={"accuracy": 0.5},
        checkpoint={"step": 2, "time": "2026-11-23T10:00:00Z"}, model="model",
        profile={"stepSeconds": 0.25, "flops": 3.1e12, "dataWaitSeconds": float("inf")},
    )  # fmt: skip
    found = read_report(json.loads(json.dumps(reporter.last)), NOW)
    assert found is not None
    assert (found.state, found.step, found.total_steps, found.loss) == ("Training", 3, 9, None)
    assert found.metrics == {"accuracy": 0.5}
    assert (found.checkpoint_step, found.model) == (2, "model")
    assert found.measured == Measurement(step_seconds=0.25, flops=3.1e12)


def test_last_words_of_the_trainer_are_understood() -> None:
    reporter = progress.Reporter(None)
    reporter.report(state="Done", step=9, total_steps=9)
    words = outcome.Verdict(0, None, reporter.last).to_json()
    done = make.worker(phase=Phase.SUCCEEDED, exit=Exit(0, "Completed", words))
    found = last_words([done], NOW)
    assert found is not None
    assert (found.state, found.step) == ("Done", 9)


@pytest.mark.parametrize("kind", errors.CLASSES)
def test_an_ending_of_the_trainer_is_told_as_it_was_written(
    kind: type[errors.TrainerError],
) -> None:
    ending = errors.Ending(kind.__name__, "change this", "log " * 3000)
    text = ending.to_json()
    assert len(text.encode()) <= errors.TERMINATION_LIMIT
    end = Exit(kind.exit_code, "Error", text)
    found, message = blame.ended(make.worker(phase=Phase.FAILED, exit=end))
    assert found == kind.__name__
    assert message.startswith("change this; last lines: ")


def test_limits_and_paths_are_the_pages() -> None:
    assert f"at most {errors.TERMINATION_LIMIT:,} bytes" in PAGE
    assert f"413 over {MAX_BODY // 1024} KiB" in PAGE
    assert f"at most once in {progress.PERIOD_S:.0f} s" in PAGE
    assert f"at most {progress.METRICS_LIMIT} numbers" in PAGE
    assert f"`{volume.MOUNT}` (the volume)" in PAGE
    assert f"`{runtime.WORKSPACE}`" in PAGE
    assert f"`{runtime.TOKEN_DIR}/token`" in PAGE
    assert f"the user is {worker.USER_ID}" in PAGE
    assert f"`{' '.join(runtime.LAUNCH)}`" in PAGE
    assert meta.token_audience("NAMESPACE", "JOB") in PAGE
    assert URL.endswith("/v1/progress")
