"""The API server and the models keep the same rules: on a table, on combinations, and on edits."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from kubernetes.client import ApiClient, ApiException, CustomObjectsApi
from kubernetes.config import new_client_from_config
from pydantic import ValidationError

from quartermaster.api import crd
from quartermaster.api.meta import GROUP, VERSION
from quartermaster.api.rule import VALIDATIONS
from tests.support.kubectl import ROOT, Kubectl, NoClusterError, connect
from tests.support.spec_cases import CASES, Case, Json, built_in, script, with_value

pytestmark = pytest.mark.e2e

KINDS = {kind.name: kind for kind in crd.KINDS}
NAMESPACE = f"qm-crd-contract-{uuid4().hex[:8]}"
"""Its own for each run: a namespace of an earlier run may still be going."""


@dataclass(frozen=True)
class Verdict:
    """What the API server says of a document."""

    stored: Json | None
    """The document with its defaults; None where it is refused."""
    said: str = ""


class Server:
    """The API server, asked without anything being stored."""

    def __init__(self, api: ApiClient) -> None:
        self._objects = CustomObjectsApi(api)

    def judge(self, document: Json) -> Verdict:
        """Would it be created?"""
        kind = KINDS[document["kind"]]
        create: Any = self._objects.create_cluster_custom_object
        where = [GROUP, VERSION, kind.plural]
        if kind.scope == "Namespaced":
            create = self._objects.create_namespaced_custom_object
            where.insert(2, NAMESPACE)
        try:
            stored = create(*where, document, dry_run="All", field_validation="Strict")
        except ApiException as error:
            if error.status not in {400, 422}:
                raise
            return Verdict(None, json.loads(error.body or "{}")["message"])
        return Verdict(stored)


@pytest.fixture(scope="module")
def kubectl() -> Iterator[Kubectl]:
    try:
        kubectl = connect()
    except NoClusterError as error:
        pytest.fail(str(error))
    definitions = str(ROOT / "crds")
    kubectl.out("apply", "--server-side", "--force-conflicts", "-f", definitions)
    kubectl.out("wait", "--for=condition=Established", "--timeout=30s", "-f", definitions)
    kubectl.out("create", "namespace", NAMESPACE)
    yield kubectl
    kubectl.run("delete", "namespace", NAMESPACE, "--wait=false")


@pytest.fixture(scope="module")
def server(kubectl: Kubectl) -> Iterator[Server]:
    connected: Any = new_client_from_config
    with connected(config_file=str(kubectl.kubeconfig)) as api:
        yield Server(api)


def refusal(document: Json) -> str | None:
    """What the models have against a document; None where they accept it."""
    kind = KINDS[document["kind"]]
    said = [
        rule.message
        for rule in kind.rules
        if rule.holds and not rule.holds(document["metadata"]["name"])
    ]
    try:
        kind.spec.model_validate(document.get("spec"))
    except ValidationError as error:
        said += [detail["msg"] for detail in error.errors()]
    return "; ".join(said) or None


def assert_agreed(document: Json, verdict: Verdict) -> None:
    if verdict.stored is None:
        assert refusal(document) is not None, verdict.said
    else:
        assert refusal(verdict.stored) is None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_server_accepts_what_the_table_accepts(server: Server, case: Case) -> None:
    verdict = server.judge(case.document)
    assert (verdict.stored is not None) == case.accepted, verdict.said
    assert_agreed(case.document, verdict)


def rule_messages(schema: Json) -> Iterator[str]:
    for rule in schema.get(VALIDATIONS, []):
        if "oldSelf" not in rule["rule"]:
            yield rule["message"]
    for child in [*schema.get("properties", {}).values(), *filter(None, [schema.get("items")])]:
        yield from rule_messages(child)


def test_every_rule_refuses_some_row_in_the_same_words_on_both_sides(server: Server) -> None:
    wanted: set[str] = set()
    for kind in crd.KINDS:
        version = crd.definition(kind)["spec"]["versions"][0]
        wanted |= set(rule_messages(version["schema"]["openAPIV3Schema"]))
    heard: set[str] = set()
    for case in CASES:
        if not case.accepted:
            said, own = server.judge(case.document).said, refusal(case.document) or ""
            heard |= {message for message in wanted if message in said and message in own}
    assert wanted - heard == set()


def overlaid(base: Json, changes: list[Case]) -> Json:
    """The document with the odd fields of several rows at once."""
    document = deepcopy(base)
    for change in changes:
        _overlay(document["spec"], change.document["spec"], base["spec"])
    return document


def _overlay(into: Json, changed: Json, base: Json) -> None:
    for field, value in changed.items():
        before = base.get(field)
        if isinstance(value, dict) and isinstance(into.get(field), dict):
            _overlay(into[field], value, before if isinstance(before, dict) else {})
        elif value != before:
            into[field] = deepcopy(value)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_any_combination_of_rows_is_judged_alike(server: Server, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([built_in(), script()]))
    rows = [c for c in CASES if c.document["kind"] == "TrainingJob" and "spec" in c.document]
    changes = data.draw(st.lists(st.sampled_from(rows), min_size=2, max_size=4))
    document = overlaid(base, changes)
    assert_agreed(document, server.judge(document))


FIELDS_OF_TEXT = (
    "spec.model.factory",
    "spec.dataset.uri",
    "spec.trainer.image",
    "spec.trainer.learningRate",
    "spec.trainer.resourcesPerWorker.cpu",
    "spec.trainer.resourcesPerWorker.memory",
    "spec.checkpoint.uri",
    "spec.checkpoint.size",
    "spec.managedBy",
    "metadata.name",
)
AWKWARD = "aZ09.:/-_ \n\x00'\"$^{}%miGKTpvcbuiltn\u200b\uff41\U0001f600"


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(field=st.sampled_from(FIELDS_OF_TEXT), text=st.text(AWKWARD, max_size=24))
def test_any_text_is_judged_alike(server: Server, field: str, text: str) -> None:
    # The server takes an empty name for a missing one, before it looks at the rules.
    assume(not (field == "metadata.name" and not text))
    document = with_value(built_in(), field, text)
    assert_agreed(document, server.judge(document))


def test_defaults_are_stored_so_that_users_see_them(server: Server) -> None:
    stored = server.judge(script()).stored
    assert stored is not None
    kind = KINDS["TrainingJob"]
    ours = kind.spec.model_validate({"trainer": {"command": stored["spec"]["trainer"]["command"]}})
    assert kind.spec.model_validate(stored["spec"]) == ours
    assert stored["spec"]["trainer"]["resourcesPerWorker"] == {
        "gpus": 1,
        "gpuResource": "nvidia.com/gpu",
        "cpu": "1",
        "memory": "4Gi",
    }


EDITS = (
    pytest.param("spec.model.args", {"depth": 3}, "spec.model", id="model arguments"),
    pytest.param("spec.dataset.uri", "file:///a", "spec.dataset", id="dataset"),
    pytest.param("spec.trainer.workers", 4, "spec.trainer", id="workers"),
    pytest.param(
        "spec.placement.capacityType", "Spot", "spec.placement.capacityType", id="capacity"
    ),
    pytest.param("spec.checkpoint.keep", 9, "spec.checkpoint", id="checkpoint"),
    pytest.param("spec.failurePolicy.maxRestarts", 9, "spec.failurePolicy", id="failure policy"),
    pytest.param("spec.managedBy", "a.b/c", "spec.managedBy", id="managed by"),
    pytest.param("spec.suspend", False, None, id="suspend"),
    pytest.param("spec.priority", 9, None, id="priority"),
    pytest.param("spec.budget", {"limit": "5.00"}, None, id="budget"),
    pytest.param("spec.activeDeadlineSeconds", 9, None, id="longest run"),
    pytest.param("spec.placement.deadlineTime", "2030-01-01T00:00:00Z", None, id="deadline"),
    pytest.param("spec.ttlSecondsAfterFinished", 9, None, id="time to live"),
)


@pytest.fixture(scope="module")
def stored_job(kubectl: Kubectl) -> Iterator[Json]:
    document = with_value(built_in(), "metadata.name", "contract-of-edits")
    document = with_value(document, "spec.model.args", {"depth": 2, "nested": [{"a": 1.5}]})
    document = with_value(document, "spec.suspend", True)
    kubectl.out("-n", NAMESPACE, "apply", "-f", "-", stdin=json.dumps(document))
    yield document
    plural = f"{KINDS['TrainingJob'].plural}.{GROUP}"
    kubectl.run("-n", NAMESPACE, "delete", plural, "contract-of-edits", "--wait=false")


@pytest.mark.parametrize(("path", "value", "locked"), EDITS)
def test_what_a_job_is_cannot_be_edited_and_how_it_runs_can(
    kubectl: Kubectl, stored_job: Json, path: str, value: object, locked: str | None
) -> None:
    edited = json.dumps(with_value(stored_job, path, value))
    done = kubectl.run("-n", NAMESPACE, "apply", "--dry-run=server", "-f", "-", stdin=edited)
    if locked is None:
        assert done.returncode == 0, done.stderr
    else:
        assert f"{locked} cannot be changed after creation" in done.stderr
        assert "apply it under another name" in done.stderr
