"""`kubectl qm plan` against a cluster in memory: pages, exit codes, refusals."""

import json
from pathlib import Path

import pytest

from kubectl_qm.errors import CommandError, UnreachableError, UsageError
from quartermaster.planning.jobs import read_jobs
from quartermaster.reconcile.profile.measured import mark
from tests.support import qm_make
from tests.support import qm_plan as make
from tests.unit.cli.conftest import Screen
from tests.unit.cli.test_golden import check

ONLY_A100 = f"  placement: {{accelerators: [{make.A100}]}}\n"
ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/planned-jobs.yaml"
GUIDE = ROOT / "docs/guides/plan.md"
SCENES = {
    "starts": make.job(more=make.COSTS),
    "makes-room": make.job(workers=4, more="  placement: {accelerators: [Tesla-T4]}\n"),
    "waits": make.job(queue="research", workers=12),
    "several": "---\n".join(
        [make.job("one", workers=5), make.job("two", workers=5, more=ONLY_A100)]
    ),
    "example": EXAMPLE.read_text(),
    "suspended": make.job(more="  suspend: true\n"),
}
CODES = {"starts": 0, "makes-room": 0, "waits": 1, "several": 1, "example": 0, "suspended": 1}


def planned(tmp_path: Path, text: str, *words: str, screen: Screen | None = None) -> Screen:
    file = tmp_path / "job.yaml"
    file.write_text(text)
    screen = screen or Screen(make.cluster(), width=110)
    screen.run("plan", "-f", str(file), *words)
    return screen


@pytest.mark.parametrize("scene", SCENES)
def test_the_screen_shows_what_would_become_of_the_jobs(tmp_path: Path, scene: str) -> None:
    screen = planned(tmp_path, SCENES[scene], "--steps", "6000")
    check(f"plan-{scene}.txt", screen.out)
    assert screen.code == CODES[scene]
    assert screen.err == ""
    assert all(len(line) <= 110 and line == line.rstrip() for line in screen.out.splitlines())


def test_the_guide_shows_what_the_example_gives(tmp_path: Path) -> None:
    screen = planned(tmp_path, EXAMPLE.read_text(), "--steps", "6000")
    assert screen.out in GUIDE.read_text()


@pytest.mark.parametrize("scene", ["starts", "makes-room", "waits"])
def test_a_program_reads_the_same(tmp_path: Path, scene: str) -> None:
    screen = planned(tmp_path, SCENES[scene], "-o", "json")
    check(f"plan-{scene}.json", screen.out)
    assert json.loads(screen.out)["allStart"] is (screen.code == 0)


def test_the_length_and_the_speed_of_an_earlier_job_of_equal_steps_are_taken(
    tmp_path: Path,
) -> None:
    screen = Screen(make.cluster(), width=110)
    text = make.job(workers=2)
    (job,) = read_jobs([("x", text)], "team-a", qm_make.NOW)
    assert job.spec is not None
    earlier = qm_make.training_job(
        "earlier",
        spec=json.loads(job.spec.model_dump_json(by_alias=True, exclude_none=True))
        | {"trainer": {"workers": 1, "epochs": 4, "batchSize": 256}},
        status=qm_make.complete_status(
            profile=qm_make.profile(
                fingerprint=mark(job.spec, "trainer:1"), fromJob="", accelerator="Tesla-T4",
                flopsPerStep="3000000000000", parameters=25_600_000, processes=1, nodes=1,
                stepSeconds="0.9",
            ),
            progress={"step": 800, "totalSteps": 800},
        ),
    )  # fmt: skip
    screen.cluster.jobs.append(make.object_of(earlier, 999))
    planned(tmp_path, text, "-o", "json", screen=screen)
    (cost,) = [one["cost"] for one in json.loads(screen.out)["jobs"]]
    # 800 steps in 4 epochs on one GPU: 100 an epoch on two.
    assert (cost["steps"], cost["stepsFromJob"]) == (100, "earlier")
    assert cost["seconds"] > 0


def test_settings_that_cannot_be_seen_are_remarked(tmp_path: Path) -> None:
    screen = Screen(make.cluster(), width=110)
    screen.cluster.denied = frozenset({"list_operators"})
    planned(tmp_path, SCENES["starts"], screen=screen)
    assert "the operator's settings could not be seen" in screen.err
    assert "would start now" in screen.out


BY_CLASS = """
apiVersion: quartermaster.dev/v1alpha1
kind: TrainingJob
metadata: {name: by-class}
spec:
  trainer:
    image: train:1
    command: [train]
    resourcesPerWorker: {gpus: 2, deviceClass: gpu.nvidia.com}
"""


def test_devices_of_a_class_are_planned_with_where_the_cluster_has_them(tmp_path: Path) -> None:
    screen = planned(tmp_path, BY_CLASS)
    assert screen.code == 1
    assert "without devices of that DeviceClass" in screen.out
    with_devices = Screen(make.cluster(), width=110)
    document = with_devices.cluster.nodes[0]
    node = document["metadata"]["name"]
    del document["status"]["allocatable"]["nvidia.com/gpu"]  # no device plugin beside the driver
    pool = {"name": node, "generation": 1, "resourceSliceCount": 1}
    spec = {"driver": "gpu.nvidia.com", "pool": pool, "nodeName": node}
    devices = [{"name": f"gpu-{number}"} for number in range(2)]
    with_devices.cluster.devices = {
        "deviceclasses": [make.object_of({"metadata": {"name": "gpu.nvidia.com"}, "spec": {}}, 1)],
        "resourceslices": [
            make.object_of({"metadata": {"name": "slice"}, "spec": spec | {"devices": devices}}, 2)
        ],
    }
    screen = planned(tmp_path, BY_CLASS, screen=with_devices)
    assert screen.code == 0, screen.out
    assert node in screen.out


def price_of_starting(tmp_path: Path, screen: Screen) -> str | None:
    planned(tmp_path, make.job(workers=1, more=ONLY_A100), "-o", "json", screen=screen)
    (told,) = json.loads(screen.out)["jobs"]
    rate: str | None = told["cost"]["usdPerHour"]
    return rate


def without_pool_prices() -> Screen:
    screen = Screen(make.cluster(), width=110)
    for pool in screen.cluster.pools:
        pool["spec"]["prices"] = []  # type: ignore[index] # the test's own documents
    return screen


def test_a_plan_knows_the_prices_that_the_operator_knows(tmp_path: Path) -> None:
    screen = without_pool_prices()
    for node in screen.cluster.nodes:
        node["metadata"]["labels"]["topology.kubernetes.io/region"] = "us-east-1"
    # p4d.24xlarge, 21.957642 USD by the shipped list, an eighth of it.
    assert price_of_starting(tmp_path, screen) == "2.7447"
    overlaid = without_pool_prices()
    overlay = {"metadata": {"name": "cheap"}, "spec": {"price": "8"}}
    overlaid.cluster.overlays = [make.object_of(overlay, 999)]
    assert price_of_starting(tmp_path, overlaid) == "1.0000"
    overlaid.cluster.denied = frozenset({"list_overlays"})
    assert price_of_starting(tmp_path, overlaid) is None


def test_a_plan_says_that_it_does_not_read_the_operators_own_list(tmp_path: Path) -> None:
    screen = Screen(make.cluster(), width=110)
    (operator,) = screen.cluster.operators
    (container,) = operator["spec"]["template"]["spec"]["containers"]
    container["env"].append({"name": "QM_PRICE_CATALOG", "value": "https://prices.example.com"})
    planned(tmp_path, SCENES["starts"], screen=screen)
    assert "note: the operator has a price list of its own (QM_PRICE_CATALOG)" in screen.err


@pytest.mark.parametrize("method", ["list_nodes", "list_namespaces", "list_every_pod"])
def test_missing_rights_are_told_with_all_that_are_needed(tmp_path: Path, method: str) -> None:
    screen = Screen(make.cluster())
    screen.cluster.denied = frozenset({method})
    with pytest.raises(UsageError) as caught:
        planned(tmp_path, SCENES["starts"], screen=screen)
    assert caught.value.exit_code == 2
    assert "list on nodes, namespaces, pods, trainingjobs, computepools" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("a: [", "not YAML", id="no YAML"),
        pytest.param(make.job(workers=0), "spec.trainer.workers", id="no worker"),
        pytest.param(make.job(queue="gone"), "ComputeQueue gone does not exist", id="no queue"),
        pytest.param(
            make.job(more="  placement: {pools: [moon]}\n"), "ComputePool moon does", id="no pool"
        ),
        pytest.param(make.job("large"), "team-a/large is there already and is Runn", id="a twin"),
    ],
)
def test_what_is_wrong_with_the_file_is_one_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(CommandError) as caught:
        planned(tmp_path, text)
    assert caught.value.exit_code == 2
    assert words in str(caught.value)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"^/nowhere/job.yaml: No such file"):
        Screen(make.cluster()).run("plan", "-f", "/nowhere/job.yaml")


def test_a_cluster_that_is_not_there_keeps_its_own_exit_code(tmp_path: Path) -> None:
    screen = Screen(make.cluster())
    screen.cluster.refusal = UnreachableError("nobody answers")
    with pytest.raises(UnreachableError, match="nobody answers"):
        planned(tmp_path, SCENES["starts"], screen=screen)


def test_a_plan_needs_a_file() -> None:
    with pytest.raises(UsageError, match="-f/--filename"):
        Screen().run("plan")
