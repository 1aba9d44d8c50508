"""Quotas over a tree: what is sure, lent, borrowed and kept at home; and queues that are wrong."""

from fractions import Fraction

import pytest

from quartermaster.decide.queue.share import measure
from quartermaster.decide.queue.tree import ENDLESS, Ledger, tree_of
from quartermaster.domain.cluster import Capacity
from quartermaster.domain.queue import Queue
from tests.support import make
from tests.support.queueing import queue

T4 = make.T4


def ledger(*queues: Queue, **held: int) -> Ledger:
    found = Ledger(tree_of(queues))
    for name, gpus in held.items():
        found.charge(name, T4, gpus)
    return found


def test_a_queue_alone_has_what_it_is_sure_of_and_no_more() -> None:
    assert ledger(queue("a", t4=4)).available("a", T4) == 4
    assert ledger(queue("a", t4=4), a=3).available("a", T4) == 1
    assert ledger(queue("a", t4=4)).available("a", make.H100) == 0


def test_idle_quota_is_borrowed_from_a_sister_and_from_the_parent() -> None:
    found = ledger(queue("lab", t4=2), queue("a", "lab", t4=4), queue("b", "lab", t4=4), a=1)
    assert found.available("b", T4) == 9
    found.charge("b", T4, 9)
    assert found.borrowed("b", T4) == 5
    assert found.available("a", T4) == 0


@pytest.mark.parametrize(("limit", "want"), [(None, 8), (0, 4), (1, 5), (99, 8)])
def test_a_borrowing_limit_bounds_what_is_above_the_quota(limit: int | None, want: int) -> None:
    b = queue("b", "lab", t4=4, borrowing_limit=limit)
    assert ledger(queue("lab"), queue("a", "lab", t4=4), b).available("b", T4) == want


@pytest.mark.parametrize(("limit", "want"), [(None, 8), (0, 4), (3, 7)])
def test_a_lending_limit_keeps_the_rest_at_home(limit: int | None, want: int) -> None:
    a = queue("a", "lab", t4=4, lending_limit=limit)
    found = ledger(queue("lab"), a, queue("b", "lab", t4=4))
    assert found.available("b", T4) == want
    found.charge("b", T4, want)
    assert found.available("a", T4) == 8 - want


def test_what_is_given_back_is_as_if_it_had_never_been_held() -> None:
    queues = (queue("lab", t4=1), queue("a", "lab", t4=4, lending_limit=1), queue("b", "lab"))
    found = ledger(*queues, a=2, b=1)
    for gpus in (3, -3):
        found.charge("a", T4, gpus)
    assert (found.available("a", T4), found.available("b", T4)) == (
        ledger(*queues, a=2, b=1).available("a", T4),
        ledger(*queues, a=2, b=1).available("b", T4),
    )
    assert found.held("lab", T4) == 3


def test_the_queue_that_nobody_has_made_is_without_limit_and_one_that_is_made_counts() -> None:
    assert ledger().available("default", T4) == ENDLESS
    assert ledger(queue("default", t4=2)).available("default", T4) == 2


@pytest.mark.parametrize(
    ("queues", "name", "want"),
    [
        ((queue("a", "gone"),), "a", "parent gone of ComputeQueue a is not there"),
        ((queue("a", "a"),), "a", "ComputeQueue a is above itself"),
        ((queue("a", "b"), queue("b", "a")), "b", "ComputeQueue b is above itself"),
        ((queue("a", "b"), queue("b", "gone")), "a", "parent gone of ComputeQueue b is not there"),
        (
            (queue("a", "b"), Queue("b", fault="spec.weight: must be above zero")),
            "a",
            "ComputeQueue b above it cannot be used: spec.weight: must be above zero",
        ),
        ((queue("a", "b"), queue("b")), "a", ""),
    ],
)
def test_a_queue_says_why_it_cannot_be_used(
    queues: tuple[Queue, ...], name: str, want: str
) -> None:
    assert tree_of(queues).queues[name].fault == want


def test_ways_part_at_two_sisters_or_not_at_all() -> None:
    tree = tree_of(
        [queue("lab"), queue("a", "lab"), queue("a-1", "a"), queue("b", "lab"), queue("other")]
    )
    assert tree.parting("a-1", "b") == ("a", "b")
    assert tree.parting("a-1", "a") is None
    assert tree.parting("a", "other") is None


def test_an_h100_counts_as_many_t4_as_it_costs() -> None:
    nodes = [make.node("t", 8), make.node("h", 2, gpu=make.H100), make.node("x", 2, gpu="New")]
    prices = [make.price("0.5", accelerator=T4), make.price("4", accelerator=make.H100)]
    found = measure(make.snapshot(nodes, make.pool("pool", *prices)))
    assert (found.worth(T4), found.worth(make.H100)) == (Fraction(1, 2), 4)
    assert found.worth("New") == 4, "a model without a price counts as the dearest"
    assert found.capacity == 4 + 8 + 8
    held = ledger(queue("a", t4=8, h100=2, weight="2"), a=4)
    held.charge("a", make.H100, 1)
    assert found.share(held, "a") == Fraction(6, 20) / 2


def test_a_spot_price_counts_only_where_there_is_no_other() -> None:
    nodes = [make.node("s", 1, capacity=Capacity.SPOT), make.node("o", 1)]
    prices = [make.price("0.2", capacity=Capacity.SPOT), make.price("0.5")]
    pool = make.pool("pool", *prices)
    assert measure(make.snapshot(nodes, pool)).worth(T4) == Fraction(1, 2)
    assert measure(make.snapshot(nodes[:1], pool)).worth(T4) == Fraction(1, 5)


def test_without_prices_all_gpus_are_equal_and_without_gpus_there_is_no_share() -> None:
    nodes = [make.node("t", 8), make.node("h", 2, gpu=make.H100), make.node("c", 0)]
    found = measure(make.snapshot(nodes))
    assert (found.worth(T4), found.worth(make.H100), found.capacity) == (1, 1, 10)
    assert found.worth("gone") == 1
    assert measure(make.snapshot([])).share(ledger(), "default") == 0
