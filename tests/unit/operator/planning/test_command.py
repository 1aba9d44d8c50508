"""`quartermaster plan` on a saved cycle."""

import json
from pathlib import Path

import pytest
import yaml

from quartermaster.__main__ import main
from quartermaster.adapters import scene
from tests.unit.operator.decide.test_golden_queues import SCENES, scene_of

JOB = """\
apiVersion: quartermaster.dev/v1alpha1
kind: TrainingJob
metadata: {{name: {name}, labels: {{quartermaster.dev/queue: {queue}}}}}
spec:
  model: {{factory: "qm_trainer.zoo:resnet"}}
  dataset: {{uri: "builtin://digits"}}
  trainer: {{workers: {workers}, resourcesPerWorker: {{gpus: 1, cpu: "1", memory: 1Gi}}}}
"""


def saved(folder: Path, name: str = "what-was-borrowed-is-taken-back") -> str:
    found = next(path for path in SCENES if path.stem == name)
    file = folder / "cycle.json"
    file.write_bytes(scene.write(scene_of(yaml.safe_load(found.read_text()))))
    return str(file)


def job(folder: Path, queue: str = "product", workers: int = 2, name: str = "new") -> str:
    file = folder / f"{name}.yaml"
    file.write_text(JOB.format(name=name, queue=queue, workers=workers))
    return str(file)


def test_the_plan_names_who_makes_room_and_what_that_loses(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", job(tmp_path), "--cycle", saved(tmp_path)]) == 0
    out = capsys.readouterr().out
    # team/b, which loses least, goes already for a job that waits in the cycle.
    assert out.startswith("default/new: would start as soon as those who make room for it")
    assert "stops team/c, which loses 10m00s of work" in out


def test_a_job_that_would_wait_exits_1_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plan", job(tmp_path, "research"), "--cycle", saved(tmp_path)]) == 1
    assert "default/new: would wait (" in capsys.readouterr().out


def test_a_program_reads_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["plan", job(tmp_path), "--cycle", saved(tmp_path), "-o", "json", "-n", "team"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["allStart"] is True
    (one,) = document["jobs"]
    assert (one["namespace"], one["outcome"]) == ("team", "MakesRoom")
    assert [stop["name"] for stop in one["stops"]] == ["c"]
    assert one["stops"][0]["lostUsd"] == "0.3333"


def test_the_same_input_has_the_same_answer(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["plan", job(tmp_path), job(tmp_path, name="more"), "--cycle", saved(tmp_path)]
    main(words)
    first = capsys.readouterr().out
    main(words)
    assert capsys.readouterr().out == first


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cycle, good = saved(tmp_path), job(tmp_path)
    for words, complaint in (
        ([job(tmp_path, "gone", name="x"), "--cycle", cycle], "ComputeQueue gone does not exist"),
        (["/nowhere.yaml", "--cycle", cycle], "/nowhere.yaml: No such file"),
        ([good, "--cycle", good], "not a cycle of this version"),
        ([cycle, "--cycle", cycle], "not a Kubernetes object"),
        ([job(tmp_path, name="a"), "-n", "team", "--cycle", cycle], "team/a is there already"),
    ):
        assert main(["plan", *words]) == 2
        error = capsys.readouterr().err
        assert complaint in error
        assert error.startswith("quartermaster: ")
        assert error.count("\n") == 1


def test_a_wrong_command_line_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["plan", "job.yaml", "--cycle", "c.json", "--steps", "0"])
    assert left.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
