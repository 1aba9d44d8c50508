"""The ledger on the real cluster: what jobs cost is there to the last digit, and outlives them."""

import json
import os
import subprocess
import time
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.support.kubectl import ROOT
from tests.support.stage import KIND, Stage, napping, shell_job

pytestmark = pytest.mark.e2e


def charged(stage: Stage, by: str) -> dict[str, Decimal]:
    """What the plugin says of the namespace, by one dimension [USD]."""
    asked = ("--by", by, "--since", "2d", "-o", "json")
    done = subprocess.run(
        [ROOT / "bin/kubectl-qm", "cost", "-n", stage.namespace, *asked],
        env={**os.environ, "KUBECONFIG": str(stage.kubectl.kubeconfig)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, Any]] = json.loads(done.stdout)["rows"]
    return {row[by]: Decimal(row["usd"]) for row in rows}


def test_what_a_job_cost_is_in_the_ledger_and_stays_when_the_job_is_gone(stage: Stage) -> None:
    """The operator is killed while the job runs: nothing is lost, nothing counts twice."""
    stage.apply(shell_job("booked", napping("8")))
    stage.wait_for("booked", "Running", 60)
    stage.kill_operator()
    stage.wait_for("booked", "Complete", 120)
    stage.agrees_with_witness("booked")
    exact = Fraction(stage.status("booked")["cost"]["accrued"])
    told = charged(stage, "job")["booked"]
    assert abs(Fraction(told) - exact) < Fraction(1, 10**11)  # it is shown with twelve digits
    assert abs(sum(charged(stage, "part").values()) - told) < Decimal("1e-11")
    stage.kubectl.out("-n", stage.namespace, "delete", KIND, "booked", "--timeout=50s")
    time.sleep(1)
    assert charged(stage, "job") == {"booked": told}
