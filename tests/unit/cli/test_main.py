"""The process as a script sees it: exit codes, one line of error, quiet pipes."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kubectl_qm.__main__ import main
from kubectl_qm.access import kube
from kubectl_qm.terminal import console
from quartermaster.api import compute_pool, compute_queue, training_job
from quartermaster.api.budgets import budget

OPERATOR = Path(__file__).parents[3] / "operator"


def qm(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    surroundings = {key: value for key, value in os.environ.items() if key != "KUBECONFIG"}
    return subprocess.run(
        [sys.executable, "-m", "kubectl_qm", *words],
        env=surroundings | {"PYTHONPATH": str(OPERATOR), "HOME": "/nonexistent"} | environment,
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip


def kubeconfig(tmp_path: Path, server: str) -> str:
    path = tmp_path / "config"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        f"clusters: [{{name: c, cluster: {{server: '{server}'}}}}]\n"
        "contexts: [{name: here, context: {cluster: c, namespace: team-a}}]\nusers: []\n"
    )
    return str(path)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("kubectl-qm 0.")


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "examples:" in capsys.readouterr().out


def test_a_wrong_command_line_exits_2_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stauts"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("error: 'stauts' is no command")
    assert shown.err.count("\n") == 1


def test_help_imports_nothing_slow() -> None:
    listing = (
        "import sys; sys.argv = ['x', '--help']\n"
        "from kubectl_qm.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('kubernetes', 'rich', 'pydantic', 'yaml') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", listing], env={"PYTHONPATH": str(OPERATOR)},
        capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert done.stdout.endswith("[]\n")


def test_a_cluster_that_is_not_there_exits_3(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, "https://127.0.0.1:9")
    assert main(["status", "--kubeconfig", config]) == 3
    assert capsys.readouterr().err == (
        "error: the cluster at https://127.0.0.1:9 cannot be reached: connection refused\n"
    )


@pytest.mark.parametrize(
    ("words", "want", "code"),
    [
        pytest.param([], "no cluster is configured", 3, id="nothing configured"),
        pytest.param(["--context", "x"], "there is no kubeconfig", 2, id="context of nothing"),
    ],
)
def test_a_kubeconfig_that_is_missing(words: list[str], want: str, code: int) -> None:
    done = qm("status", *words)
    assert (done.returncode, done.stderr.count("\n")) == (code, 1)
    assert want in done.stderr


def test_an_unknown_context_names_the_known_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = kubeconfig(tmp_path, "https://127.0.0.1:9")
    assert main(["status", "--kubeconfig", config, "--context", "there"]) == 2
    assert capsys.readouterr().err == (
        "error: context 'there' is not in the kubeconfig; there are: here\n"
    )


@pytest.mark.parametrize(
    "content",
    ["{", "just text", "- a\n- b\n", "apiVersion: v1\n", "contexts: 3\n", "", "\x00"],
)
def test_a_file_that_is_no_kubeconfig_is_refused_in_one_line(
    content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config"
    path.write_text(content)
    assert main(["status", "--kubeconfig", str(path)]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith("error: ")
    assert shown.count("\n") == 1


def test_a_kubeconfig_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--kubeconfig", "/no/file"]) == 2
    assert capsys.readouterr().err == "error: kubeconfig /no/file: there is no such file\n"


def test_the_plurals_are_those_of_the_api() -> None:
    ours = (kube.TRAINING_JOBS, kube.COMPUTE_POOLS, kube.COMPUTE_QUEUES, kube.BUDGETS)
    assert ours == (training_job.PLURAL, compute_pool.PLURAL, compute_queue.PLURAL, budget.PLURAL)


def test_a_letter_that_the_terminal_lacks_does_not_end_the_command() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    console(file, no_color=False).print("4 é A100 …")
    file.flush()
    assert isinstance(file.buffer, io.BytesIO)
    assert file.buffer.getvalue() == b"4 ? A100 ?\n"
