"""The configuration: every fault at once, each with its path."""

import json
from typing import Any

import pytest

from qm_trainer import config
from qm_trainer.config import Precision
from qm_trainer.errors import ConfigError

SMALL: dict[str, Any] = {"model": {"factory": "m:f"}, "dataset": {"uri": "builtin://digits"}}


def test_the_contracts_example_is_read() -> None:
    run = config.parse(
        """{"job": {"namespace": "team-a", "name": "digits", "uid": "u"},
            "model": {"factory": "qm_trainer.zoo:resnet", "args": {"numClasses": 10}},
            "dataset": {"uri": "builtin://digits", "args": {}},
            "trainer": {"epochs": 3, "batchSize": 64, "learningRate": "0.001",
                        "precision": "Auto", "strategy": "Auto", "seed": 0},
            "checkpoint": {"periodSeconds": null, "keep": 3}}"""
    )
    assert run.job.name == "digits"
    assert run.trainer.learning_rate == 0.001
    assert run.trainer.precision is Precision.AUTO
    assert run.checkpoint.period_seconds is None


def test_what_is_printed_reads_back_the_same() -> None:
    run = config.parse(json.dumps(SMALL))
    assert config.parse(json.dumps(run.to_tree())) == run


FAULTS: list[tuple[str, Any, str]] = [
    ("trainer", {"batchSize": 0}, "trainer.batchSize must be a whole number of at least 1, not 0"),
    ("trainer", {"epochs": True}, "trainer.epochs must be a whole number"),
    ("trainer", {"learningRate": "fast"}, "trainer.learningRate must be a positive number"),
    ("trainer", {"learningRate": "nan"}, "trainer.learningRate must be a positive number"),
    ("trainer", {"precision": "FP8"}, "trainer.precision must be one of Auto, FP32, BF16, FP16"),
    ("trainer", {"batchsize": 3}, "trainer.batchsize is not known; did you mean batchSize?"),
    ("trainer", [], "trainer must be an object"),
    ("model", {}, "model.factory is missing"),
    ("dataset", {"uri": ""}, "dataset.uri must be a text that is not empty"),
    ("checkpoint", {"periodSeconds": -1}, "checkpoint.periodSeconds must be a positive number"),
    ("models", {}, "models is not known; did you mean model?"),
]


@pytest.mark.parametrize(("section", "value", "words"), FAULTS, ids=[words for *_, words in FAULTS])
def test_a_fault_is_named_with_its_path(section: str, value: Any, words: str) -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps({**SMALL, section: value}))
    assert words in str(caught.value)


def test_all_faults_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps({**SMALL, "trainer": {"epochs": 0, "seed": -1}}))
    assert str(caught.value).count(";") == 1


def test_what_is_not_json_is_said_to_be_none() -> None:
    with pytest.raises(ConfigError, match="the configuration is not JSON"):
        config.parse("{model:")


def test_arguments_become_keywords() -> None:
    args: dict[str, config.Json] = {"numClasses": 1, "width": 2, "useRGBInput": 3}
    assert config.snake_case({"numClasses": 1, "width": 2}) == {"num_classes": 1, "width": 2}
    assert set(config.snake_case(args)) >= {"num_classes", "width"}
