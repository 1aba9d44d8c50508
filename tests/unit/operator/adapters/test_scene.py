"""A cycle that is written down is decided anew in the same way."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from quartermaster.__main__ import main
from quartermaster.adapters import scene
from quartermaster.decide.queue.admit import admit
from quartermaster.domain.cluster import Link, Pool
from quartermaster.domain.hardware import NumberFormat
from quartermaster.domain.profile import JobProfile, Measured
from quartermaster.errors import SpecError
from tests.unit.operator.decide.test_golden_queues import SCENES, scene_of


@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_what_is_read_is_decided_as_what_was_written(path: Path) -> None:
    before = scene_of(yaml.safe_load(path.read_text()))
    after = scene.read(scene.write(before))
    assert after.snapshot == before.snapshot
    assert list(after.waiting) == list(before.waiting)
    assert list(after.holdings) == list(before.holdings)
    assert after.tree == before.tree
    assert list(admit(after)) == list(admit(before))


def test_what_is_known_of_a_jobs_steps_is_written_too() -> None:
    before = scene_of(yaml.safe_load(SCENES[0].read_text()))
    profile = JobProfile(
        flops_per_sample=1e12,
        parameters=7,
        batch=64,
        number_format=NumberFormat.BF16,
        measured=(Measured("Tesla-T4", 2, 2, 0.25, 3.125e9, 4e-5),),
    )
    gangs = [replace(gang, profile=profile) for gang in before.waiting]
    wired = Pool("wired", links=(Link("kubernetes.io/hostname", 50e9, 1e-6),))
    cluster = replace(before.snapshot, pools=(*before.snapshot.pools, wired))
    after = scene.read(scene.write(replace(before, waiting=gangs, snapshot=cluster)))
    assert after.snapshot.pools == cluster.pools
    assert [gang.profile for gang in after.waiting] == [profile] * len(gangs)


def saved(folder: Path) -> Path:
    found = next(path for path in SCENES if path.stem == "what-was-borrowed-is-taken-back")
    file = folder / "cycle.json"
    file.write_bytes(scene.write(scene_of(yaml.safe_load(found.read_text()))))
    return file


def test_a_saved_cycle_is_told_line_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", str(saved(tmp_path))]) == 0
    out = capsys.readouterr().out
    assert ": waits (" in out or ": placed on " in out
    assert "    stops " in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("{", "Invalid JSON", id="half a file"),
        pytest.param("[]", "the document", id="a list"),
        pytest.param("{}", "snapshot: Field required", id="nothing in it"),
    ],
)
def test_what_is_no_cycle_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    file = tmp_path / "cycle.json"
    file.write_text(text)
    assert main(["replay", str(file)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


def test_a_cycle_of_another_version_is_refused(tmp_path: Path) -> None:
    document = json.loads(saved(tmp_path).read_bytes()) | {"schema_version": 2}
    with pytest.raises(SpecError, match="of version 2; this quartermaster reads version 1"):
        scene.read(json.dumps(document).encode())


def test_a_file_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "/nowhere/cycle.json"]) == 2
    assert "/nowhere/cycle.json: No such file" in capsys.readouterr().err
