"""A plan is what happens: the plugin says where a job would go, then it is applied."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.test_queues import gpu_job
from tests.support.kubectl import ROOT
from tests.support.stage import Json, Stage

pytestmark = pytest.mark.e2e

WAITS = 1
"""The plugin's exit code where a job would wait."""


def planned(stage: Stage, folder: Path, *documents: Json) -> tuple[int, list[Any]]:
    """The exit code, and what the plugin says of each job."""
    file = folder / "jobs.yaml"
    file.write_text("\n---\n".join(json.dumps(document) for document in documents))
    done = subprocess.run(
        [ROOT / "bin/kubectl-qm", "plan", "-f", file, "-n", stage.namespace, "-o", "json"],
        env={**os.environ, "KUBECONFIG": str(stage.kubectl.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, WAITS), done.stderr
    return done.returncode, json.loads(done.stdout)["jobs"]


def test_a_job_goes_where_its_plan_says(stage: Stage, tmp_path: Path) -> None:
    first, second = gpu_job("first", 60), gpu_job("second", 60)
    code, jobs = planned(stage, tmp_path, first, second)
    assert code == WAITS
    assert [job["outcome"] for job in jobs] == ["Starts", "Waits"]
    stage.apply(first)
    status = stage.wait_for("first", "Running", 60)
    assert status["placement"]["nodes"] == [node["name"] for node in jobs[0]["placement"]["nodes"]]
    assert status["placement"]["reason"] == jobs[0]["placement"]["reason"]
    assert planned(stage, tmp_path, second)[1][0]["waiting"]["reason"] == "NoCapacity"
