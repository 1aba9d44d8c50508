"""`quartermaster simulate` as a user runs it: the example, formats, and what is refused."""

import csv
import io
import json
from pathlib import Path

import pytest
import yaml

from quartermaster.__main__ import main
from quartermaster.adapters import scene
from quartermaster.errors import SpecError
from quartermaster.planning.cluster_file import read_cluster, read_queues
from quartermaster.planning.trace_file import NEEDED, read_trace
from tests.support import make
from tests.unit.operator.decide.test_golden_queues import SCENES, scene_of

ROOT = Path(__file__).parents[4]
EXAMPLE = [
    str(ROOT / "examples/trace/jobs.csv"),
    "--cluster", str(ROOT / "examples/trace/cluster.yaml"),
    "--queues", str(ROOT / "examples/trace/queues.yaml"),
]  # fmt: skip
HEAD = ",".join(NEEDED)
ROW = "a,0,60,1,1,,,0"


def told(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["simulate", *EXAMPLE, *words]) == 0
    return capsys.readouterr().out


def test_the_example_prints_what_the_guide_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys) in (ROOT / "docs/guides/plan.md").read_text()


def test_all_formats_tell_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(told(capsys, "-o", "csv"))))
    document = json.loads(told(capsys, "-o", "json"))
    assert [row["name"] for row in rows] == [job["name"] for job in document["jobs"]]
    for row, job in zip(rows, document["jobs"], strict=True):
        assert float(row["end_seconds"]) == job["endSeconds"]
        assert row["usd"] == job["usd"]
        assert int(row["preemptions"]) == job["preemptions"] == len(job["stays"]) - 1
    total = document["summary"]
    assert total["jobs"] == total["complete"] == len(rows)
    assert sum(queue["jobs"] for queue in document["queues"].values()) == len(rows)
    held = sum(float(row["gpu_seconds"]) for row in rows)
    share = held / (document["gpus"] * document["makespanSeconds"])
    assert document["utilisation"] == pytest.approx(share, abs=1e-6)


def test_a_saved_cycle_is_an_empty_cluster_with_its_queues(tmp_path: Path) -> None:
    before = scene_of(yaml.safe_load(SCENES[0].read_text()))
    cluster, queues = read_cluster("cycle.json", scene.write(before))
    assert all(node.used.gpus == 0 for node in cluster.nodes)
    assert len(cluster.nodes) == len(before.snapshot.nodes)
    assert {one.name for one in queues} == {
        name for name, one in before.tree.queues.items() if not one.unlimited
    }


def test_a_trace_runs_on_a_saved_cycle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = next(path for path in SCENES if path.stem == "what-was-borrowed-is-taken-back")
    cycle, trace = tmp_path / "cycle.json", tmp_path / "t.csv"
    cycle.write_bytes(scene.write(scene_of(yaml.safe_load(path.read_text()))))
    # All sixteen GPUs are held in the cycle; here they are free.
    trace.write_text(f"{HEAD},memory\na,0,60,16,1,,research,0,1Gi\n")
    assert main(["simulate", str(trace), "--cluster", str(cycle), "-o", "csv"]) == 0
    assert ",Complete,0.0,0.0,0.0,60.0,60.0,960.0," in capsys.readouterr().out


def test_a_group_of_nodes_is_what_the_catalogue_and_the_file_say() -> None:
    text = (
        b"nodeGroups: [{name: a, count: 11, instanceType: g4dn.12xlarge, capacityType: Spot, "
        b'usdPerNodeHour: "1.4", labels: {topology.kubernetes.io/zone: z}}, '
        b'{name: own, gpus: 2, cpu: "8", memory: 32Gi, accelerator: Tesla-T4}]'
    )
    cluster, _ = read_cluster("c.yaml", text)
    first, last = cluster.nodes[0], cluster.nodes[-1]
    assert len(cluster.nodes) == 12
    assert (first.name, first.accelerator, first.allocatable.gpus) == ("a-00", make.T4, 4)
    assert (first.allocatable.cpu_m, first.capacity) == (48_000, "Spot")
    assert cluster.pool_of(first).name == "a"
    assert (last.name, last.allocatable.gpus, last.capacity) == ("own-0", 2, "Unknown")


def test_a_job_that_never_had_a_place_exits_1_and_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "jobs.csv"
    trace.write_text(f"{HEAD}\n{ROW}\nhuge,0,60,99,1,,,0\n")
    assert main(["simulate", str(trace), *EXAMPLE[1:3]]) == 1
    assert "never placed: default/huge: 99 workers of 1 GPU" in capsys.readouterr().out


BAD_TRACES = [
    ("", "column name, submit_seconds"),
    (f"{HEAD}\n", "t.csv: has no job in it"),
    (f"{HEAD},colour\n{ROW},red\n", "column colour is not known; there are: batch_size"),
    (f"{HEAD}\na,0,60\n", "t.csv: line 2: has not as many cells"),
    (f"{HEAD}\n{ROW},1\n", "t.csv: line 2: has not as many cells"),
    (f"{HEAD}\n{ROW}\n{ROW}\n", "t.csv: line 3: default/a is there twice"),
    (f"{HEAD}\na,soon,60,1,1,,,0\n", "line 2: submit_seconds: 'soon' is not a number"),
    (f"{HEAD}\na,-1,60,1,1,,,0\n", "submit_seconds: -1 is not between 0"),
    (f"{HEAD}\na,nan,60,1,1,,,0\n", "submit_seconds: nan is not between 0"),
    (f"{HEAD}\na,0,0,1,1,,,0\n", "duration_seconds: must be above 0"),
    (f"{HEAD}\na,0,inf,1,1,,,0\n", "duration_seconds: inf is not between 0"),
    (f"{HEAD}\na,0,60,0,1,,,0\n", "line 2: workers: Input should be greater than or equal to 1"),
    (f"{HEAD}\na,0,60,1.5,1,,,0\n", "line 2: workers: '1.5' is not a whole number"),
    (f"{HEAD}\na,0,60,1,-1,,,0\n", "line 2: gpus_per_worker: Input should be greater"),
    (f"{HEAD}\na,0,60,1,1,two words,,0\n", "line 2: gpu_models: must be a label's value"),
    (f"{HEAD}\na,0,60,1,1,,,high\n", "line 2: priority: 'high' is not a whole number"),
    (f"{HEAD}\n,0,60,1,1,,,0\n", "line 2: name: is empty"),
    (f'{HEAD}\n"a"b,0,60,1,1,,,0\n', "line 2: not CSV"),
    (f"{HEAD},kernel\n{ROW},Matmul\n", "line 2: flops_per_sample: Field required"),
]


@pytest.mark.parametrize(("text", "words"), BAD_TRACES, ids=[words for _, words in BAD_TRACES])
def test_a_trace_that_cannot_be_is_refused_with_its_line(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_trace("t.csv", text)
    assert words in str(caught.value)


BAD_CLUSTERS = [
    ("{", "c: not a cycle of this version"),
    ("a: [", "c: not YAML: line 1"),
    ("", "c: the document: Input should be"),
    ("nodes: 3", "c: nodeGroups: Field required"),
    ("nodeGroups: []", "c: nodeGroups: List should have at least 1 item"),
    ("nodeGroups: [{name: a, size: 3}]", "c: nodeGroups.0.size: Extra inputs"),
    ("nodeGroups: [{name: a}]", "a: there is no instanceType: give gpus, cpu, memory"),
    ("nodeGroups: [{name: a, instanceType: x1, gpus: 1}]", "x1 is not in the catalogue: give cpu"),
    (
        "nodeGroups: [{name: a, instanceType: g4dn.12xlarge}, {name: a, instanceType: g5.xlarge}]",
        "c: nodeGroups: a is there twice",
    ),
    (
        'nodeGroups: [{name: a, usdPerNodeHour: "1", usdPerGpuHour: "1"}]',
        "give either usdPerNodeHour or usdPerGpuHour",
    ),
]


@pytest.mark.parametrize(("text", "words"), BAD_CLUSTERS, ids=[words for _, words in BAD_CLUSTERS])
def test_a_cluster_that_cannot_be_is_refused(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_cluster("c", text.encode())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kind: Pod", "there is no ComputeQueue"),
        ("kind: ComputeQueue", "a ComputeQueue has no metadata.name"),
        ("{kind: ComputeQueue, metadata: {name: a}, spec: {weigt: 1}}", "a: spec.weigt: Extra"),
    ],
)
def test_queues_that_cannot_be_are_refused(text: str, words: str) -> None:
    with pytest.raises(SpecError) as caught:
        read_queues("q.yaml", text.encode())
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("queue", "file", "words"),
    [
        ("gone", "", "default/a: queue gone does not exist; there are: default, lab"),
        ("a", "{kind: ComputeQueue, metadata: {name: a}, spec: {parent: b}}", "parent b of"),
    ],
)
def test_a_queue_that_does_not_work_is_refused_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], queue: str, file: str, words: str
) -> None:
    trace, queues = tmp_path / "t.csv", tmp_path / "q.yaml"
    trace.write_text(f"{HEAD}\na,0,60,1,1,,{queue},0\n")
    queues.write_text(file or Path(EXAMPLE[4]).read_text())
    assert main(["simulate", str(trace), *EXAMPLE[1:3], "--queues", str(queues)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
