"""Fake nodes for tests of decisions: there before the test's jobs, gone after them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.kubectl import ROOT
from tests.support.stage import KIND, Json, Stage


@contextmanager
def fake_nodes(stage: Stage, count: int, pool: Json) -> Iterator[None]:
    """So many ready fake nodes in a pool.

    The jobs go first: pods that their nodes leave behind would still stand on nodes of the same
    names when the next test has them.
    """
    stage.kubectl.out("apply", "-f", "-", stdin=json.dumps(pool))
    _have(count)
    try:
        yield
    finally:
        stage.kubectl.run("-n", stage.namespace, "delete", KIND, "--all", "--timeout=55s")
        _have(0)
        stage.kubectl.run("delete", "computepools.quartermaster.dev", pool["metadata"]["name"])


def _have(count: int) -> None:
    command = [sys.executable, "-m", "devcluster", "nodes", str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
