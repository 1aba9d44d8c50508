"""What says that a node is about to be taken away: taints and conditions of clouds and autoscalers.

A mere hint, such as AWS's rebalance recommendation or the autoscaler's deletion candidate, is not
among them: leaving costs a restart. Nor is a cordon, which is often somebody's maintenance.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from quartermaster.domain.cluster import Reclaim
from quartermaster.domain.hardware import Source

_READ = date(2026, 11, 25)
_NTH = Source("AWS node termination handler, pkg/node, taint keys; EC2 spot interruptions", _READ)
_GKE = Source("Google GKE, Spot VMs, and k8s-node-termination-handler", _READ)
_AKS = Source("Azure AKS, node auto-drain, node problem detector, scheduled events", _READ)
_AKS_BEFORE = Source("Azure AKS, release notes: the older key of auto-repair's taint", _READ)
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


@dataclass(frozen=True, slots=True)
class Observed:
    """A condition that is true, as a node has it."""

    since: datetime | None
    """When it became true."""
    message: str = ""


TAINTS = (
    Notice("aws-node-termination-handler/spot-itn", "AWS", "spot interruption", AWS_SPOT_S, _NTH),
    Notice("aws-node-termination-handler/scheduled-maintenance", "AWS", "maintenance", None, _NTH),
    Notice(
        "aws-node-termination-handler/asg-lifecycle-termination", "AWS", "termination", None, _NTH
    ),
    Notice("cloud.google.com/impending-node-termination", "Google", "preemption", GCP_SPOT_S, _GKE),
    Notice("remediator.kubernetes.azure.com/unschedulable", "Azure", "event", AZURE_SPOT_S, _AKS),
    Notice(
        "remediator.aks.microsoft.com/unschedulable", "Azure", "event", AZURE_SPOT_S, _AKS_BEFORE
    ),
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
"""Conditions that say all by being true."""
_PREEMPT = Notice("Preempt", "Azure", "spot eviction", AZURE_SPOT_S, _AKS)
_TERMINATE = Notice("Terminate", "Azure", "termination", None, _AKS)
_REDEPLOY = Notice("Redeploy", "Azure", "redeployment", None, _AKS)
EVENT_CONDITIONS = {
    "PreemptionScheduled": (_PREEMPT,),
    "VMEventScheduled": (_PREEMPT, _TERMINATE, _REDEPLOY),
}
"""Conditions of AKS that are true of more than what ends a machine, and which of it does.

What they are about their message begins with: `Preempt Scheduled: Wed, 26 Feb 2025 10:13:13 GMT.`,
or `Preempt Started.` A `SpotRebalanceRecommendation Advisory` makes `PreemptionScheduled` true with
the same reason, and is a hint; a `Freeze` or a `Reboot` leaves the machine. Source: AKS node
problem detector, conditions; Azure/karpenter-provider-azure, pkg/controllers/node/interruption;
maksim-paskal/aks-node-termination-handler, issue 98, for the wording. Read 2026-11-25.
"""
_AT_HAND = re.compile(r"\s*(\w+)\s+(?:Scheduled|Started)(?:\s*[:.]|\s*$)")


def reclaim(taints: Iterable[str], conditions: Mapping[str, Observed]) -> Reclaim | None:
    """That a node is about to be taken away; None where nothing says so.

    Args:
        taints: The keys of its taints that keep pods off.
        conditions: Its conditions that are true, by name.
    """
    for notice in CONDITIONS:
        if (observed := conditions.get(notice.name)) is not None:
            return Reclaim(notice.by, notice.why, notice.grace_s, observed.since)
    if (event := _event(conditions)) is not None:
        # A condition that was true of a hint before says the time of that.
        return Reclaim(event.by, event.why, event.grace_s)
    keys = set(taints)
    for notice in TAINTS:
        if notice.name in keys:
            return Reclaim(notice.by, notice.why, notice.grace_s)
    return None


def _event(conditions: Mapping[str, Observed]) -> Notice | None:
    """What a condition's message says is at hand."""
    for name, notices in EVENT_CONDITIONS.items():
        observed = conditions.get(name)
        found = _AT_HAND.match(observed.message) if observed is not None else None
        for notice in notices:
            if found is not None and found[1] == notice.name:
                return notice
    return None
