"""Plans told exactly: when a reservation begins, and what is lost by making room."""

from dataclasses import replace
from fractions import Fraction

import pytest

from quartermaster.decide.queue.scene import Scene
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.queue import Holding, WithinQueue
from quartermaster.simulate.plan import Outcome, plan
from tests.support import make
from tests.support.queueing import holding, occupied, queue

NODES = make.snapshot([make.node("a", 4), make.node("b", 4)], make.pool("pool", make.price("2")))


def scene(*running: Holding, preempts: bool = False) -> Scene:
    within = WithinQueue.LOWER_PRIORITY if preempts else WithinQueue.NEVER
    queues = [queue("team", t4=64, within_queue=within)]
    return Scene(occupied(NODES, running), (), list(running), tree_of(queues))


@pytest.mark.parametrize(("left", "start"), [(100.0, 100.0), (None, None)])
def test_the_first_that_has_no_room_is_told_when_its_reservation_begins(
    left: float | None, start: float | None
) -> None:
    one = holding("one", "team", {"a": 4}, remaining_s=left)
    two = holding("two", "team", {"b": 4}, remaining_s=None if left is None else 900.0)
    (planned,) = plan(scene(one, two), [make.gang(4, name="new", queue="team")])
    assert planned.outcome is Outcome.WAITS
    assert isinstance(planned.decision, Waiting)
    assert planned.decision.refusal is Refusal.NO_CAPACITY
    assert planned.start_s == start
    assert planned.usd_per_hour is None


def test_who_makes_room_is_the_one_who_loses_least_and_the_loss_has_a_price() -> None:
    old = holding("old", "team", {"a": 4}, lost_s=3600.0, usd_per_hour=Fraction(8))
    new = holding("new", "team", {"b": 4}, lost_s=900.0, usd_per_hour=Fraction(8))
    gang = make.gang(2, name="urgent", queue="team", priority=1)
    (planned,) = plan(scene(old, new, preempts=True), [gang])
    assert planned.outcome is Outcome.MAKES_ROOM
    assert [(loss.holding.key.name, loss.usd) for loss in planned.losses] == [("new", 2)]
    assert isinstance(planned.decision, Placed)
    assert {one.node for one in planned.decision.assignments} == {"b"}
    assert planned.usd_per_hour == 4
    assert planned.usd(planned.seconds(None)) is None
    assert planned.usd(1800.0) == 2


def test_the_second_job_sees_what_the_first_has_got() -> None:
    jobs = [
        make.gang(6, name=name, queue="team", created=make.after(number))
        for number, name in enumerate(("first", "second"))
    ]
    first, second = plan(scene(), jobs)
    assert (first.gang.key.name, first.outcome) == ("first", Outcome.STARTS)
    assert (second.gang.key.name, second.outcome) == ("second", Outcome.WAITS)


def test_an_elastic_job_that_would_give_workers_is_named_with_how_many_it_keeps() -> None:
    big = replace(holding("big", "team", {"a": 4, "b": 4}), least=2)
    (planned,) = plan(scene(big), [make.gang(3, name="new", queue="team")])
    assert planned.outcome is Outcome.MAKES_ROOM
    assert planned.losses == ()
    assert [(one.rest.key.name, one.before, one.after) for one in planned.shrinks] == [
        ("big", 8, 5)
    ]
    assert isinstance(planned.decision, Placed)
