"""Rounds of small clusters whose answer can be said in words."""

import pytest

from quartermaster.decide.elastic.configurations import Capacity, Configuration, PoolRoom
from quartermaster.decide.elastic.goodput import RigidProfile
from quartermaster.decide.elastic.programme import Limits
from quartermaster.decide.elastic.rounds import Method, decide_round
from quartermaster.decide.elastic.throughput import Vector
from quartermaster.decide.elastic.values import ElasticJob, Policy

NOW = 10_000.0
FLAT = Policy(urgency=0.0)


class Scaling:
    """Speed grows with a power of the workers, and with the GPU model."""

    def __init__(self, power: float = 1.0, **models: float) -> None:
        self.power = power
        self.models = models

    def rates(self, accelerator: str, nodes: Vector, workers: Vector) -> Vector:
        del nodes
        rates: Vector = self.models.get(accelerator, 0.0) * workers**self.power
        return rates


def pool(name: str = "t4", nodes: int = 2, size: int = 4, usd: float = 0.0) -> PoolRoom:
    return PoolRoom(name, name, tuple((f"{name}-{i}", size) for i in range(nodes)), size, usd)


def job(uid: str, **changes: object) -> ElasticJob:
    fields: dict[str, object] = {
        "uid": uid,
        "profile": Scaling(0.8, t4=1.0, a100=4.0),
        "least": 1,
        "most": 64,
        "changed": 0.0,
        "restart_seconds": 30.0,
    }
    return ElasticJob(**(fields | changes))  # type: ignore[arg-type] # a builder with defaults


def workers(decided: dict[str, int] | object, uid: str) -> int:
    allocation = decided.allocations.get(uid)  # type: ignore[attr-defined] # a round
    return allocation.configuration.workers if allocation else 0


def test_a_job_alone_gets_all_that_helps_it() -> None:
    decided = decide_round([job("a")], Capacity((pool(),)), NOW, FLAT)
    assert workers(decided, "a") == 8
    assert decided.method is Method.PROGRAMME


def test_two_equal_jobs_share_equally() -> None:
    decided = decide_round([job("a"), job("b")], Capacity((pool(),)), NOW, FLAT)
    assert (workers(decided, "a"), workers(decided, "b")) == (4, 4)


def test_everybody_runs_before_anybody_grows() -> None:
    jobs = [job(str(i)) for i in range(8)]
    decided = decide_round(jobs, Capacity((pool(),)), NOW, FLAT)
    assert len(decided.allocations) == 8


def test_the_faster_gpu_goes_to_whom_it_helps_more() -> None:
    picky = job("picky", profile=Scaling(0.0, t4=1.0, a100=8.0), most=4)
    easy = job("easy", profile=Scaling(0.0, t4=1.0, a100=1.0), most=4)
    capacity = Capacity((pool("t4", 1), pool("a100", 1)))
    decided = decide_round([easy, picky], capacity, NOW, FLAT)
    assert decided.allocations["picky"].configuration.pool == "a100"


def test_a_job_near_its_end_comes_before_a_long_one() -> None:
    profile = RigidProfile(8, {"t4": 1.0})
    long = job("a", profile=profile, least=8, most=8, rigid=True, remaining=1e6)
    short = job("b", profile=profile, least=8, most=8, rigid=True, remaining=60.0)
    decided = decide_round([long, short], Capacity((pool(),)), NOW, Policy(urgency=1.0))
    assert set(decided.allocations) == {"b"}


def test_who_waits_long_enough_comes_before_a_short_one() -> None:
    profile = RigidProfile(8, {"t4": 1.0})
    long = job("a", profile=profile, least=8, most=8, rigid=True, remaining=1e5)
    short = job("b", profile=profile, least=8, most=8, rigid=True, remaining=60.0, changed=NOW)
    policy = Policy(urgency=0.5, aging_seconds=100.0)
    decided = decide_round([long, short], Capacity((pool(),)), NOW, policy)
    assert set(decided.allocations) == {"a"}


HELD = Configuration("t4", 4, 1)


def test_a_job_is_not_moved_for_less_than_the_restart_costs() -> None:
    settled = job(
        "a", current=HELD, held=(("t4-1", 4),), most=8, restart_seconds=600.0, changed=NOW - 60
    )
    decided = decide_round([settled], Capacity((pool(),)), NOW, FLAT)
    assert decided.allocations["a"].configuration == HELD
    assert decided.allocations["a"].place == (("t4-1", 4),)


def test_a_job_grows_when_that_pays_for_the_restart() -> None:
    settled = job("a", current=HELD, held=(("t4-1", 4),), most=8, restart_seconds=10.0)
    decided = decide_round([settled], Capacity((pool(),)), NOW, FLAT)
    assert workers(decided, "a") == 8


def test_nobody_is_moved_to_end_a_moment_later() -> None:
    settled = job("a", current=HELD, held=(("t4-1", 4),), most=8, restart_seconds=30.0)
    ending = job(
        "a", current=HELD, held=(("t4-1", 4),), most=8, restart_seconds=30.0, remaining=20.0
    )
    grown = decide_round([settled], Capacity((pool(),)), NOW, FLAT)
    kept = decide_round([ending], Capacity((pool(),)), NOW, FLAT)
    assert (workers(grown, "a"), workers(kept, "a")) == (8, 4)


def test_a_restarting_job_keeps_its_nodes_whatever_else_would_pay() -> None:
    pinned = job("a", current=Configuration("t4", 1, 1), held=(("t4-0", 1),), pinned=True)
    decided = decide_round([pinned, job("b")], Capacity((pool(),)), NOW, FLAT)
    assert decided.allocations["a"].place == (("t4-0", 1),)
    assert decided.allocations["b"].place == (("t4-1", 4),)


def test_a_job_whose_node_is_gone_is_placed_anew() -> None:
    lost = job("a", current=HELD, held=(("t4-9", 4),), pinned=True)
    decided = decide_round([lost], Capacity((pool(),)), NOW, FLAT)
    assert workers(decided, "a") == 8


def test_a_rigid_job_has_its_workers_or_none() -> None:
    rigid = job("a", profile=RigidProfile(6, {"t4": 1.0}), least=6, most=6, rigid=True)
    decided = decide_round([rigid, job("b")], Capacity((pool(),)), NOW, FLAT)
    assert (workers(decided, "a"), workers(decided, "b")) == (6, 2)
    alone = decide_round([rigid], Capacity((pool("t4", 1),)), NOW, FLAT)
    assert not alone.allocations


def test_a_dear_gpu_is_left_when_money_counts() -> None:
    capacity = Capacity((pool("t4", 1, usd=0.5), pool("a100", 1, usd=30.0)))
    free = decide_round([job("a", most=4)], capacity, NOW, FLAT)
    thrifty = decide_round([job("a", most=4)], capacity, NOW, Policy(urgency=0.0, usd_weight=0.1))
    assert free.allocations["a"].configuration.pool == "a100"
    assert thrifty.allocations["a"].configuration.pool == "t4"


def test_what_nothing_is_known_of_waits() -> None:
    unknown = job("a", profile=Scaling())
    assert not decide_round([unknown], Capacity((pool(),)), NOW, FLAT).allocations


def test_no_jobs_and_no_nodes_are_no_problem() -> None:
    assert not decide_round([], Capacity((pool(),)), NOW, FLAT).allocations
    assert not decide_round([job("a")], Capacity(()), NOW, FLAT).allocations


@pytest.mark.parametrize("limits", [None, Limits(nodes=0), Limits()], ids=["greedy", "cut", "full"])
def test_every_way_of_choosing_stays_within_the_nodes(limits: Limits | None) -> None:
    capacity = Capacity((pool("t4", 3), pool("a100", 1, 8)))
    jobs = [job(str(i), most=2 ** (i % 5)) for i in range(9)]
    decided = decide_round(jobs, capacity, NOW, FLAT, limits)
    used: dict[str, int] = {}
    for allocation in decided.allocations.values():
        for node, count in allocation.place:
            used[node] = used.get(node, 0) + count
    room = {name: gpus for each in capacity.pools for name, gpus in each.nodes}
    assert used
    assert all(count <= room[node] for node, count in used.items())


def test_the_order_of_the_jobs_does_not_matter() -> None:
    jobs = [job(str(i), most=2 ** (i % 4)) for i in range(6)]
    capacity = Capacity((pool("t4", 2), pool("a100", 1)))
    one = decide_round(jobs, capacity, NOW, FLAT)
    other = decide_round(list(reversed(jobs)), capacity, NOW, FLAT)
    assert one == other
