"""What a queue's status says, and when it is written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from quartermaster.domain.queue import Queue
from quartermaster.reconcile import compute_queues
from tests.support import make
from tests.support.memory import MemoryCluster
from tests.support.operation import Operation
from tests.support.queueing import queue

HOUR_S = 3600.0


@dataclass
class QueueCluster(MemoryCluster):
    """With statuses of queues."""

    statuses_of: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def queue_records(self) -> list[tuple[str, int, Mapping[str, Any]]]:
        return [(one.name, 3, self.statuses_of.get(one.name, {})) for one in self.all_queues]


class QueueWriter:
    """Keeps what is written."""

    def __init__(self, cluster: QueueCluster) -> None:
        self._cluster = cluster

    async def set_queue_status(self, name: str, status: Mapping[str, Any]) -> None:
        self._cluster.statuses_of[name] = status
        self._cluster.written.append(name)


def operation(*queues: Queue) -> tuple[Operation, QueueCluster]:
    cluster = QueueCluster(all_queues=queues)
    cluster.add_node(make.node("node-a", 4))
    return Operation(cluster=cluster), cluster


async def report(cluster: QueueCluster, half_life_s: float = HOUR_S) -> list[str]:
    cluster.written.clear()
    await compute_queues.report(cluster, QueueWriter(cluster), cluster.clock, half_life_s)
    return list(cluster.written)


async def test_a_status_counts_jobs_and_gpus_up_the_tree() -> None:
    it, cluster = operation(queue("lab", t4=4), queue("research", "lab"))
    for name in ("one", "two"):
        spec = make.spec(trainer={"workers": 3})
        cluster.submit(make.record(name, spec, queue="research"))
    await it.drive("uid-one", "uid-two")
    await report(cluster)
    research, lab = cluster.statuses_of["research"], cluster.statuses_of["lab"]
    assert (research["pending"], research["admitted"]) == (1, 1)
    assert research["usage"] == [{"accelerator": make.T4, "gpus": 3, "nominal": 0, "borrowed": 3}]
    assert research["fairShare"] == "0.750"
    assert (lab["pending"], lab["admitted"]) == (0, 0)
    assert lab["usage"] == [{"accelerator": make.T4, "gpus": 3, "nominal": 4, "borrowed": 0}]
    assert research["conditions"][0]["reason"] == "Usable"
    assert research["observedGeneration"] == 3


async def test_a_status_is_written_when_it_differs_and_its_history_once_a_minute() -> None:
    _, cluster = operation(queue("lab", t4=4))
    assert await report(cluster) == ["lab"]
    assert await report(cluster) == []
    cluster.clock.advance(59)
    assert await report(cluster) == []
    cluster.clock.advance(1)
    assert await report(cluster) == ["lab"]
    assert await report(cluster, half_life_s=0) == ["lab"]
    assert "history" not in cluster.statuses_of["lab"]
    cluster.clock.advance(600)
    assert await report(cluster, half_life_s=0) == []


async def test_a_queue_that_cannot_be_used_says_so_and_since_when() -> None:
    _, cluster = operation(queue("orphan", "gone"))
    await report(cluster)
    first = cluster.statuses_of["orphan"]["conditions"][0]
    assert (first["type"], first["status"], first["reason"]) == ("Active", "False", "Unusable")
    assert "parent gone" in first["message"]
    cluster.clock.advance(90)
    cluster.all_queues = (queue("orphan", "gone"), queue("other"))
    assert await report(cluster) == ["orphan", "other"]
    assert cluster.statuses_of["orphan"]["conditions"][0] == first


async def test_a_status_that_somebody_else_has_broken_is_written_anew() -> None:
    _, cluster = operation(queue("lab", t4=4))
    cluster.statuses_of["lab"] = {"pending": "many"}
    assert await report(cluster) == ["lab"]
    assert cluster.statuses_of["lab"]["pending"] == 0
