"""Who is on which node, from the operator's picture of the cluster."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from quartermaster.adapters.clock import Clock
from quartermaster.adapters.documents import Pod
from quartermaster.adapters.view import ClusterView
from quartermaster.decide.cost import rates
from quartermaster.decide.cost.held import machine
from quartermaster.domain.cluster import Node, Pool
from quartermaster.domain.money.ledger import Kind, Owner
from quartermaster.domain.money.occupancy import Hold, Presence, Price


class ClusterOccupancy:
    """Fits `reconcile.ports.Occupancy`."""

    def __init__(self, view: ClusterView, clock: Clock) -> None:
        self._view = view
        self._clock = clock

    def nodes(self) -> Iterable[Presence]:
        """The nodes that there are."""
        snapshot = self._view.snapshot()
        return [self._presence(node, snapshot.pool_of(node)) for node in snapshot.nodes]

    def pods(self) -> Mapping[str, Hold]:
        """The pods that are or were bound to a node."""
        found = ((pod.uid, self._hold(pod)) for pod in self._view.pods.values())
        return {uid: hold for uid, hold in found if hold is not None}

    def _presence(self, node: Node, pool: Pool) -> Presence:
        now = self._clock.now()
        began = node.created or now
        return Presence(
            machine=machine(node, pool),
            uid=node.uid or node.name,
            began=began,
            ended=None,
            gpus=node.gpu_count or Fraction(0),
            # Nobody tells what it cost before it was looked at; what it costs now is nearest.
            prices=(Price(began, rates.node_rate(node, pool), pool.price_source),),
        )

    def _hold(self, pod: Pod) -> Hold | None:
        node = None if pod.node is None else self._view.node(pod.node)
        if pod.bound is None or node is None:
            return None
        worker = pod.worker
        owner = Owner(Kind.SYSTEM, pod.key.namespace, pod.key.name, pod.uid)
        if worker is not None:
            owner = Owner(Kind.JOB, pod.key.namespace, worker.job_name, worker.job_uid)
        return Hold(
            owner=owner,
            node=node.name,
            began=pod.bound,
            ended=pod.released,
            gpus=node.gpus_in(pod.asks) or Fraction(0),
            share=rates.share(node, pod.asks) or Fraction(0),
            usd_per_hour=None if worker is None else worker.usd_per_hour,
            repriced=() if worker is None else worker.repriced,
        )
