"""Which GPUs there are beside those that a job ran on: in the cluster, and in price lists."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from itertools import product

from quartermaster.adapters.prices import shipped
from quartermaster.adapters.scene import KNOWN
from quartermaster.adapters.view import ClusterView
from quartermaster.api.record import JobRecord
from quartermaster.catalog import instances, labels
from quartermaster.catalog.prices.price_list import Wanted
from quartermaster.decide.cost.ledger.other_gpu import Machine, Subject
from quartermaster.decide.cost.ledger.recommend import Market, Name
from quartermaster.decide.cost.prices import price_of
from quartermaster.decide.profile.network import own_link
from quartermaster.domain.cluster import Capacity, Node, Pool, is_mig
from quartermaster.domain.hardware import InstanceType
from quartermaster.domain.measurement import MemoryKind
from quartermaster.domain.profile import ProfileSource
from quartermaster.domain.resources import GpuResource, Resources
from quartermaster.manifests import runtime
from quartermaster.reconcile.demand import per_worker
from quartermaster.reconcile.profile.step_costs import job_profile
from quartermaster.units import byte_count

FOR_PODS = Fraction(9, 10)
"""Of a machine's CPU and memory: the rest is the system's, as far as lists can tell."""
_MAKERS = {"AMD": GpuResource.AMD, "Intel": GpuResource.GAUDI}
"""By what the names of their models begin with."""


def market(view: ClusterView) -> Market:
    """The jobs of which enough is known, and the machines that they are weighed on.

    Args:
        view: Nodes, pools, overlays and jobs of a cluster.
    """
    found = ((job, subject(job)) for job in view.jobs())
    subjects: dict[Name, Subject] = {
        (job.key.namespace, job.key.name): told for job, told in found if told is not None
    }
    return Market(subjects, [*_joined(view), *_listed(view)], KNOWN)


def subject(job: JobRecord) -> Subject | None:
    """A job as it is weighed on other GPUs; None where its own steps do not tell enough."""
    spec, known = job.spec, job.status.own_profile
    if spec is None or known is None or known.memory_kind is not MemoryKind.DEVICE:
        return None
    profile = job_profile(spec, known)
    if profile is None or profile.source is not ProfileSource.MEASURED or not profile.measured:
        return None
    held, gpus = known.memory_per_worker, runtime.processes_per_worker(spec)
    workers, odd = divmod(known.processes or 0, gpus)
    if held is None or not workers or odd:
        return None
    return Subject(
        profile=profile,
        gpu_resource=spec.trainer.resources_per_worker.gpu_resource,
        workers=workers,
        per_worker=per_worker(spec),
        memory_per_gpu=-(-byte_count(held) // gpus),
        bound=known.bound,
    )


def _joined(view: ClusterView) -> Iterator[Machine]:
    """Kinds of nodes that the cluster has, each once."""
    snapshot = view.snapshot()
    seen: set[tuple[str, str, str, Capacity, Fraction]] = set()
    for node in snapshot.nodes:
        pool = snapshot.pool_of(node)
        price, gpu = price_of(node, pool), labels.accelerator(node.accelerator)
        usable = node.ready and not node.cordoned and node.reclaim is None
        whole = (
            node.allocatable.gpus and not node.allocatable.parts and not is_mig(node.accelerator)
        )
        if price is None or gpu is None or not usable or not whole:
            continue
        kind = gpu.name, node.instance_type, pool.name, node.capacity, price.usd_per_hour
        if kind not in seen:
            seen.add(kind)
            link = own_link(node, pool, instances.instance)
            known = instances.instance(node.instance_type)
            yield Machine(
                accelerator=gpu,
                gpu_resource=node.gpu_resource,
                has=node.allocatable,
                usd_per_hour=price.usd_per_hour,
                capacity=node.capacity,
                where=_called(node, pool),
                linked=known is None or known.linked,
                network_bandwidth=None if link is None else link.bandwidth,
                network_latency=0.0 if link is None else link.latency,
            )


def _called(node: Node, pool: Pool) -> str:
    kind = node.instance_type or f"node {node.name}"
    return f"{kind} of this cluster" + (f", pool {pool.name}" if pool.name else "")


def _listed(view: ClusterView) -> Iterator[Machine]:
    """Machines that the lists offer where the cluster has nodes, and that it has none of."""
    nodes = view.snapshot().nodes
    places = sorted({(node.provider, node.region) for node in nodes if node.region})
    there = {(node.instance_type, node.region, node.capacity) for node in nodes}
    prices = shipped.shipped()
    ways = (Capacity.ON_DEMAND, Capacity.SPOT)
    for kind, (provider, region), way in product(instances.INSTANCE_TYPES, places, ways):
        gpu = labels.accelerator(kind.accelerator)
        offer = prices.find(Wanted(kind.name, region, way, provider))
        if gpu is None or offer is None or (kind.name, region, way) in there:
            continue
        day = f" of {offer.as_of.isoformat()}" if offer.as_of is not None else ""
        yield Machine(
            accelerator=gpu,
            gpu_resource=_resource(gpu.name),
            has=_for_pods(kind),
            usd_per_hour=offer.usd_per_hour,
            capacity=way,
            where=f"{kind.name} in {region}, catalogue{day}",
            linked=kind.linked,
            network_bandwidth=kind.network_bandwidth,
            joined=False,
        )


def _for_pods(kind: InstanceType) -> Resources:
    return Resources(
        cpu_m=int(kind.vcpus * 1000 * FOR_PODS),
        memory=int(kind.memory_bytes * FOR_PODS),
        gpus=kind.gpus,
    )


def _resource(model: str) -> GpuResource:
    makers: Iterable[GpuResource] = (
        resource for name, resource in _MAKERS.items() if model.startswith(name)
    )
    return next(iter(makers), GpuResource.NVIDIA)
