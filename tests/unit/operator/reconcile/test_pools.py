"""What a pool is reported to hold."""

from quartermaster.domain.cluster import Node, Pool, Snapshot
from quartermaster.domain.resources import Resources
from quartermaster.reconcile import pools


def test_a_pool_is_the_sum_of_its_ready_nodes_whatever_their_models() -> None:
    def node(name: str, model: str, used: int, *, ready: bool = True) -> Node:
        return Node(name, Resources(gpus=8), Resources(gpus=used), {"a": "b"}, model, ready=ready)

    nodes = (node("1", "T4", 3), node("2", "A10G", 8), node("3", "T4", 1, ready=False))
    snapshot = Snapshot(nodes, (Pool("mine", {"a": "b"}), Pool("other", {"c": "d"})))
    assert snapshot.usage() == {("mine", "T4"): (1, 8, 3), ("mine", "A10G"): (1, 8, 8)}
    assert pools.counts(snapshot) == {"mine": (2, 16, 11)}
