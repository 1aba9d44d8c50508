import pytest
from pydantic import ValidationError

from quartermaster.api import crd, record
from quartermaster.api.base import ApiModel
from quartermaster.api.rule import Rule
from quartermaster.api.training_job import TrainingJobSpec
from tests.support.spec_cases import ABSENT, CASES, Case, Json, built_in, with_value


def refusals(document: Json) -> list[str]:
    """What the models have against a document, each as a path and a sentence."""
    kind = next(kind for kind in crd.KINDS if kind.name == document["kind"])
    said = [
        rule.message
        for rule in kind.rules
        if rule.holds and not rule.holds(document["metadata"]["name"])
    ]
    try:
        kind.spec.model_validate(document.get("spec"))
    except ValidationError as error:
        said += [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
    return said


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_models_accept_what_the_table_accepts(case: Case) -> None:
    said = refusals(case.document)
    assert (not said) == case.accepted, said


def test_a_rule_is_told_with_its_path_and_its_own_sentence() -> None:
    document = with_value(built_in(), "spec.trainer.learningRate", "fast")
    assert refusals(document) == [
        "trainer.learningRate: must be a decimal number, such as '0.25'",
    ]


def test_all_broken_rules_of_an_object_are_told_at_once() -> None:
    document = with_value(built_in(), "spec.trainer.args", ["--fast"])
    (said,) = refusals(with_value(document, "spec.model", ABSENT))
    assert "give either model and dataset, or trainer.command" in said
    assert "trainer.args needs trainer.command" in said


def test_arguments_have_to_be_python_names() -> None:
    document = with_value(built_in(), "spec.model.args", {"num-classes": 10})
    assert refusals(document) == [
        "model.args: names must be Python identifiers, such as numClasses"
    ]


def test_arguments_have_to_fit_into_an_environment_variable() -> None:
    document = with_value(built_in(), "spec.model.args", {"a": "x" * 16_384})
    assert refusals(document) == ["model.args: must be at most 16384 bytes as JSON"]


def test_a_job_is_read_past_what_only_a_later_version_knows() -> None:
    document = built_in()
    document["metadata"] |= {
        "namespace": "team-a",
        "uid": "u",
        "creationTimestamp": "2026-11-24T12:00:00Z",
    }
    document["status"] = {"state": "Running", "cost": {"accrued": "1/3"}}
    known = record.parse(document)
    document["spec"]["later"] = 1
    document["spec"]["model"]["later"] = {"a": 1}
    document["status"]["later"] = "x"
    document["status"]["cost"]["later"] = "x"
    assert record.parse(document) == known
    assert known.spec is not None
    assert known.status.cost is not None
    assert known.status.cost.accrued == "1/3"


def test_every_default_is_one_that_the_model_would_accept() -> None:
    spec = TrainingJobSpec.model_validate(built_in()["spec"])
    written = spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert TrainingJobSpec.model_validate(written) == spec


def test_every_rule_has_a_half_in_python_or_speaks_of_an_earlier_value() -> None:
    found: list[Rule] = [*TrainingJobSpec.RULES]
    for model in ApiModel.__subclasses__():
        found += model.RULES
    assert all(rule.holds or "oldSelf" in (rule.cel or "") for rule in found)
