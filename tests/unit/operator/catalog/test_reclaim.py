"""Which signs say that a node is about to be taken away, and which do not."""

import pytest

from quartermaster.catalog.reclaim import CONDITIONS, TAINTS, Notice, reclaim
from tests.support.make import T0


@pytest.mark.parametrize("notice", TAINTS, ids=lambda notice: notice.name)
def test_every_taint_of_the_table_is_a_notice(notice: Notice) -> None:
    found = reclaim(["team", notice.name], {"Ready": T0})
    assert found is not None
    assert (found.by, found.why, found.grace_s) == (notice.by, notice.why, notice.grace_s)


@pytest.mark.parametrize("notice", CONDITIONS, ids=lambda notice: notice.name)
def test_every_condition_of_the_table_is_a_notice_with_its_time(notice: Notice) -> None:
    found = reclaim([], {notice.name: T0})
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
    assert reclaim([taint], {"Ready": T0, "VMEventScheduled": T0}) is None


def test_it_is_said_in_words() -> None:
    spot = reclaim(["aws-node-termination-handler/spot-itn"], {})
    assert str(spot) == "AWS spot interruption, 120 s from the notice"
    assert str(reclaim(["karpenter.sh/disrupted"], {})) == "Karpenter disruption"
