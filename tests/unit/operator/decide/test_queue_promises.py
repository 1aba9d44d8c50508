"""Places that others were stopped for are kept for the gang that they were stopped for."""

from dataclasses import replace
from typing import Any

from quartermaster.decide.queue.admit import admit
from quartermaster.decide.queue.scene import Scene
from quartermaster.decide.queue.tree import tree_of
from quartermaster.domain.decision import Placed
from quartermaster.domain.queue import Holding
from quartermaster.domain.workload import Gang
from tests.support import make
from tests.support.queueing import holding, occupied, queue

PRICES = (make.price("0.5", accelerator=make.T4), make.price("4", accelerator=make.H100))


def places(held: list[Holding], *waiting: Gang, **quota: int) -> dict[str, Any]:
    nodes = [make.node("cheap", 1), make.node("dear", 1, gpu=make.H100)]
    cluster = occupied(make.snapshot(nodes, make.pool("pool", *PRICES)), held)
    told = queue("lab", **(quota or {"t4": 9, "h100": 9}))
    verdicts = admit(Scene(cluster, waiting, held, tree_of([told])))
    return {
        v.gang.key.name: [one.node for one in v.decision.assignments]
        if isinstance(v.decision, Placed)
        else v.decision.refusal.value
        for v in verdicts
    }


def stopped(name: str, successor: str, node: str, **seats: int) -> Holding:
    return holding(name, "lab", seats, stopped_for=f"uid-{successor}", made_room={node: 1})


def gang(name: str, **more: Any) -> Gang:
    return make.gang(1, name=name, queue="lab", **more)


def test_two_gangs_get_each_what_was_made_free_for_it_though_one_is_cheaper() -> None:
    gone = [stopped("a", "first", "dear"), stopped("b", "second", "cheap")]
    found = places(gone, gang("first"), gang("second", created=make.after(1)))
    assert found == {"first": ["dear"], "second": ["cheap"]}


def test_a_place_is_kept_while_the_stopped_job_still_saves() -> None:
    leaving = holding("a", "lab", {"cheap": 1}, stopped_for="uid-first", made_room={"cheap": 1})
    seats = tuple(replace(seat, leaving=True) for seat in leaving.seats)
    held = [replace(leaving, seats=seats)]
    found = places(held, gang("first"), gang("other", priority=9), gang("third", priority=9))
    assert found == {"first": "Preempting", "other": ["dear"], "third": "NoCapacity"}


def test_nobody_else_gets_a_place_that_was_made_free() -> None:
    found = places([stopped("a", "first", "cheap")], gang("first"), gang("other", priority=9))
    assert found == {"first": ["cheap"], "other": ["dear"]}


def test_a_promise_whose_node_is_gone_is_decided_anew() -> None:
    assert places([stopped("a", "first", "vanished")], gang("first")) == {"first": ["cheap"]}


def test_a_promise_that_the_quota_does_not_cover_any_more_waits() -> None:
    found = places([stopped("a", "first", "dear")], gang("first"), t4=0, h100=0)
    assert found == {"first": "QuotaTooSmall"}


def quota_round(*queues: Any, **wants: tuple[str, int]) -> dict[str, str]:
    """One T4 of four is held in queue `lab`; who is placed of those who want, oldest first."""
    held = [holding("runs", "lab", {"node": 1})]
    cluster = occupied(make.snapshot([make.node("node", 8)], make.pool("pool", PRICES[0])), held)
    waiting = [
        make.gang(size, name=name, queue=told, created=make.after(number))
        for number, (name, (told, size)) in enumerate(wants.items())
    ]
    verdicts = admit(Scene(cluster, waiting, held, tree_of(queues)))
    return {
        v.gang.key.name: "Placed" if isinstance(v.decision, Placed) else v.decision.refusal.value
        for v in verdicts
    }


def test_the_first_that_waits_for_quota_is_not_overtaken_in_its_own_queue() -> None:
    found = quota_round(queue("lab", t4=4), large=("lab", 4), small=("lab", 1))
    assert found == {"large": "QuotaUsed", "small": "QuotaUsed"}


def test_what_another_queue_is_sure_of_is_not_kept_for_it() -> None:
    queues = queue("root"), queue("lab", "root", t4=4), queue("other", "root", t4=1)
    found = quota_round(*queues, large=("lab", 5), small=("other", 1))
    assert found == {"large": "QuotaUsed", "small": "Placed"}
