"""Clusters of others."""

from devcluster.hardware import LOCAL_NODES
from devcluster.providers import kind_config


def test_kind_gets_a_worker_for_each_node_of_ours_with_the_same_labels():
    control_plane, *workers = kind_config()["nodes"]
    assert control_plane == {"role": "control-plane"}
    assert [one["labels"] for one in workers] == [node.labels() for node in LOCAL_NODES]
