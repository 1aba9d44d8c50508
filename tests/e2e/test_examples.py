"""What users apply first runs to its end: the examples, and a model of one's own."""

import pytest
import yaml

from tests.support.kubectl import ROOT
from tests.support.stage import Json, Stage, digits_job

pytestmark = pytest.mark.e2e

RUN_S = 300.0
"""Start and training on two shared processors [s]."""


def documents(path: str) -> list[Json]:
    return list(yaml.safe_load_all((ROOT / path).read_text()))


def test_a_script_of_ones_own_runs_under_torchrun(stage: Stage) -> None:
    stage.apply(*documents("examples/own-script.yaml"))
    stage.wait_for("own-script", "Complete", RUN_S)
    stage.agrees_with_witness("own-script")


def test_seventy_thousand_real_images_are_learned(stage: Stage) -> None:
    stage.apply(*documents("examples/fashion-mnist.yaml"))
    status = stage.wait_for("fashion-mnist", "Complete", RUN_S)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.83
    stage.agrees_with_witness("fashion-mnist")


def test_a_model_split_over_two_containers_is_trained(stage: Stage) -> None:
    stage.apply(*documents("examples/sharded.yaml"))
    status = stage.wait_for("sharded", "Complete", RUN_S)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.9
    stage.agrees_with_witness("sharded")


def test_a_decoder_whose_layers_two_containers_share_learns_text(stage: Stage) -> None:
    stage.apply(*documents("examples/decoder.yaml"))
    status = stage.wait_for("decoder", "Complete", RUN_S)
    # Of 256 bytes; the commonest, a space, is one in five.
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.3
    stage.agrees_with_witness("decoder")


def test_a_model_and_data_of_ones_own_are_trained_by_the_built_in_loop(stage: Stage) -> None:
    code = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "own-model"},
        "data": {"own_model.py": (ROOT / "examples/own_script/own_model.py").read_text()},
    }
    job = digits_job("own-model", epochs=20)
    job["spec"]["model"] = {"factory": "own_model:build", "args": {"hiddenUnits": 32}}
    job["spec"]["dataset"] = {"uri": "python://own_model:data"}
    job["spec"]["trainer"]["code"] = {"configMapName": "own-model"}
    stage.apply(code, job)
    status = stage.wait_for("own-model", "Complete", RUN_S)
    assert float(status["progress"]["metrics"]["accuracy"]) > 0.8
    assert status["progress"]["percentage"] == 100
    stage.agrees_with_witness("own-model")
