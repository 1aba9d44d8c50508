"""A namespace for each test module, and a witness in it."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.support.kubectl import ROOT, Kubectl, NoClusterError, connect
from tests.support.stage import KIND, SYSTEM, Stage
from tests.support.witness import Witness


@pytest.fixture(scope="session")
def cluster() -> Kubectl:
    try:
        kubectl = connect()
    except NoClusterError as error:
        pytest.fail(str(error))
    kubectl.out("apply", "-f", str(ROOT / "examples/compute-pool.yaml"))
    return kubectl


def with_fresh_operator(kubectl: Kubectl) -> None:
    """Replace an operator that was killed before: its next start would be put off for minutes."""
    pods = json.loads(kubectl.out("-n", SYSTEM, "get", "pods", "-o", "json"))["items"]
    restarts = [s["restartCount"] for p in pods for s in p["status"].get("containerStatuses", [])]
    if any(restarts):
        kubectl.out("-n", SYSTEM, "delete", "pods", "--all", "--wait=true")
    kubectl.out("-n", SYSTEM, "rollout", "status", "deployment", "--timeout=50s")


@pytest.fixture
def stage(cluster: Kubectl, request: pytest.FixtureRequest) -> Iterator[Stage]:
    """A namespace of its own under the restricted standard, cleared away afterwards."""
    name = f"e2e-{uuid4().hex[:8]}"
    cluster.out("create", "namespace", name)
    cluster.out("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    with_fresh_operator(cluster)
    witness = Witness(cluster.program, cluster.kubeconfig, name)
    witness.start()
    yield Stage(cluster, name, witness)
    cluster.run("-n", name, "delete", KIND, "--all", "--timeout=50s")
    witness.stop()
    cluster.run("delete", "namespace", name, "--wait=false")
