"""Which signs say that a node is about to be taken away, and which do not."""

import pytest

from quartermaster.catalog.reclaim import CONDITIONS, TAINTS, Notice, Observed, reclaim
from tests.support.make import T0

READY = {"Ready": Observed(T0)}
AT = "Wed, 26 Feb 2025 10:13:13 GMT. DurationInSeconds: -1.  For more information, see"


@pytest.mark.parametrize("notice", TAINTS, ids=lambda notice: notice.name)
def test_every_taint_of_the_table_is_a_notice(notice: Notice) -> None:
    found = reclaim(["team", notice.name], READY)
    assert found is not None
    assert (found.by, found.why, found.grace_s) == (notice.by, notice.why, notice.grace_s)


@pytest.mark.parametrize("notice", CONDITIONS, ids=lambda notice: notice.name)
def test_every_condition_of_the_table_is_a_notice_with_its_time(notice: Notice) -> None:
    found = reclaim([], {notice.name: Observed(T0)})
    assert found is not None
    assert (found.by, found.since) == (notice.by, T0)


@pytest.mark.parametrize(
    "taint",
    [
        "aws-node-termination-handler/rebalance-recommendation",
        "DeletionCandidateOfClusterAutoscaler",
        "node.kubernetes.io/unschedulable",
        "node.kubernetes.io/not-ready",
        "kubernetes.azure.com/scalesetpriority",
        "cloud.google.com/gke-spot",
    ],
)
def test_a_hint_or_a_cordon_is_none(taint: str) -> None:
    assert reclaim([taint], READY) is None


@pytest.mark.parametrize(
    ("condition", "message", "why", "grace_s"),
    [
        ("PreemptionScheduled", f"Preempt Scheduled: {AT}", "spot eviction", 30.0),
        ("PreemptionScheduled", "Preempt Started", "spot eviction", 30.0),
        ("VMEventScheduled", f"Preempt Scheduled: {AT}", "spot eviction", 30.0),
        ("VMEventScheduled", "Preempt Started. For more information", "spot eviction", 30.0),
        ("VMEventScheduled", f"Terminate Scheduled: {AT}", "termination", None),
        ("VMEventScheduled", f"Redeploy  Scheduled: {AT}", "redeployment", None),
    ],
)
def test_what_a_scheduled_event_is_its_message_says(
    condition: str, message: str, why: str, grace_s: float | None
) -> None:
    found = reclaim([], {**READY, condition: Observed(T0, message)})
    assert found is not None
    assert (found.by, found.why, found.grace_s, found.since) == ("Azure", why, grace_s, None)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("PreemptionScheduled", f"SpotRebalanceRecommendation Advisory: {AT}"),
        ("PreemptionScheduled", f"Terminate Scheduled: {AT}"),
        ("PreemptionScheduled", ""),
        ("PreemptionScheduled", f"No Preempt Scheduled: {AT}"),
        ("PreemptionScheduled", "Preempt Scheduled never"),
        ("PreemptionScheduled", "PreemptScheduled"),
        ("VMEventScheduled", f"Freeze Scheduled: {AT}"),
        ("VMEventScheduled", f"Reboot Started: {AT}"),
        ("VMEventScheduled", "VM has no scheduled event"),
        ("VMEventScheduled", ""),
    ],
)
def test_an_event_that_leaves_the_machine_or_advises_is_none(condition: str, message: str) -> None:
    assert reclaim([], {**READY, condition: Observed(T0, message)}) is None


def test_what_is_known_for_sure_goes_before_a_taint() -> None:
    found = reclaim(
        ["karpenter.sh/disrupted"],
        {"PreemptionScheduled": Observed(T0, f"Preempt Scheduled: {AT}")},
    )
    assert str(found) == "Azure spot eviction, 30 s from the notice"


def test_it_is_said_in_words() -> None:
    spot = reclaim(["aws-node-termination-handler/spot-itn"], {})
    assert str(spot) == "AWS spot interruption, 120 s from the notice"
    assert str(reclaim(["karpenter.sh/disrupted"], {})) == "Karpenter disruption"
