"""Who is on which node, as the caches have it."""

from fractions import Fraction

from quartermaster.adapters.ledger.occupancy import ClusterOccupancy
from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.manifests.held import prices_text
from tests.support.memory import FakeClock
from tests.unit.operator.adapters.test_documents import at, moment, node, pod


def test_a_pod_pays_its_later_prices_from_when_they_are_in_force() -> None:
    view = ClusterView(touched=lambda _: None, room=lambda: None)
    there = node()
    there["metadata"] |= {"uid": "node", "resourceVersion": "1"}
    view.nodes.put(there)
    running = pod(
        {"nodeName": "gpu-1"},
        {"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at(5)}]},
        resourceVersion="2",
        annotations={
            meta.PRICE_ANNOTATION: "1/2",
            meta.REPRICED_ANNOTATION: prices_text([(moment(30), Fraction(1, 4))]),
        },
    )
    view.pods.put(running)
    hold = ClusterOccupancy(view, FakeClock(moment(59))).pods()["pod-uid"]
    assert (hold.began, hold.ended) == (moment(5), None)
    assert hold.rate_at(moment(29)) == Fraction(1, 2)
    assert hold.rate_at(moment(30)) == Fraction(1, 4)
