"""From what the processes left to one ending."""

import json
from pathlib import Path

import pytest

from qm_trainer.errors import Ending
from qm_trainer.launch import cgroup, outcome
from qm_trainer.launch.outcome import Failure


def ending(kind: str, log: str = "") -> Ending:
    return Ending(kind, f"why {kind}", log)


CASES: list[tuple[str, list[Failure], dict[int, Ending], bool, bool, int, str]] = [
    ("all went well", [], {}, False, False, 0, ""),
    ("sigterm before training", [], {}, True, False, 76, "Interrupted"),
    ("saved", [Failure(0, 76, 1.0)], {0: ending("Interrupted")}, True, False, 76, "Interrupted"),
    (
        "a peer was told",
        [Failure(0, 75, 1.0)],
        {0: ending("PeerLost")},
        False,
        False,
        75,
        "PeerLost",
    ),
    ("ended by oom", [Failure(0, -9, 1.0)], {}, False, True, 79, "OutOfMemory"),
    ("killed by hand", [Failure(0, -9, 1.0)], {}, False, False, 71, "Crash"),
    ("segmentation fault", [Failure(0, -11, 1.0)], {}, False, False, 71, "Crash"),
    ("a script says 65", [Failure(0, 65, 1.0)], {}, False, False, 65, "DataError"),
    ("a script's own code", [Failure(0, 3, 1.0)], {}, False, False, 3, "Crash"),
    ("not yet listening", [Failure(0, -15, 1.0)], {}, True, False, 76, "Interrupted"),
    (
        "full while told",
        [Failure(0, 74, 1.0)],
        {0: ending("StorageError")},
        True,
        False,
        74,
        "StorageError",
    ),
    (
        "the cause, not its effect, even if the effect was seen first",
        [Failure(0, 75, 1.0), Failure(1, 71, 2.0)],
        {0: ending("PeerLost"), 1: ending("Crash")},
        False,
        False,
        71,
        "Crash",
    ),
    (
        "an oom kill takes the others along",
        [Failure(0, 75, 1.0), Failure(1, -9, 1.1), Failure(2, -15, 1.2)],
        {0: ending("PeerLost")},
        False,
        True,
        79,
        "OutOfMemory",
    ),
]


@pytest.mark.parametrize(
    ("failures", "endings", "told", "oom", "code", "kind"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_the_cause_decides(
    failures: list[Failure],
    endings: dict[int, Ending],
    told: bool,
    oom: bool,
    code: int,
    kind: str,
) -> None:
    verdict = outcome.judge(failures, endings, told=told, killed_for_memory=oom)
    assert verdict.code == code
    assert (verdict.ending.kind if verdict.ending else "") == kind


def test_endings_come_back_as_they_were_left(tmp_path: Path) -> None:
    left = {0: ending("Crash", "one\ntwo"), 11: ending("PeerLost")}
    for rank, one in left.items():
        outcome.write(tmp_path, rank, one)
    assert outcome.read(tmp_path) == left


def test_a_run_that_is_done_tells_its_last_report(tmp_path: Path) -> None:
    assert outcome.read_report(tmp_path) is None
    outcome.write_report(tmp_path, {"state": "Done", "step": 5})
    verdict = outcome.Verdict(0, None, outcome.read_report(tmp_path))
    want = {"class": "Done", "report": {"state": "Done", "step": 5}}
    assert json.loads(verdict.to_json()) == want


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_oom_kills_are_read_from_cgroup_2(tmp_path: Path) -> None:
    write(tmp_path / "memory.events", "low 0\nhigh 0\nmax 4\noom 2\noom_kill 2\noom_group_kill 0\n")
    write(tmp_path / "self", "0::/\n")
    assert cgroup.oom_kills(tmp_path, tmp_path / "self") == 2


def test_oom_kills_are_read_from_cgroup_1(tmp_path: Path) -> None:
    text = "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"
    write(tmp_path / "memory/pods/one/memory.oom_control", text)
    write(tmp_path / "self", "9:cpu,cpuacct:/other\n7:memory:/pods/one\n")
    assert cgroup.oom_kills(tmp_path, tmp_path / "self") == 3


def test_inside_a_container_the_groups_own_path_is_not_there(tmp_path: Path) -> None:
    write(tmp_path / "memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")
    write(tmp_path / "self", "7:memory:/kubepods/pod1/container\n")
    assert cgroup.oom_kills(tmp_path, tmp_path / "self") == 1


def test_a_kernel_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    assert cgroup.oom_kills(tmp_path, tmp_path / "self") is None


@pytest.mark.parametrize(
    ("name", "files", "want"),
    [
        ("version 2", {"cpu.max": "250000 100000\n"}, 2),
        ("less than one core", {"cpu.max": "50000 100000\n"}, 1),
        ("no limit", {"cpu.max": "max 100000\n"}, 8),
        ("a limit above the machine", {"cpu.max": "1600000 100000\n"}, 8),
        ("version 1", {"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
        ("no limit in 1", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 8),
        ("nothing is said", {}, 8),
        ("it cannot be read", {"cpu.max": "many\n"}, 8),
        ("no period", {"cpu.max": "100 0\n"}, 8),
    ],
)
def test_cores_are_those_of_the_container(
    tmp_path: Path, name: str, files: dict[str, str], want: int
) -> None:
    for path, text in files.items():
        write(tmp_path / path, text)
    assert cgroup.cores(tmp_path, tmp_path / "self", machine=8) == want, name
