"""Rendered command lines and configuration: the settings this kind of machine cannot do without."""

import json
import tomllib
from pathlib import Path

import pytest
import yaml

from devcluster.layout import Layout
from devcluster.local import certificates, cluster, stages
from devcluster.local.node import containerd, kubelet, local_nodes
from devcluster.local.processes import Component

LAYOUT = Layout(Path("/repo"), Path("/state"), Path("/cache"), Path("/run/qm"))
PROGRAMS = Path("/bin")
EVERY = cluster.components(LAYOUT, PROGRAMS)


def only_file(component: Component, ending: str) -> str:
    (text,) = (text for path, text in component.files.items() if path.name.endswith(ending))
    return text


def flags(name: str) -> set[str]:
    return set(EVERY[name].argv)


def test_every_component_has_a_name_of_its_own_and_one_that_starts_it():
    started = [one.name for group in cluster.stages(LAYOUT, PROGRAMS) for one in group]
    assert len(started) == len(set(started))
    assert set(EVERY) == {*started, "kwok"}


def test_no_two_nodes_share_an_address_port_bridge_subnet_or_control_group():
    for attribute in ("address", "kubelet_port", "health_port", "bridge", "subnet", "cgroup"):
        assert len({getattr(node, attribute) for node in local_nodes()}) == len(local_nodes())


@pytest.mark.parametrize("node", local_nodes(), ids=lambda node: node.name)
def test_containerd_can_work_without_the_right_to_lower_oom_scores(node):
    config = tomllib.loads(only_file(containerd(LAYOUT, node), "containerd.toml"))
    cri = config["plugins"]["io.containerd.grpc.v1.cri"]
    assert cri["restrict_oom_score_adj"] is True
    assert cri["containerd"]["discard_unpacked_layers"] is True
    assert config["root"].startswith(f"/state/nodes/{node.name}/")


@pytest.mark.parametrize("node", local_nodes(), ids=lambda node: node.name)
def test_kubelets_accept_control_groups_v1_and_keep_their_images(node):
    config = json.loads(only_file(kubelet(LAYOUT, PROGRAMS, node), "kubelet.json"))
    assert config["failCgroupV1"] is False
    assert config["cgroupRoot"] == f"/quartermaster-{node.name}"
    assert config["imageGCHighThresholdPercent"] == 100
    assert config["authentication"]["anonymous"] == {"enabled": False}


def test_kubelets_register_with_the_labels_of_their_hardware():
    argv = kubelet(LAYOUT, PROGRAMS, local_nodes()[1]).argv
    (labels,) = (word for word in argv if word.startswith("--node-labels="))
    assert "karpenter.sh/capacity-type=spot" in labels
    assert "nvidia.com/gpu.product=Tesla-T4" in labels


def test_the_api_reaches_kubelets_by_address_and_pods_reach_it_by_service():
    assert "--kubelet-preferred-address-types=InternalIP" in flags("apiserver")
    assert "IP:10.96.0.1" in certificates.server_names()


def test_a_thousand_jobs_are_not_held_back_by_client_limits():
    assert {"--kube-api-qps=300", "--concurrent-job-syncs=20"} <= flags("controller-manager")
    scheduler = json.loads(only_file(EVERY["scheduler"], ".json"))
    assert scheduler["clientConnection"]["qps"] == 300


def test_dns_hardly_remembers_that_a_name_is_missing():
    assert "denial 4096 1" in only_file(EVERY["coredns"], "Corefile")


def test_a_changed_file_argument_or_variable_is_another_configuration():
    base = Component("a", ("x",), "unix:///s", files={Path("/f"): "1"}, env={"K": "1"})
    others = (
        Component("a", ("x", "y"), "unix:///s", files={Path("/f"): "1"}, env={"K": "1"}),
        Component("a", ("x",), "unix:///s", files={Path("/f"): "2"}, env={"K": "1"}),
        Component("a", ("x",), "unix:///s", files={Path("/f"): "1"}, env={"K": "2"}),
    )
    assert len({one.fingerprint() for one in (base, *others)}) == 4


def test_kwok_plays_nodes_and_pods_by_stages_that_are_yaml():
    names = [stage["metadata"]["name"] for stage in yaml.safe_load_all(stages.document())]
    assert names == ["node-ready", "pod-running", "pod-succeeded", "pod-ended", "pod-deleted"]


def test_groups_name_kubelets_as_the_node_authorizer_expects():
    subjects = {one.name: one.subject for one in certificates.identities()}
    assert subjects["kubelet-qm-spot"] == "/O=system:nodes/CN=system:node:qm-spot"
    assert subjects["admin"] == "/O=system:masters/CN=quartermaster-admin"


def test_the_api_server_keeps_an_audit_of_bounded_size_of_what_costs_money_alone():
    policy = json.loads(only_file(EVERY["apiserver"], "audit-policy.json"))
    kept, rest = policy["rules"]
    assert rest == {"level": "None"}
    assert {name for group in kept["resources"] for name in group["resources"]} == {
        "pods", "pods/*", "nodes", "nodes/status", "computepools",
    }  # fmt: skip
    assert {"--audit-log-maxsize=64", "--audit-log-maxbackup=2"} <= flags("apiserver")
    assert f"--audit-log-path={LAYOUT.audit}" in flags("apiserver")
