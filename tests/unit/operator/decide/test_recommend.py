"""What is recommended, how much it saves, and what is left alone."""

from fractions import Fraction

from quartermaster.decide.cost.ledger.recommend import Advice, Saving, Waits, advise, spot_ratio
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
    wait = {
        ("team-a", "a"): Waits(data=Fraction(1, 2)),
        ("team-a", "b"): Waits(data=Fraction(1, 10)),
    }
    found = advise([line("a", "Useful", 60), line("b", "Useful", 60)], wait)
    assert told(found) == [("a", Saving.OVERSIZED, Fraction(30))]


def test_a_gang_whose_members_wait_for_each_other_is_too_large() -> None:
    wait = {("team-a", "a"): Waits(data=Fraction(1, 10), communication=Fraction(1, 4))}
    (found,) = advise([line("a", "Useful", 60), line("a", "Other", 60)], wait)
    assert (found.saving, found.usd) == (Saving.OVERSIZED, Fraction(15))
    assert found.why.startswith("its steps wait for other workers 25 % of the time: fewer workers")


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
