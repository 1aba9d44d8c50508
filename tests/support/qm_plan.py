"""A cluster to plan on, as an API server lists it: two kinds of nodes, queues, running jobs."""

from typing import Any

from tests.support import qm_make as make
from tests.support.qm_cluster import MemoryCluster
from tests.support.qm_make import Json

T4 = "Tesla-T4"
A100 = "NVIDIA-A100-SXM4-40GB"
PRICES = {"g4dn.12xlarge": "3.912", "p4d.24xlarge": "21.957642"}


def object_of(document: Json, number: int) -> Json:
    """With what an API server adds."""
    metadata = {"uid": f"uid-{document['metadata']['name']}", **document["metadata"]}
    return {**document, "metadata": {**metadata, "resourceVersion": str(number)}}


def node(name: str, instance: str, gpu: str, gpus: int, zone: str = "us-east-1a") -> Json:
    return {
        "metadata": {
            "name": name,
            "labels": {
                "node.kubernetes.io/instance-type": instance,
                "nvidia.com/gpu.product": gpu,
                "topology.kubernetes.io/zone": zone,
                "karpenter.sh/capacity-type": "on-demand",
            },
        },
        "status": {
            "allocatable": {
                "cpu": "48", "memory": "192Gi", "pods": "110", "nvidia.com/gpu": str(gpus),
            },
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }  # fmt: skip


def running(name: str, places: list[str], *, queue: str = "", **spec: Any) -> list[Json]:
    """A running job and its pods, of two GPUs a worker."""
    trainer = {"workers": len(places), "resourcesPerWorker": {"gpus": 2}}
    status = make.running_status(checkpoint=None, placement=None)
    job = make.training_job(name, spec={"trainer": trainer, **spec}, status=status)
    if queue:
        job["metadata"]["labels"] = {"quartermaster.dev/queue": queue}
    pods = []
    for index, place in enumerate(places):
        pod = make.pod(index, job=job, node=place)
        request = {"nvidia.com/gpu": "2", "cpu": "1", "memory": "4Gi"}
        pod["spec"]["containers"] = [{"name": "trainer", "resources": {"requests": request}}]
        pod["metadata"]["annotations"] = {"quartermaster.dev/usd-per-hour": "1.956"}
        pod["status"]["conditions"] = [
            {"type": "PodScheduled", "status": "True", "lastTransitionTime": make.before(560)}
        ]
        pods.append(pod)
    return [job, *pods]


def cluster() -> MemoryCluster:
    """One node of eight A100, two of four T4; `research` has six T4, two of them borrowed."""
    nodes = [
        node("a100-0", "p4d.24xlarge", A100, 8, "us-east-1b"),
        node("t4-0", "g4dn.12xlarge", T4, 4),
        node("t4-1", "g4dn.12xlarge", T4, 4),
    ]
    prices = [
        {"instanceType": name, "capacityType": "OnDemand", "usdPerNodeHour": price}
        for name, price in PRICES.items()
    ]
    pool = make.pool("aws", spec={"nodeSelector": {}, "prices": prices, "priceSource": "a list"})
    reclaims = {"reclaimWithinCohort": "Any"}
    queues = [make.queue("lab")] + [
        make.queue(
            name,
            spec={
                "parent": "lab",
                "nominalQuota": [{"accelerator": T4, "gpus": 4}, {"accelerator": A100, "gpus": 4}],
                "preemption": reclaims,
            },
        )
        for name in ("product", "research")
    ]
    first, *first_pods = running("large", ["t4-0", "t4-0"], queue="research")
    second, *second_pods = running("small", ["t4-1"], queue="research")
    found = MemoryCluster(
        jobs=[first, second],
        pods=[*first_pods, *second_pods],
        nodes=nodes,
        namespaces=[{"metadata": {"name": "team-a", "labels": {"team": "a"}}}],
        pools=[pool],
        queues=queues,
        operators=[
            {"spec": {"template": {"spec": {"containers": [{"env": [
                {"name": "QM_TRAINER_IMAGE", "value": "trainer:1"},
                {"name": "QM_POD_NAME", "valueFrom": {}},
            ]}]}}}}
        ],
    )  # fmt: skip
    number = 0
    for kind in ("jobs", "pods", "nodes", "namespaces", "pools", "queues"):
        documents = getattr(found, kind)
        for index, document in enumerate(documents):
            number += 1
            documents[index] = object_of(document, number)
    return found


JOB = """\
apiVersion: quartermaster.dev/v1alpha1
kind: TrainingJob
metadata:
  name: {name}
  labels: {{quartermaster.dev/queue: {queue}}}
spec:
  model: {{factory: "qm_trainer.zoo:resnet"}}
  dataset: {{uri: "builtin://digits"}}
  trainer: {{workers: {workers}, batchSize: 256, resourcesPerWorker: {{gpus: 1, cpu: "1"}}}}
  activeDeadlineSeconds: 7200
{more}"""
COSTS = "  stepCosts: {flopsPerSample: 12000000000, parameters: 25600000, kernel: Convolution}\n"


def job(name: str = "new", queue: str = "product", workers: int = 2, more: str = "") -> str:
    return JOB.format(name=name, queue=queue, workers=workers, more=more)
