"""Whole workers as real processes: gangs, signals, kills, exit codes.

The reference is one run of two processes that nothing disturbs; what was disturbed must end with
the very same losses.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from qm_trainer.launch import gang

pytestmark = [pytest.mark.torch, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[3]
SLOW = {"factory": "tests.unit.trainer.models:slow", "args": {"seconds": 0.05}}
PAIR = {**SLOW, "batchSize": 32, "epochs": 4}
Tree = Callable[..., dict[str, Any]]
Curve = Callable[[Path], dict[int, float]]


@dataclass
class Worker:
    """One `qm_trainer launch`, as the kubelet would start it."""

    run_dir: Path
    tree: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    command: tuple[str, ...] = ("launch",)
    name: str = "worker"

    def start(self) -> "Worker":
        self.run_dir.mkdir(parents=True, exist_ok=True)
        self.ending = self.run_dir / f"{self.name}.ending"
        self.ending.write_text("")
        environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("QM_", "PET_"))},
            "PYTHONPATH": f"{ROOT / 'trainer_image'}:{ROOT}",
            "QM_CONFIG": json.dumps(self.tree),
            "QM_RUN_DIR": str(self.run_dir),
            "QM_TERMINATION_LOG": str(self.ending),
            "OMP_NUM_THREADS": "1",
            **self.environment,
        }
        command = [sys.executable, "-u", "-m", "qm_trainer", *self.command]
        self.log = self.run_dir / f"{self.name}.log"
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        return self

    def until(self, words: str) -> None:
        """Wait until the log holds `words`."""
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.02)

    def end(self) -> int:
        return self.process.wait()

    def told(self) -> dict[str, Any]:
        """The termination message."""
        read: dict[str, Any] = json.loads(self.ending.read_text())
        return read

    def kill(self) -> None:
        """End it and all that it started, as the end of a container does."""
        for pid in [*descendants(self.process.pid), self.process.pid]:
            os.kill(pid, signal.SIGKILL)
        self.process.wait()


def descendants(pid: int) -> list[int]:
    """What `pid` started, the youngest generation first."""
    table = subprocess.run(["ps", "-eo", "pid=,ppid="], check=True, capture_output=True, text=True)
    parents = [tuple(map(int, line.split())) for line in table.stdout.splitlines()]
    children = [child for child, parent in parents if parent == pid]
    return [younger for child in children for younger in descendants(child)] + children


def pair(run_dir: Path, tree: dict[str, Any]) -> list[Worker]:
    """Two workers of one gang."""
    port = str(gang.free_port())
    shared = {"PET_NNODES": "2", "PET_MASTER_ADDR": "127.0.0.1", "PET_MASTER_PORT": port}
    return [
        Worker(run_dir, tree, {**shared, "PET_NODE_RANK": str(rank)}, name=f"worker-{rank}").start()
        for rank in range(2)
    ]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes on one worker, from the first step to the last."""
    run_dir = tmp_path_factory.mktemp("undisturbed")
    worker = Worker(run_dir, _tree(**PAIR), {"PET_NPROC_PER_NODE": "2"}).start()
    assert worker.end() == 0, worker.log.read_text()
    assert worker.told()["report"]["state"] == "Done"
    return run_dir


def assert_same(one: Path, other: Path, curve: Curve) -> None:
    assert curve(one) == curve(other)
    first, second = (load_file(path / "model/model.safetensors") for path in (one, other))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_two_processes_learn_what_one_does(
    tmp_path: Path, undisturbed: Path, train: Callable[..., Any], loss_curve: Curve
) -> None:
    """To 1e-4 in each step: only the order in which sums are added up differs."""
    train(tmp_path, **{**PAIR, "batchSize": 64, "args": {"seconds": 0.0}})
    assert loss_curve(undisturbed) == pytest.approx(loss_curve(tmp_path), rel=1e-4)


def test_two_processes_learn_the_same_to_the_last_bit_when_nobody_looks(
    tmp_path: Path, undisturbed: Path, loss_curve: Curve
) -> None:
    script = str(Path(__file__).with_name("unprofiled.py"))
    worker = Worker(
        tmp_path, _tree(**PAIR), {"PET_NPROC_PER_NODE": "2"}, command=("launch", script)
    ).start()
    assert worker.end() == 0, worker.log.read_text()
    assert_same(tmp_path, undisturbed, loss_curve)


def test_waiting_for_a_slower_process_is_told_as_communication(tmp_path: Path) -> None:
    slow = {"factory": "tests.unit.trainer.models:straggling", "args": {"seconds": 0.05}}
    worker = Worker(tmp_path, _tree(**slow, batchSize=32), {"PET_NPROC_PER_NODE": "2"}).start()
    assert worker.end() == 0, worker.log.read_text()
    profile = worker.told()["report"]["profile"]
    assert 0.025 < profile["communicationSeconds"] < profile["stepSeconds"]
    assert profile["backwardSeconds"] >= profile["communicationSeconds"]
    assert profile["forwardSeconds"] < 0.025
    # 3,466 weights and the three numbers of the pulse, 4 bytes each; a ring of two sends them once.
    assert profile["parameters"] == 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10 + 3
    assert profile["synchronisedBytes"] == 4 * profile["parameters"]


def test_sigterm_on_one_worker_saves_on_all_and_the_gang_resumes(
    tmp_path: Path, undisturbed: Path, loss_curve: Curve
) -> None:
    first, second = pair(tmp_path, _tree(**PAIR))
    first.until("epoch 1/4 done")
    second.process.send_signal(signal.SIGTERM)
    assert (first.end(), second.end()) == (75, 76)
    assert second.told()["class"] == "Interrupted"
    assert "another worker was told to stop: state saved after step" in first.told()["message"]
    again = pair(tmp_path, _tree(**PAIR))
    assert [worker.end() for worker in again] == [0, 0]
    assert "resuming after step" in again[0].log.read_text()
    assert_same(tmp_path, undisturbed, loss_curve)


def test_a_worker_that_is_killed_loses_at_most_one_interval(
    tmp_path: Path, undisturbed: Path, loss_curve: Curve
) -> None:
    tree = _tree(**PAIR, periodSeconds=0.2)
    first, second = pair(tmp_path, tree)
    first.until("epoch 2/4 done")
    second.kill()
    assert first.end() == 75
    assert first.told()["class"] == "PeerLost"
    assert [worker.end() for worker in pair(tmp_path, tree)] == [0, 0]
    assert_same(tmp_path, undisturbed, loss_curve)


def test_kills_at_any_moment_leave_only_what_can_be_resumed(
    tmp_path: Path, train: Callable[..., Any], loss_curve: Curve
) -> None:
    tree = _tree(**SLOW, epochs=3, periodSeconds=0.02)
    chance = random.Random(0)
    for _ in range(2):
        worker = Worker(tmp_path / "cut", tree, command=("train",)).start()
        worker.until("samples in 3 epochs")
        time.sleep(chance.uniform(0.0, 1.5))
        worker.kill()
    last = Worker(tmp_path / "cut", tree, command=("train",)).start()
    assert last.end() == 0, last.log.read_text()
    assert "resuming after step" in last.log.read_text()
    train(tmp_path / "whole", **SLOW, epochs=3)
    assert_same(tmp_path / "cut", tmp_path / "whole", loss_curve)


ENDS: list[tuple[str, dict[str, Any], str | None, int, str]] = [
    ("data not there", {"uri": "file:///nowhere.npz"}, None, 65, "DataError"),
    ("killed", {"factory": "tests.unit.trainer.models:killed", "args": {}}, None, 71, "Crash"),
    ("a script's own code", {}, "3", 3, "Crash"),
]


@pytest.mark.parametrize(
    ("changes", "script", "code", "kind"), [e[1:] for e in ENDS], ids=[e[0] for e in ENDS]
)
def test_a_worker_ends_as_the_contract_says(
    tmp_path: Path, changes: dict[str, Any], script: str | None, code: int, kind: str
) -> None:
    command: tuple[str, ...] = ("launch",)
    if script is not None:
        (tmp_path / "script.py").write_text("import sys; sys.exit(int(sys.argv[1]))")
        command = ("launch", str(tmp_path / "script.py"), script)
    worker = Worker(tmp_path / "run", _tree(**changes), command=command).start()
    assert worker.end() == code, worker.log.read_text()
    assert worker.told()["class"] == kind
    assert "Traceback" not in worker.log.read_text()


def test_a_worker_replaced_after_its_gang_has_ended_ends_well(undisturbed: Path) -> None:
    late = Worker(
        undisturbed,
        _tree(**PAIR),
        {
            "PET_NNODES": "2",
            "PET_NODE_RANK": "1",
            "PET_MASTER_ADDR": "127.0.0.1",
            "PET_MASTER_PORT": "1",
        },
        name="late",
    ).start()
    assert late.process.wait(60) == 0
    assert "finished" in late.log.read_text()


def test_sigterm_while_waiting_for_worker_0_ends_at_once(tmp_path: Path) -> None:
    pair = {"PET_NNODES": "2", "PET_NODE_RANK": "1", "PET_MASTER_ADDR": "nowhere.invalid"}
    worker = Worker(tmp_path, _tree(), {**pair, "PET_MASTER_PORT": "29500"}).start()
    time.sleep(1.0)
    worker.process.send_signal(signal.SIGTERM)
    assert worker.end() == 76
    assert worker.told()["message"] == "SIGTERM before training had begun: nothing to save"


def _tree(**changes: Any) -> dict[str, Any]:
    from tests.unit.trainer.conftest import tree

    return tree(**changes)
