"""What worker pods tell: released, lost, left behind, refused, counted."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from quartermaster.decide import workers as facts
from quartermaster.decide.workers import LOST_NODE_GRACE, Tally
from quartermaster.domain.cluster import Node
from quartermaster.domain.worker import Phase, Worker
from tests.support import make
from tests.support.make import after

GATE = ("quartermaster.dev/placement",)
GRACE = timedelta(seconds=30)


@pytest.mark.parametrize(
    ("worker", "want"),
    [
        pytest.param(make.worker(bound=after(1)), None, id="it runs"),
        pytest.param(
            make.worker(bound=after(1), deleting=after(9)), None, id="it is being deleted and runs"
        ),
        pytest.param(
            make.worker(phase=Phase.SUCCEEDED, bound=after(1), ended=after(5), deleting=after(9)),
            after(5),
            id="the container's own end is the truth",
        ),
        pytest.param(
            make.worker(phase=Phase.FAILED, bound=after(1), disrupted=after(4), deleting=after(9)),
            after(4),
            id="evicted without an end",
        ),
        pytest.param(
            make.worker(phase=Phase.FAILED, bound=after(1), deleting=after(9)),
            after(9),
            id="deleted without an end",
        ),
        pytest.param(
            make.worker(phase=Phase.FAILED, bound=after(1), started=after(2)),
            after(2),
            id="failed with nothing else known",
        ),
        pytest.param(make.worker(phase=Phase.FAILED, bound=after(1)), after(1), id="never started"),
    ],
)
def test_a_node_is_free_when_the_worker_ended(worker: Worker, want: datetime | None) -> None:
    assert facts.released(worker) == want


DELETED = make.worker(node="node-a", bound=after(0), deleting=after(30), phase=Phase.RUNNING)
LATE = after(30) + LOST_NODE_GRACE + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("worker", "node", "now", "want"),
    [
        pytest.param(DELETED, None, LATE, True, id="the node is gone"),
        pytest.param(DELETED, make.node(ready=False), LATE, True, id="the node is not ready"),
        pytest.param(DELETED, make.node(), LATE, False, id="the kubelet is there"),
        pytest.param(DELETED, None, after(30), False, id="its grace runs"),
        pytest.param(make.worker(node="node-a"), None, LATE, False, id="nobody deleted it"),
        pytest.param(
            make.worker(node="node-a", deleting=after(30), phase=Phase.FAILED),
            None,
            LATE,
            False,
            id="it is over",
        ),
        pytest.param(make.worker(deleting=after(30)), None, LATE, False, id="it has no node"),
    ],
)
def test_lost_is_deleted_with_nobody_there_to_end_it(
    worker: Worker, node: Node | None, now: datetime, want: bool
) -> None:
    assert facts.is_lost(worker, node, now) is want


FAILED = Phase.FAILED


def running(index: int, created: float, started: float, **more: Any) -> Worker:
    return make.worker(
        index, created=after(created), started=after(started), phase=Phase.RUNNING, **more
    )


def test_peers_of_a_replaced_worker_are_left_behind_after_the_grace() -> None:
    old, new = running(0, 0, 10), running(1, 100, 110)
    assert facts.left_behind([old, new], GRACE, after(139), reported=after(90)) == []
    assert facts.left_behind([old, new], GRACE, after(140), reported=after(90)) == [old]
    assert facts.left_behind([old, new], GRACE, after(149), reported=after(120)) == []
    assert facts.left_behind([old, new], GRACE, after(150), reported=after(120)) == [old]


def test_a_worker_that_its_new_peer_joined_is_left_alone() -> None:
    gang = [running(0, 0, 10), running(1, 100, 110)]
    assert facts.left_behind(gang, GRACE, after(9999), reported=after(141)) == []


def test_replacements_that_end_one_after_the_other_do_not_begin_the_grace_anew() -> None:
    """Seen with torchrun: it waits for a peer that crashed after its last step, and lets no
    replacement in."""
    waiting = running(0, 0, 10)
    ended = [
        make.worker(1, created=after(s - 9), started=after(s), ended=after(s + 14), phase=FAILED)
        for s in (12, 40, 70)
    ]
    gang = [waiting, *ended]
    assert facts.left_behind(gang, GRACE, after(69)) == []
    assert facts.left_behind(gang, GRACE, after(70)) == [waiting]
    assert facts.left_behind([*gang, running(1, 95, 99)], GRACE, after(100)) == [waiting]


def test_a_run_that_never_reports_is_left_alone_while_no_replacement_ends() -> None:
    gang = [running(0, 0, 10), running(1, 100, 110)]
    assert facts.left_behind(gang, GRACE, after(9999)) == []


def test_a_gang_that_started_together_is_left_alone() -> None:
    gang = [running(0, 0, 10), running(1, 3, 12), running(2, 1, 40)]
    assert facts.left_behind(gang, GRACE, after(9999)) == []


def test_a_peer_that_is_leaving_already_is_not_stopped_again() -> None:
    old, new = running(0, 0, 10, deleting=after(150)), running(1, 100, 110)
    assert facts.left_behind([old, new], GRACE, after(500), reported=after(90)) == []


@pytest.mark.parametrize(
    ("changes", "want"),
    [
        pytest.param({}, True, id="the scheduler says no for long"),
        pytest.param({"unschedulable_since": after(20)}, False, id="only just"),
        pytest.param({"gates": GATE}, False, id="it is not placed"),
        pytest.param({"bound": after(5)}, False, id="it is bound"),
        pytest.param({"deleting": after(5)}, False, id="it is leaving"),
        pytest.param({"unschedulable_since": None}, False, id="nobody said no"),
        pytest.param(
            {"unschedulable": 'persistentvolumeclaim "x" not found'}, False, id="for a volume"
        ),
        pytest.param(
            {"unschedulable": "pod has unbound immediate PersistentVolumeClaims"},
            False,
            id="for a volume that is not bound",
        ),
    ],
)
def test_refused_is_placed_and_not_let_onto_its_node(changes: dict[str, Any], want: bool) -> None:
    told = {"unschedulable": "0/2 nodes: Insufficient nvidia.com/gpu"}
    worker = make.worker(**{"node": "node-a", "unschedulable_since": after(0), **told, **changes})
    assert bool(facts.refused([worker], timedelta(seconds=15), after(30))) is want


def test_every_worker_is_counted_once() -> None:
    workers = [
        make.worker(0, gates=GATE),
        make.worker(1, node="node-a"),
        make.worker(2, phase=Phase.RUNNING),
        make.worker(3, phase=Phase.SUCCEEDED),
        make.worker(4, phase=Phase.FAILED),
        make.worker(5, phase=Phase.RUNNING, deleting=after(1)),
        make.worker(6, gates=GATE, deleting=after(1)),
    ]
    assert facts.tally(workers) == Tally(gated=1, starting=1, running=1, succeeded=1)
