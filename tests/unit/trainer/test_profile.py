"""What a step is made of: counted against torch's own counter, timed by a clock that we set."""

import gc
import json
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils.flop_counter import FlopCounterMode

from qm_trainer import zoo
from qm_trainer.parallel.layout import Layout
from qm_trainer.profile import cost, device, probe, timing
from qm_trainer.profile.cost import Meter
from qm_trainer.profile.probe import AGAIN, COUNTED, FEWEST, WARM_UP, WINDOW, Probe, Setting
from qm_trainer.profile.timing import Mark, Parts
from tests.unit.trainer import models

pytestmark = [pytest.mark.torch, pytest.mark.timeout(300)]

Train = Callable[..., Any]
Curve = Callable[[Path], dict[int, float]]

MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "resnet": (lambda: zoo.resnet(width=8, blocks=1), (4, 1, 8, 8)),
    "mlp": (lambda: zoo.mlp(width=32), (4, 64)),
    "attention": (models.attention, (4, 64)),
}


def backward(model: nn.Module, inputs: Tensor) -> None:
    model(inputs).sum().backward()


@pytest.mark.parametrize("name", MODELS)
def test_flops_are_those_of_torchs_own_counter(name: str) -> None:
    build, shape = MODELS[name]
    model, inputs = build(), torch.rand(shape)
    with FlopCounterMode(display=False) as reference:
        backward(model, inputs)
    with Meter(model) as meter:
        backward(model, inputs)
    assert meter.flops == reference.get_total_flops() > 0


def test_a_layers_cost_is_what_one_counts_by_hand() -> None:
    """8 x 16 by 16 x 4: a product forward and one for the weights; the input needs no gradient."""
    layer = nn.Linear(16, 4, bias=False)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    with Meter(layer) as meter:
        backward(layer, torch.rand(8, 16))
        optimizer.step()
    found = cost.of_step(meter, layer, optimizer, Layout(4, 1, 1))
    weights = 16 * 4 * 4
    assert found.flops == 2 * (2 * 8 * 16 * 4)
    assert (found.parameters, found.parameter_bytes) == (64, weights)
    assert meter.activations == 8 * 16 * 4, "the input, and not the weights"
    state = 2 * weights + 4  # two moments, and the count of steps
    assert found.memory_traffic == 4 * weights + 2 * weights + 2 * state + 2 * meter.activations
    assert found.synchronised == 2 * 3 * weights // 4


def test_what_is_not_trained_is_neither_sent_nor_written() -> None:
    layer = nn.Linear(16, 4, bias=False)
    layer.requires_grad_(requires_grad=False)
    head = nn.Linear(4, 1, bias=False)
    model = nn.Sequential(layer, head)
    optimizer = torch.optim.SGD(head.parameters())
    with Meter(model) as meter:
        backward(model, torch.rand(8, 16))
    found = cost.of_step(meter, model, optimizer, Layout(2, 1, 1))
    assert found.synchronised == 16
    assert found.memory_traffic == 2 * 256 + 6 * 16 + 2 * meter.activations


def test_one_process_sends_nothing() -> None:
    layer = nn.Linear(4, 4)
    with Meter(layer) as meter:
        backward(layer, torch.rand(2, 4))
    sgd = torch.optim.SGD(layer.parameters())
    assert cost.of_step(meter, layer, sgd, Layout(1, 1, 1)).synchronised == 0


class Watched(Meter):
    """Remembers what it was shown without keeping it."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.shown: list[StorageWeakRef] = []

    def _keep(self, saved: Tensor) -> Tensor:
        self.shown.append(StorageWeakRef(saved.untyped_storage()))
        return super()._keep(saved)


def test_a_counted_step_leaves_no_activation_behind() -> None:
    """One that stayed would be a GPU's memory for the whole run."""
    layers = [nn.Linear(64, 32), nn.ReLU(), nn.Sigmoid(), nn.BatchNorm1d(32), nn.Softmax(1)]
    model = nn.Sequential(*layers)
    own = [*model.parameters(), *model.buffers()]
    stays = {StorageWeakRef(tensor.untyped_storage()).cdata for tensor in own}
    gc.disable()
    try:
        with Watched(model) as meter:
            model(torch.rand(16, 64)).exp().sum().backward()
        left = [seen for seen in meter.shown if not seen.expired() and seen.cdata not in stays]
    finally:
        gc.enable()
    assert len(meter.shown) > 6
    assert not left


def test_a_formula_that_fails_does_not_end_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's table is foreign: a formula of a user's own operator may raise anything."""
    from torch.utils.flop_counter import flop_registry

    def broken(*_: Any, **__: Any) -> int:
        raise AssertionError("no such shape")

    monkeypatch.setitem(flop_registry, torch.ops.aten.mm, broken)
    layer = nn.Linear(4, 4, bias=False)
    with Meter(layer) as meter:
        backward(layer, torch.rand(2, 4))
    assert meter.flops == 0
    assert layer.weight.grad is not None


def lap(step: float, data: float = 0.0) -> Parts:
    return Parts(step, data, step - data, 0.0, 0.0, 0.0)


def test_the_typical_step_forgets_the_odd_ones_and_adds_up() -> None:
    laps = [lap(1.0, 0.25)] * 5 + [lap(90.0, 80.0), lap(0.1), lap(70.0)]
    found = timing.typical(laps)
    assert found == lap(1.0, 0.25)
    mixed = timing.typical([lap(float(n), n / 8) for n in range(1, 20)])
    assert mixed.step == pytest.approx(mixed.data_wait + mixed.forward)
    assert timing.typical([lap(3.0)]) == lap(3.0)


class Counting:
    """A clock that goes on by one second at each look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        self.seconds += 1.0
        return self.seconds

    def between(self, start: float, end: float) -> float:
        return end - start


def probed(*, looking: bool = True, clock: Any = None) -> tuple[Probe, Callable[[], None]]:
    """A probe, and what takes one step under it."""
    model = zoo.mlp(width=8)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    setting = Setting(model, optimizer, torch.device("cpu"), Layout(1, 1, 1), 4, "FP32")
    watch = Probe(setting, looking=looking, clock=clock or Counting())

    def step() -> None:
        with watch:
            inputs = torch.rand(4, 64)
            watch.mark(Mark.FETCHED)
            loss = model(inputs).sum()
            watch.before_backward(loss)
            loss.backward()
            watch.mark(Mark.BACKWARDED)
            optimizer.step()

    return watch, step


def test_the_marks_of_a_step_are_made_in_its_order() -> None:
    watch, step = probed()
    for _ in range(WARM_UP + WINDOW):
        step()
    told = watch.told()
    assert told is not None
    assert told["steps"] == WINDOW
    # Six marks, a second apart: began, fetched, forwarded, computed, backwarded, stepped.
    assert (told["stepSeconds"], told["dataWaitSeconds"], told["forwardSeconds"]) == (5, 1, 1)
    assert (told["backwardSeconds"], told["communicationSeconds"]) == (2, 1)
    assert told["samplesPerSecond"] == 4 / 5


def test_nothing_is_told_before_a_window_is_full_and_little_at_an_early_end() -> None:
    watch, step = probed()
    for _ in range(WARM_UP + FEWEST - 1):
        step()
    watch.settle()
    assert watch.told() is None
    step()
    watch.settle()
    told = watch.told()
    assert told is not None
    assert told["steps"] == FEWEST


def test_a_window_is_timed_again_and_what_is_between_is_not() -> None:
    clock = Counting()
    _, step = probed(clock=clock)
    for _ in range(WARM_UP + WINDOW):
        step()
    looks = clock.seconds
    for _ in range(AGAIN - WINDOW):
        step()
    assert clock.seconds == looks == 6 * WINDOW
    for _ in range(WINDOW):
        step()
    assert clock.seconds == 2 * looks


def test_a_process_that_does_not_lead_looks_at_nothing() -> None:
    clock = Counting()
    watch, step = probed(looking=False, clock=clock)
    for _ in range(WARM_UP + WINDOW):
        step()
    watch.settle()
    assert watch.told() is None
    assert clock.seconds == 0


def test_a_step_that_raises_leaves_nothing_open() -> None:
    watch, step = probed()
    for number in range(WARM_UP + 1):
        if number not in (COUNTED, WARM_UP):
            step()
            continue
        with pytest.raises(ValueError, match="mistake"), watch:
            raise ValueError("the user's own mistake")
    assert not torch.utils._python_dispatch._get_current_dispatch_mode_stack()
    watch.settle()
    assert watch.told() is None


@pytest.fixture
def both(tmp_path: Path, train: Train) -> Callable[..., tuple[Path, Path]]:
    def run(**changes: Any) -> tuple[Path, Path]:
        for name, profiling in (("with", True), ("without", False)):
            train(tmp_path / name, profiling=profiling, **changes)
        return tmp_path / "with", tmp_path / "without"

    return run


@pytest.mark.parametrize(
    "changes",
    [
        {"args": {"dropout": 0.2}},
        {"factory": "qm_trainer.zoo:resnet", "args": {"width": 8, "blocks": 1}},
        {"factory": "tests.unit.trainer.models:attention", "args": {}},
        {"factory": "tests.unit.trainer.models:normalised", "args": {}},
        {"precision": "BF16"},
    ],
    ids=["dropout", "convolutions", "attention", "batch-norm", "BF16"],
)
def test_a_run_that_is_looked_at_learns_to_the_last_bit_what_another_does(
    both: Callable[..., tuple[Path, Path]], loss_curve: Curve, changes: dict[str, Any]
) -> None:
    looked_at, alone = both(**changes)
    assert loss_curve(looked_at) == loss_curve(alone)
    one, other = (load_file(path / "model/model.safetensors") for path in (looked_at, alone))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_runs_reports_tell_of_it(tmp_path: Path, train: Train) -> None:
    from qm_trainer import progress

    reporter = progress.Reporter(None)
    train(tmp_path, reporter=reporter, periodSeconds=3)
    told = reporter.last["profile"]
    assert told["parameters"] == 64 * 32 + 32 + 32 * 32 + 32 + 32 * 10 + 10 + 3
    assert (told["steps"], told["processes"], told["precision"]) == (WINDOW, 1, "FP32")
    assert told["memoryKind"] == "Process"
    assert told["checkpointStallSeconds"] > 0
    assert json.loads(json.dumps(told)) == told
    seconds = ("dataWaitSeconds", "forwardSeconds", "backwardSeconds", "optimizerSeconds")
    assert sum(told[name] for name in seconds) == pytest.approx(told["stepSeconds"])


def test_what_is_told_is_what_the_contracts_page_shows() -> None:
    page = Path(__file__).parents[3] / "docs/reference/trainer-contract.md"
    shown = (
        page.read_text().split("## Progress\n", 1)[1].split("```json\n", 1)[1].split("```", 1)[0]
    )
    watch, step = probed()
    for _ in range(WARM_UP + WINDOW):
        step()
    told = watch.told()
    assert told is not None
    counted = [*device.FRACTIONS, *device.RATES]  # by the GPU, which is not here
    assert [*told, *counted] == list(json.loads(shown)["profile"])


def test_the_sentence_tells_shares_of_the_step() -> None:
    parts = Parts(0.04, 0.004, 0.01, 0.02, 0.006, 0.01)
    want = "a step takes 40 ms: exposed communication 25 %, data wait 10 %, the rest computes"
    assert probe.sentence(parts) == want
    assert sum(astuple(parts)[1:5]) == parts.step
