"""Laws of the order: whatever the world and wherever a run resumes, each sample counts once."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from qm_trainer.data import order
from qm_trainer.data.order import Cursor, Plan

pytestmark = pytest.mark.torch

plans = st.builds(
    Plan,
    samples=st.integers(1, 200),
    batch=st.integers(1, 17),
    world=st.integers(1, 7),
    epochs=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)


def one_step(plan: Plan, cursor: Cursor) -> tuple[list[int], int]:
    """The samples that count in the step at `cursor`, over all ranks, and its size."""
    shares = [next(order.shares(plan, cursor, rank)) for rank in range(plan.world)]
    counted = [int(i) for share in shares for i in share.indices[: share.own]]
    assert {share.total for share in shares} == {len(counted)}
    assert all(len(share.indices) >= 1 for share in shares)
    return counted, len(counted)


@given(plans)
def test_an_epoch_sees_each_sample_once(plan: Plan) -> None:
    ranks = [order.shares(plan, Cursor(), rank) for rank in range(plan.world)]
    seen = [int(i) for shares in ranks for s in shares for i in s.indices[: s.own]]
    assert sorted(seen) == list(range(plan.samples))


@given(plans, st.data())
def test_an_epoch_resumed_anywhere_with_another_world_sees_each_sample_once(
    plan: Plan, data: st.DataObject
) -> None:
    seen: list[int] = []
    cursor = Cursor()
    while cursor.consumed < plan.samples:
        world = data.draw(st.integers(1, 7))
        changed = Plan(plan.samples, plan.batch, world, plan.epochs, plan.seed)
        counted, total = one_step(changed, cursor)
        seen += counted
        cursor = Cursor(cursor.step + 1, 0, cursor.consumed + total)
    assert sorted(seen) == list(range(plan.samples))


@given(plans)
def test_a_step_holds_the_same_samples_for_any_split_of_its_batch(plan: Plan) -> None:
    alone = Plan(plan.samples, plan.global_batch, 1, plan.epochs, plan.seed)
    apart, _ = one_step(plan, Cursor())
    together, _ = one_step(alone, Cursor())
    assert apart == together


@given(plans)
def test_the_total_counts_the_steps_that_are_taken(plan: Plan) -> None:
    steps = sum(
        len(list(order.shares(plan, Cursor(epoch=epoch), 0))) for epoch in range(plan.epochs)
    )
    assert plan.total_steps(Cursor()) == steps
    assert plan.total_steps(Cursor(step=steps, epoch=plan.epochs)) == steps


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    orders = [tuple(order.permutation(50, s, e)) for s, e in itertools.product((0, 1), (0, 1))]
    assert len(set(orders)) == 4


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(0, 1023))
def test_chance_differs_between_neighbouring_steps_and_ranks(s: int, step: int, rank: int) -> None:
    seeds = {order.chance(s, step + i, rank + j) for i in (0, 1) for j in (0, 1)}
    assert len(seeds) == 4
    assert all(0 <= seed < 2**32 for seed in seeds)


@given(st.integers(0, 40), st.integers(1, 9))
def test_the_parts_of_a_share_are_its_samples_once(own: int, count: int) -> None:
    share = order.Share(np.arange(max(1, own)), own, own + 3)
    parts = order.slices(share, count)
    assert len(parts) == count
    assert sum(part.own for part in parts) == own
    assert all(part.begin < part.end <= max(1, own) for part in parts), "a stand-in is a sample too"
    assert [i for part in parts if part.own for i in range(part.begin, part.end)] == [*range(own)]


@given(st.integers(0, 100), st.integers(1, 12), st.integers(1, 9))
def test_evaluation_reads_each_sample_once(samples: int, batch: int, world: int) -> None:
    parts = [list(order.batches(samples, batch, world, rank)) for rank in range(world)]
    assert [i for part in parts for some in part for i in some] == list(range(samples))
    assert len({len(part) for part in parts}) == 1, "a process would wait for the others for ever"
    assert all(len(some) <= batch for part in parts for some in part)
