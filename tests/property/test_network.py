"""Laws of which links a gang crosses, and what that makes of its step."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quartermaster.decide.profile.network import Crossing, crossing
from quartermaster.decide.profile.step import step_time
from quartermaster.domain.cluster import NODE_LEVEL, Link, Node, Pool
from quartermaster.domain.profile import JobProfile, Shape, StepTime
from tests.support import gpus, make

ZONE, BLOCK, RACK = "example.com/zone", "example.com/block", "example.com/rack"
LEVELS = (ZONE, BLOCK, RACK)
SEEDS = st.integers(0, 2**32 - 1)
law = settings(max_examples=200, deadline=None)
INSTANCES = {
    "one": gpus.instance("one", gpus.T4, 4, 100),
    "two": gpus.instance("two", gpus.T4, 4, 25),
}


def pool_of(random: Random) -> Pool:
    """Links that get no slower inwards, each said or not."""
    widths = sorted(random.choice([1, 5, 25, 50, 100, 400]) * 1e9 / 8 for _ in range(4))
    delays = sorted((random.choice([0, 1e-6, 1e-4]) for _ in range(4)), reverse=True)
    links = [
        Link(level, width, delay)
        for level, width, delay in zip((*LEVELS, NODE_LEVEL), widths, delays, strict=True)
        if random.random() < 0.6
    ]
    return make.pool("pool", topology_levels=LEVELS, links=tuple(links))


def node_of(random: Random, number: int) -> Node:
    labels = {level: random.choice("ab") for level in LEVELS if random.random() < 0.9}
    kind = random.choice(["one", "two"])
    return make.node(f"n{number}", labels=labels, instance_type=kind)


def scene(seed: int) -> tuple[Random, Pool, list[Node]]:
    random = Random(seed)
    return random, pool_of(random), [node_of(random, n) for n in range(random.randint(1, 5))]


def across(nodes: Sequence[Node], pool: Pool) -> Crossing:
    return crossing([(node, pool) for node in nodes], INSTANCES.get)


def between(one: Node, other: Node, pool: Pool) -> list[float]:
    """The links on the way between two nodes, worked out for these two alone."""
    said = {link.level: link.bandwidth for link in pool.links}
    widths = []
    for node in (one, other):
        card = INSTANCES[node.instance_type].network_bandwidth
        assert card is not None
        widths.append(said.get(NODE_LEVEL, card))
    apart = False
    for level in LEVELS:
        mine, theirs = one.labels.get(level), other.labels.get(level)
        apart = apart or mine is None or mine != theirs
        if apart and level in said:
            widths.append(said[level])
    return widths


def step(profile: JobProfile, found: Crossing, nodes: int) -> StepTime:
    shape = Shape(4, nodes, network_bandwidth=found.bandwidth, network_latency=found.latency)
    told = step_time(profile, gpus.T4, shape)
    assert told is not None
    return told


@law
@given(SEEDS)
def test_a_gang_goes_as_fast_as_its_slowest_pair_of_nodes(seed: int) -> None:
    _, pool, nodes = scene(seed)
    if len(nodes) > 1:
        ways = [width for pair in combinations(nodes, 2) for width in between(*pair, pool)]
        assert across(nodes, pool).bandwidth == min(ways)


@law
@given(SEEDS)
def test_one_more_node_never_makes_the_way_faster(seed: int) -> None:
    _, pool, nodes = scene(seed)
    if len(nodes) > 2:
        fewer, all_ = across(nodes[:-1], pool), across(nodes, pool)
        assert fewer.bandwidth is not None
        assert all_.bandwidth is not None
        assert all_.bandwidth <= fewer.bandwidth
        assert all_.latency >= fewer.latency


@law
@given(SEEDS, st.sampled_from(LEVELS))
def test_a_gang_that_crosses_a_level_more_is_never_faster(seed: int, level: str) -> None:
    _, pool, nodes = scene(seed)
    if len(nodes) < 2:
        return
    labels = dict.fromkeys(LEVELS, "a")
    near = [replace(node, labels=labels) for node in nodes]
    far = [replace(near[0], labels=labels | {level: "elsewhere"}), *near[1:]]
    profile = gpus.profile(parameters=100_000_000)
    close, wide = across(near, pool), across(far, pool)
    assert step(profile, close, len(nodes)).total <= step(profile, wide, len(nodes)).total


@law
@given(SEEDS, st.sampled_from((*LEVELS, NODE_LEVEL)), st.floats(1.0, 100.0))
def test_more_bandwidth_or_less_latency_is_never_slower(
    seed: int, level: str, factor: float
) -> None:
    _, pool, nodes = scene(seed)
    if len(nodes) < 2:
        return
    wider = [
        replace(link, bandwidth=link.bandwidth * factor, latency=link.latency / factor)
        if link.level == level
        else link
        for link in pool.links
    ]
    profile = gpus.profile(parameters=100_000_000)
    before = step(profile, across(nodes, pool), len(nodes))
    after = step(profile, across(nodes, replace(pool, links=tuple(wider))), len(nodes))
    assert after.total <= before.total


@law
@given(SEEDS)
def test_without_links_it_is_the_narrowest_network_card(seed: int) -> None:
    _, pool, nodes = scene(seed)
    cards = [INSTANCES[node.instance_type].network_bandwidth or 0 for node in nodes]
    assert across(nodes, replace(pool, links=())) == Crossing(min(cards))


@law
@given(SEEDS)
def test_the_order_of_the_nodes_changes_nothing(seed: int) -> None:
    random, pool, nodes = scene(seed)
    assert across(random.sample(nodes, len(nodes)), pool) == across(nodes, pool)


def test_a_node_of_unknown_make_is_known_where_its_pool_says_how_it_is_joined() -> None:
    node = make.node("n", instance_type="unheard-of")
    pool = make.pool("pool", links=(Link(NODE_LEVEL, 25e9 / 8),))
    assert across([node], make.pool("pool")).bandwidth is None
    assert across([node], pool) == Crossing(25e9 / 8, level=NODE_LEVEL)


def test_racks_of_one_name_in_two_zones_are_two_racks() -> None:
    nodes = [make.node(zone, labels={ZONE: zone, RACK: "r1"}, instance_type="one") for zone in "ab"]
    pool = make.pool("pool", topology_levels=(ZONE, RACK), links=(Link(RACK, 10e9 / 8),))
    assert across(nodes, pool) == Crossing(10e9 / 8, level=RACK)


def test_the_nodes_that_a_gang_already_has_count() -> None:
    node = make.node("n", labels={RACK: "a"}, instance_type="one")
    pool = make.pool("pool", topology_levels=(RACK,), links=(Link(RACK, 10e9 / 8),))
    alone, with_others = (
        crossing([(node, pool)], INSTANCES.get, others) for others in ((), [{RACK: "b"}])
    )
    assert (alone.level, with_others.level) == ("", RACK)


def test_what_is_reached_through_fast_links_names_the_slow_one() -> None:
    """A rack inside a block that is as slow: the block's links are told, not the rack's."""
    nodes = [make.node(n, labels={BLOCK: n, RACK: n}, instance_type="one") for n in "ab"]
    links = (Link(BLOCK, 10e9 / 8, 1e-5), Link(RACK, 10e9 / 8, 1e-6))
    pool = make.pool("pool", topology_levels=(BLOCK, RACK), links=links)
    assert across(nodes, pool) == Crossing(10e9 / 8, 1e-5, BLOCK)
    assert step(gpus.profile(), across(nodes, pool), 2).total == pytest.approx(
        step(gpus.profile(), Crossing(10e9 / 8, 1e-5), 2).total
    )
