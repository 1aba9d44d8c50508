"""What is recommended, how much it saves, and what is left alone."""

from fractions import Fraction

import pytest

from quartermaster.decide.cost.ledger.recommend import (
    Advice,
    Saving,
    Steps,
    advise,
    gpu_prices,
    spot_ratio,
)
from quartermaster.domain.money.spending import Amounts, Line


def line(
    job: str, part: str, usd: int, listed: int | None = None, *, capacity: str = "OnDemand",
    gpu: str = "H100", kind: str = "Job",
) -> Line:  # fmt: skip
    amounts = Amounts(Fraction(usd), Fraction(usd if listed is None else listed))
    return Line(("team-a", job, gpu, kind, part, capacity), amounts)


def told(found: list[Advice]) -> list[tuple[str, Saving, Fraction]]:
    return [(each.job, each.saving, each.usd) for each in found]


def test_gpus_that_stand_idle_are_told_with_what_they_cost() -> None:
    found = advise([line("a", "Useful", 60), line("a", "Idle", 40)], {})
    assert told(found) == [("a", Saving.IDLE, Fraction(40))]
    assert found[0].why == "its GPUs computed next to nothing for 40 % of what it cost"


def test_a_little_idle_time_and_little_money_are_left_alone() -> None:
    assert advise([line("a", "Useful", 95), line("a", "Idle", 5)], {}) == []
    assert advise([line("a", "Idle", 0)], {}) == []


def test_a_gang_that_waits_for_its_data_is_too_large() -> None:
    wait = {("team-a", "a"): Fraction(1, 2), ("team-a", "b"): Fraction(1, 10)}
    found = advise([line("a", "Useful", 60), line("b", "Useful", 60)], wait)
    assert told(found) == [("a", Saving.OVERSIZED, Fraction(30))]


def test_spot_is_recommended_by_what_it_has_cost_with_its_interruptions() -> None:
    lines = [
        line("a", "Useful", 100),
        line("b", "Useful", 40, 100, capacity="Spot"),
        line("b", "Rework", 10, 25, capacity="Spot"),
    ]
    assert spot_ratio(lines, "H100") == Fraction(1, 2)
    assert told(advise(lines, {})) == [("a", Saving.SPOT, Fraction(50))]


def test_spot_is_not_recommended_where_it_was_dearer_or_never_tried() -> None:
    dearer = line("b", "Useful", 60, 50, capacity="Spot")
    assert advise([line("a", "Useful", 100), dearer], {}) == []
    other = line("b", "Useful", 10, 50, capacity="Spot", gpu="T4")
    assert advise([line("a", "Useful", 100), other], {}) == []


def test_the_largest_saving_comes_first_and_nodes_are_nobody_s_job() -> None:
    found = advise(
        [line("a", "Idle", 3), line("b", "Idle", 9), line("", "", 99, kind="Idle", gpu="T4")], {}
    )
    assert [each.job for each in found] == ["b", "a"]


def hours(gpu: str, usd: int, gpu_hours: int, *, kind: str = "Job", unpriced_ms: int = 0) -> Line:
    amounts = Amounts(
        Fraction(usd), Fraction(usd), gpu_ms=gpu_hours * 3_600_000, unpriced_ms=unpriced_ms
    )
    return Line(("team-a", "a" if kind == "Job" else "", gpu, kind, "Useful", "OnDemand"), amounts)


CLUSTER = [hours("H100", 70, 10), hours("L4", 8, 10, kind="Idle")]


def test_a_gpu_s_price_is_what_its_nodes_were_charged() -> None:
    assert gpu_prices(CLUSTER) == {"H100": 7, "L4": Fraction(8, 10)}
    assert gpu_prices([*CLUSTER, hours("L4", 0, 1, unpriced_ms=5)]) == {"H100": 7}
    assert gpu_prices([hours("", 70, 10), hours("T4", 0, 10)]) == {}


def test_a_job_is_told_of_the_gpu_on_which_its_work_costs_least() -> None:
    steps = {("team-a", "a"): {"H100": 0.1, "L4": 0.35}}
    (found,) = advise(CLUSTER, {}, steps)
    assert (found.job, found.saving) == ("a", Saving.OTHER_GPU)
    assert float(found.usd) == pytest.approx(70 * (1 - 0.8 * 0.35 / (7 * 0.1)))
    assert found.why == (
        "a step on L4 should take 3.50 times as long as on H100, at 0.80 and not 7.00 USD an hour "
        "of a GPU"
    )


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param({}, id="nothing is known of its steps"),
        pytest.param({"L4": 0.1}, id="nor of those where it ran"),
        pytest.param({"H100": 0.1, "L4": 0.9}, id="the cheaper one is slower by more"),
        pytest.param({"H100": 0.1, "L4": 0.83}, id="or by nearly as much"),
        pytest.param({"H100": 0.1, "T4": 0.1}, id="nobody has paid for that one"),
    ],
)
def test_nobody_is_told_of_a_gpu_that_may_not_pay(steps: Steps) -> None:
    assert advise(CLUSTER, {}, {("team-a", "a"): steps}) == []
