"""In what numbers a run computes, and what keeps FP16 alive."""

import pytest
import torch
from torch import nn

from qm_trainer import precision
from qm_trainer.config import Precision

pytestmark = pytest.mark.torch

CPU = torch.device("cpu")


def stepped(choice: precision.Choice, gradient: float) -> float:
    """A weight of 1 after one step of SGD by a gradient, scaled as a loss would be."""
    weight = nn.Parameter(torch.ones(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    choice.scaled((weight * gradient).sum()).backward()  # type: ignore[no-untyped-call]
    choice.step(optimizer)
    return float(weight.detach())


@pytest.mark.parametrize("asked", [Precision.FP32, Precision.BF16, Precision.FP16])
def test_a_step_is_the_same_with_and_without_a_scale(asked: Precision) -> None:
    assert stepped(precision.choose(asked, CPU), 0.25) == 0.75


def test_a_step_that_is_not_finite_is_left_out_and_the_scale_halved() -> None:
    choice = precision.choose(Precision.FP16, CPU)
    before = choice.state()["scale"]
    assert stepped(choice, float("inf")) == 1.0
    assert choice.state()["scale"] == before / 2
    assert stepped(choice, 0.25) == 0.75


def test_the_scale_is_gone_on_with() -> None:
    first, second = (precision.choose(Precision.FP16, CPU) for _ in range(2))
    stepped(first, float("inf"))
    second.restore(first.state())
    assert second.state() == first.state()


def test_a_run_in_another_precision_has_nothing_to_go_on_with() -> None:
    plain = precision.choose(Precision.FP32, CPU)
    assert plain.state() == {}
    plain.restore(precision.choose(Precision.FP16, CPU).state())
    assert stepped(plain, 0.25) == 0.75
    half = precision.choose(Precision.FP16, CPU)
    half.restore({})
    assert half.state()["scale"] > 1


def test_on_a_cpu_it_computes_as_every_cpu_does() -> None:
    assert precision.choose(Precision.AUTO, CPU).precision is Precision.FP32
