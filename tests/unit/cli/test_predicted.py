"""Prediction against outcome, as the status of one job shows it."""

from typing import Any

import pytest

from kubectl_qm import views
from kubectl_qm.render.money.predicted import prediction_lines
from tests.support import qm_make as make

LONGER = (
    "10m longer: 6m40s lost to interruptions, 2m in longer steps, and between them, 1m20s starting"
)
OWN_STEPS = (
    "a step 5 s, 600 of them, by its own first steps: nothing was known of them when it was placed"
)


def shown(prediction: dict[str, Any], outcome: dict[str, Any] | None = None) -> list[str]:
    status = make.complete_status(
        prediction=prediction, **({"outcome": outcome} if outcome else {})
    )
    job = views.job(make.training_job(status=status))
    assert job.prediction is not None
    return list(prediction_lines(job.prediction, job.outcome, "USD"))


def test_while_it_runs_only_the_prediction_is_told() -> None:
    assert shown(make.prediction()) == [
        "predicted 50m, 3.2583 USD",
        "a step 5 s, 600 of them, as in job bert-small",
    ]


def test_at_the_end_what_came_of_it_and_why() -> None:
    assert shown(make.prediction(), make.outcome()) == [
        "predicted 50m, 3.2583 USD; took 1h (+20 %), 3.9100 USD (+20 %)",
        "a step 5 s, 600 of them, as in job bert-small; measured 5.2 s (+4 %)",
        LONGER,
    ]


def test_a_shorter_one_has_less() -> None:
    came = make.outcome(
        durationSeconds=2985, durationRatio="0.999", costRatio="0.900", stepRatio="1.000", causes=[]
    )
    assert shown(make.prediction(), came)[0] == (
        "predicted 50m, 3.2583 USD; took 49m (+0 %), 3.9100 USD (-10 %)"
    )


@pytest.mark.parametrize(
    ("prediction", "lines"),
    [
        (
            make.prediction(basis="StepCosts", fromJob=None, steps=None, durationSeconds=None)
            | {"cost": None},
            ["predicted no end", "a step 5 s, by spec.stepCosts"],
        ),
        (
            make.prediction(basis="Forecast", fromJob=None),
            [
                "predicted 50m, 3.2583 USD",
                OWN_STEPS,
            ],
        ),
        (
            make.prediction(cost=None, basis="OfALaterVersion", fromJob=None),
            ["predicted 50m", "a step 5 s, 600 of them"],
        ),
    ],
)
def test_what_is_unknown_is_left_out(prediction: dict[str, Any], lines: list[str]) -> None:
    assert shown(prediction) == lines


def test_an_outcome_without_a_price_has_its_time() -> None:
    came = make.outcome(cost=None, costRatio=None, stepSeconds=None, stepRatio=None)
    lines = shown(make.prediction(), came)
    assert lines[0] == "predicted 50m, 3.2583 USD; took 1h (+20 %)"
    assert "measured" not in lines[1]
