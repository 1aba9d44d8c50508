"""Documents that cannot work are refused at once, or explained in a condition.

Each document in `tests/bad_input` says in its head what its user has to read:

    # expect: refused | condition
    # reason: the API's reason (BadRequest, Invalid), or the condition's
    # message: a part of the message
"""

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import yaml

from tests.support.kubectl import ROOT, Kubectl, NoClusterError, connect

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "tests/bad_input"
KIND = "trainingjobs.quartermaster.dev"
ALL_TOLD_WITHIN_S = 420.0
"""All conditions together: most of it is two processors that start some ten trainers [s]."""
POLL_S = 2.0
SPOKEN = {"BadRequest": "Error from server (BadRequest)", "Invalid": "is invalid:"}

Json = dict[str, Any]


@dataclass(frozen=True)
class BadInput:
    """A document, and what has to be said of it."""

    path: Path
    expect: str
    reason: str
    message: str

    @property
    def job(self) -> str:
        """The TrainingJob's name."""
        document: Json = next(iter(yaml.safe_load_all(self.path.read_text())))
        name: str = document["metadata"]["name"]
        return name


def read(path: Path) -> BadInput:
    text = path.read_text()
    head = dict(re.findall(r"^# (expect|reason|message): (.+)$", text, re.MULTILINE))
    return BadInput(path, head["expect"], head["reason"], head["message"])


INPUTS = [read(path) for path in sorted(FOLDER.glob("*.yaml"))]
REFUSED = [one for one in INPUTS if one.expect == "refused"]
TOLD = [one for one in INPUTS if one.expect == "condition"]


def name_of(one: BadInput) -> str:
    return one.path.stem


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    try:
        return connect()
    except NoClusterError as error:
        pytest.fail(str(error))


@pytest.fixture(scope="module")
def namespace(kubectl: Kubectl) -> Iterator[str]:
    name = f"bad-input-{uuid4().hex[:8]}"
    kubectl.out("create", "namespace", name)
    yield name
    kubectl.run("-n", name, "delete", KIND, "--all", "--wait=false")
    kubectl.run("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize("bad", REFUSED, ids=name_of)
def test_what_cannot_be_meant_is_refused_at_once(
    kubectl: Kubectl, namespace: str, bad: BadInput
) -> None:
    done = kubectl.run("-n", namespace, "apply", "-f", str(bad.path))
    assert done.returncode != 0, "accepted"
    assert SPOKEN[bad.reason] in done.stderr
    assert bad.message in done.stderr


@pytest.fixture(scope="module")
def deadline(kubectl: Kubectl, namespace: str) -> float:
    """All documents are applied at once, so that they are judged side by side."""
    for bad in TOLD:
        kubectl.out("-n", namespace, "apply", "-f", str(bad.path))
    return time.monotonic() + ALL_TOLD_WITHIN_S


@pytest.mark.parametrize("bad", TOLD, ids=name_of)
def test_what_cannot_work_is_explained_in_a_condition(
    kubectl: Kubectl, namespace: str, deadline: float, bad: BadInput
) -> None:
    while True:
        conditions = conditions_of(kubectl, namespace, bad.job)
        told = [c for c in conditions if matches(c, bad)]
        if told:
            break
        assert not is_over(conditions), told_so_far(conditions)
        assert time.monotonic() < deadline, told_so_far(conditions)
        time.sleep(POLL_S)
    ours, _, _ = told[0]["message"].partition("; last lines:")
    assert "Traceback" not in ours
    assert "\n" not in ours.strip()


def conditions_of(kubectl: Kubectl, namespace: str, job: str) -> list[Json]:
    """The job's conditions; none while the API server does not answer."""
    done = kubectl.run("-n", namespace, "get", KIND, job, "-o", "yaml")
    document: Json = yaml.safe_load(done.stdout) or {}
    found: list[Json] = (document.get("status") or {}).get("conditions") or []
    return found


def matches(condition: Json, bad: BadInput) -> bool:
    return condition["reason"] == bad.reason and bad.message in condition["message"]


def is_over(conditions: list[Json]) -> bool:
    return any(c["type"] in {"Complete", "Failed"} and c["status"] == "True" for c in conditions)


def told_so_far(conditions: list[Json]) -> str:
    lines = [f"{c['type']}={c['status']} {c['reason']}: {c['message']}" for c in conditions]
    return "\n".join(lines) or "no condition at all: does the operator run?"
