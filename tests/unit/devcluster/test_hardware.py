"""The pretended nodes: labels as clouds set them, and a fleet that only changes at its end."""

from collections import Counter

from devcluster.hardware import (
    FAKE_HARDWARE,
    GPU_RESOURCE,
    LOCAL_NODES,
    fake_node_object,
    fake_nodes,
)


def test_the_two_local_nodes_differ_in_product_capacity_type_zone_and_rack():
    ondemand, spot = (node.labels() for node in LOCAL_NODES)
    same = {key for key in ondemand if ondemand[key] == spot[key]}
    assert same == {"nvidia.com/gpu.count", "topology.kubernetes.io/region"}


def test_an_ondemand_node_is_labelled_as_gpu_feature_discovery_and_the_cloud_would():
    assert LOCAL_NODES[0].labels() == {
        "node.kubernetes.io/instance-type": "g5.xlarge",
        "karpenter.sh/capacity-type": "on-demand",
        "nvidia.com/gpu.product": "NVIDIA-A10G",
        "nvidia.com/gpu.memory": "23028",
        "nvidia.com/gpu.count": "1",
        "topology.kubernetes.io/region": "us-east-1",
        "topology.kubernetes.io/zone": "us-east-1a",
        "topology.quartermaster.dev/rack": "r1",
    }


def test_a_larger_fleet_begins_with_the_smaller_one():
    assert list(fake_nodes(500))[:20] == list(fake_nodes(20))


def test_every_product_comes_in_both_capacity_types_and_three_zones():
    seen = {(one.hardware.product, one.capacity_type) for one in fake_nodes(500)}
    assert len(seen) == 2 * len(FAKE_HARDWARE)
    assert len({one.zone for one in fake_nodes(500)}) == 3


def test_a_rack_holds_eight_nodes_of_one_zone():
    fleet = list(fake_nodes(80))
    assert set(Counter(one.rack for one in fleet).values()) == {8}
    assert len({(one.rack, one.zone) for one in fleet}) == 10


def test_a_fake_node_offers_eight_gpus_and_keeps_others_away():
    node = fake_node_object(next(fake_nodes(1)))
    assert node["status"]["allocatable"][GPU_RESOURCE] == "8"
    assert node["spec"]["taints"] == [
        {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
    ]
    assert node["metadata"]["labels"]["type"] == "kwok"
