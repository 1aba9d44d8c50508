"""What says that a node is about to be taken away: taints and conditions of clouds and autoscalers.

A mere hint, such as AWS's rebalance recommendation or the autoscaler's deletion candidate, is not
among them: leaving costs a restart. Nor is a cordon, which is often somebody's maintenance.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from quartermaster.domain.cluster import Reclaim
from quartermaster.domain.hardware import Source

_READ = date(2026, 11, 25)
_NTH = Source("AWS node termination handler, pkg/node, taint keys; EC2 spot interruptions", _READ)
_GKE = Source("Google GKE, Spot VMs, and k8s-node-termination-handler", _READ)
_AKS = Source("Azure AKS, node auto-drain, scheduled events", _READ)
_KARPENTER = Source("Karpenter, concepts, disruption", _READ)
_AUTOSCALER = Source("Kubernetes cluster autoscaler, pkg/utils/taints", _READ)
_KUBERNETES = Source("Kubernetes, non-graceful node shutdown", _READ)

AWS_SPOT_S = 120.0
"""AWS EC2 user guide, spot instance interruption notices."""
GCP_SPOT_S = 30.0
"""Google Compute Engine, Spot VMs, preemption process."""
AZURE_SPOT_S = 30.0
"""Azure, scheduled events for Linux VMs: Preempt."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A taint or a condition, and what it means."""

    name: str
    by: str
    why: str
    grace_s: float | None
    """From the notice to the end of the machine [s]; None where nobody says."""
    source: Source


TAINTS = (
    Notice("aws-node-termination-handler/spot-itn", "AWS", "spot interruption", AWS_SPOT_S, _NTH),
    Notice("aws-node-termination-handler/scheduled-maintenance", "AWS", "maintenance", None, _NTH),
    Notice(
        "aws-node-termination-handler/asg-lifecycle-termination", "AWS", "termination", None, _NTH
    ),
    Notice("cloud.google.com/impending-node-termination", "Google", "preemption", GCP_SPOT_S, _GKE),
    Notice("remediator.kubernetes.azure.com/unschedulable", "Azure", "event", AZURE_SPOT_S, _AKS),
    Notice("karpenter.sh/disrupted", "Karpenter", "disruption", None, _KARPENTER),
    Notice("karpenter.sh/disruption", "Karpenter", "disruption", None, _KARPENTER),
    Notice("ToBeDeletedByClusterAutoscaler", "cluster autoscaler", "scale-down", None, _AUTOSCALER),
    Notice("node.kubernetes.io/out-of-service", "out-of-service taint", "set", None, _KUBERNETES),
)
CONDITIONS = (
    Notice("PreemptScheduled", "Azure", "spot eviction", AZURE_SPOT_S, _AKS),
    Notice("TerminateScheduled", "Azure", "termination", None, _AKS),
    Notice("RedeployScheduled", "Azure", "redeployment", None, _AKS),
)
"""Conditions that are true."""


def reclaim(taints: Iterable[str], conditions: Mapping[str, datetime | None]) -> Reclaim | None:
    """That a node is about to be taken away; None where nothing says so.

    Args:
        taints: The keys of its taints that keep pods off.
        conditions: Names of its conditions that are true, and since when.
    """
    keys = set(taints)
    for notice in CONDITIONS:
        if notice.name in conditions:
            return Reclaim(notice.by, notice.why, notice.grace_s, conditions[notice.name])
    for notice in TAINTS:
        if notice.name in keys:
            return Reclaim(notice.by, notice.why, notice.grace_s)
    return None
