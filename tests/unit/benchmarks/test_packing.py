"""The packing benchmark, over a cluster of three nodes."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks import openb, packing
from benchmarks.packing_results import POLICIES, SEEDS

NODES = """\
sn,cpu_milli,memory_mib,gpu,model
n0,8000,65536,2,T4
n1,16000,65536,1,G2
n2,64000,262144,4,G2
"""
PODS = """\
name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec
p0,4000,8192,1,500,
p1,4000,8192,1,500,T4
p2,2000,4096,0,0,
p3,8000,8192,2,1000,G2|T4
p4,4000,8192,1,1000,
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / openb.NODES).write_text(NODES)
    (tmp_path / openb.PODS.format("default")).write_text(PODS)
    return tmp_path


def read(data: Path) -> openb.PodList:
    _, bits = openb.read_fleet(data)
    return openb.read_pods(data, "default", bits)


def test_a_list_is_read_as_it_stands(data: Path) -> None:
    fleet, bits = openb.read_fleet(data)
    pods = openb.read_pods(data, "default", bits)
    assert fleet.idle == 7000
    assert len(pods.classes) == 5
    assert pods.classes.demand[pods.pods].tolist() == [500, 500, 0, 2000, 1000]
    assert pods.classes.models[pods.pods[1]] == bits["T4"]
    assert pods.classes.models[pods.pods[3]] == bits["T4"] | bits["G2"]


def test_arrivals_are_the_whole_list_and_then_no_more_than_it_takes(data: Path) -> None:
    pods = read(data)
    coming = openb.arrivals(pods, 9100, np.random.default_rng(1))
    assert sorted(coming[: len(pods.pods)]) == sorted(pods.pods)
    asked = np.cumsum(pods.classes.demand[coming])
    assert asked[-2] < 9100 <= asked[-1]
    again = openb.arrivals(pods, 9100, np.random.default_rng(1))
    assert (coming == again).all()


def test_all_policies_run_and_the_document_holds_them(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "packing.md"
    command = ["--data", str(data), "--lists", "default", "--seeds", "3-4"]
    assert packing.main([*command, "--output", str(output)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(POLICIES)
    assert lines[0].startswith("[1/5, ")
    text = output.read_text()
    assert "| default | fgd | 95.23 / 95.39 |" in text
    assert "Unfinished" not in text
    assert "Mean over 1 lists" in text


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        (openb.NODES, None, "No such file"),
        (openb.NODES, "a,b\n1,2\n", "no column"),
        (openb.PODS.format("default"), PODS.replace("G2|T4", "H200"), "H200"),
        (openb.PODS.format("default"), PODS.replace("8192", "much"), "much"),
    ],
    ids=["missing", "other columns", "unknown model", "no number"],
)
def test_bad_data_gives_one_line_that_names_the_file(
    data: Path, name: str, text: str | None, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (data / name).unlink()
    if text is not None:
        (data / name).write_text(text)
    assert packing.main(["--data", str(data), "--lists", "default", "--seeds", "1"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(str(data / name))
    assert says in line


@pytest.mark.parametrize(
    "wrong",
    [["--seeds", "x"], ["--seeds", "5-4"], ["--jobs", "0"], ["--lists", "nine"]],
    ids=" ".join,
)
def test_a_wrong_option_is_refused(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        packing.parse(wrong)
    assert repr(wrong[1]) in capsys.readouterr().err


def test_only_a_whole_run_writes_the_results() -> None:
    assert packing.parse([]).output.name == "packing.md"
    assert packing.parse([]).seeds == SEEDS
    assert packing.parse(["--seeds", "42-50"]).output is None
