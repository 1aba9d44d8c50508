"""Laws of plans: what is planned is what is decided, and nothing is given away twice by it."""

from collections import Counter
from dataclasses import replace
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.queue.admit import admit
from quartermaster.domain.decision import Placed
from quartermaster.domain.workload import Gang
from quartermaster.simulate.plan import Outcome, plan, settled
from tests.property.test_queues import gang_of, world_of
from tests.support import make
from tests.support.queueing import World

SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=150, deadline=None)


def busy(seed: int) -> tuple[World, list[Gang]]:
    """A cluster on which some jobs run and some wait, and jobs that are yet to come."""
    random = Random(seed)
    world = world_of(random)
    world.settle()
    world.now += random.choice([0.0, 30.0, 900.0])
    new = [gang_of(random, f"new-{number}", world.queues) for number in range(3)]
    return world, [replace(gang, created=make.after(1000 + i)) for i, gang in enumerate(new)]


@law
@given(SEEDS)
def test_a_job_planned_as_starting_now_is_placed_the_same_when_it_is_applied(seed: int) -> None:
    world, new = busy(seed)
    planned = plan(world.scene(), new)
    world.waiting |= {gang.uid: gang for gang in new}
    decided = {verdict.gang.uid: verdict for verdict in admit(world.scene())}
    assert [one.gang.uid for one in planned] == [
        uid for uid in decided if uid.startswith("uid-new")
    ]
    for one in planned:
        verdict = decided[one.gang.uid]
        assert (one.outcome is Outcome.STARTS) == isinstance(verdict.decision, Placed)
        if one.outcome is not Outcome.MAKES_ROOM:
            assert one.decision == verdict.decision
        assert [loss.holding.uid for loss in one.losses] == [v.uid for v, _ in verdict.stop]


@law
@given(SEEDS)
def test_a_job_that_others_make_room_for_is_where_the_operator_puts_it_then(seed: int) -> None:
    world, new = busy(seed)
    planned = plan(world.scene(), new)
    world.waiting |= {gang.uid: gang for gang in new}
    places = {verdict.gang.uid: dict(verdict.places) for verdict in world.round() if verdict.places}
    for one in planned:
        if one.outcome is Outcome.MAKES_ROOM and one.losses:
            assert isinstance(one.decision, Placed)
            where = Counter(each.node for each in one.decision.assignments)
            assert where == places[one.gang.uid]


@law
@given(SEEDS)
def test_no_gpu_is_given_away_twice_by_a_round_that_has_settled(seed: int) -> None:
    world, new = busy(seed)
    before = replace(world.scene(), waiting=[*world.waiting.values(), *new])
    after = settled(before, admit(before))
    for node in after.snapshot.nodes:
        assert node.free.gpus >= 0, node.name
    seats = Counter(seat.node for one in after.holdings for seat in one.seats)
    used = {node.name: node.used.pods for node in after.snapshot.nodes}
    assert {name: count for name, count in used.items() if count} == dict(seats)
    everybody = {gang.uid for gang in before.waiting} | {one.uid for one in before.holdings}
    assert {g.uid for g in after.waiting} | {one.uid for one in after.holdings} == everybody


@law
@given(SEEDS)
def test_a_plan_changes_nothing_of_what_it_is_made_from(seed: int) -> None:
    world, new = busy(seed)
    scene = world.scene()
    assert plan(scene, new) == plan(scene, new)
