"""How large /metrics is, and how long a scrape takes, with 1,000 jobs that run.

The jobs, their pods, nodes, queues and budgets go through the operator's own caches, and the ledger
is a SQLite file. Run: make bench-metrics
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks import machine
from quartermaster.adapters.ledger.occupancy import ClusterOccupancy
from quartermaster.adapters.ledger.store import SqlLedger
from quartermaster.adapters.metrics import registered
from quartermaster.adapters.metrics.process import ProcessCollector, Watches
from quartermaster.adapters.metrics.registered import Sources
from quartermaster.adapters.metrics.telemetry import PrometheusTelemetry
from quartermaster.adapters.prices import shipped
from quartermaster.adapters.view import ClusterView
from quartermaster.api import meta
from quartermaster.domain.cluster import Reclaim
from quartermaster.domain.decision import Placed, Refusal, Waiting
from quartermaster.domain.money.ledger import Entry, Held, Kind, Machine, Owner, Part
from quartermaster.manifests.held import held_text
from quartermaster.settings import Settings

Json = dict[str, Any]

JOBS, SERIES = 1000, 25_000
"""So many jobs may have so many series at most [count]."""
NAMESPACES = 50
WORKERS = 2
"""Of a job [count]."""
SCRAPES = 9
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODELS = ("NVIDIA-H100-80GB-HBM3", "NVIDIA-A100-SXM4-80GB", "NVIDIA-L4", "NVIDIA-A10G")
MACHINES = ("p5.48xlarge", "p4de.24xlarge", "g6.48xlarge", "g5.48xlarge")
SIGN = Reclaim("AWS", "spot interruption")
INTRODUCTION = (
    "`make bench-metrics`: {jobs:,} jobs of two workers run on spot nodes, in 50 namespaces, 20 "
    "queues and 4 pools, with profiles and GPU counters; a third of them was interrupted. 1,500 "
    "other pods, 50 budgets, a ledger with all of them. Commit {commit}; {machine}, shared with "
    "other work."
)


@dataclass(frozen=True, slots=True)
class Clock:
    """A time that stands still."""

    moment: datetime = NOW

    def now(self) -> datetime:
        """The time."""
        return self.moment


@dataclass(frozen=True, slots=True)
class Stage:
    """An operator's caches and ledger, and what is scraped of them."""

    telemetry: PrometheusTelemetry
    view: ClusterView
    ledger: SqlLedger


def at(minutes: int) -> str:
    """A moment before now, as Kubernetes writes it."""
    return (NOW - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def object_of(uid: str, name: str, namespace: str = "", **more: Any) -> Json:
    """An object's metadata."""
    where = {"namespace": namespace} if namespace else {}
    told = {"uid": uid, "name": name, "resourceVersion": "1", "creationTimestamp": at(120)}
    return told | where | more


def node(number: int) -> Json:
    """Of eight GPUs; every fourth is of the same kind."""
    kind = number % len(MODELS)
    gpus = {"cpu": "192", "memory": "2Ti", "nvidia.com/gpu": "8", "pods": "110"}
    labels = {
        "pool": f"pool-{kind}",
        "nvidia.com/gpu.product": MODELS[kind],
        "node.kubernetes.io/instance-type": MACHINES[kind],
        "topology.kubernetes.io/region": "us-east-1",
        "karpenter.sh/capacity-type": "spot",
    }
    return {
        "metadata": object_of(
            f"node-{number}",
            f"node-{number}",
            labels=labels,
            annotations={meta.NODE_PRICE_ANNOTATION: str(10 + kind)},
        ),
        "spec": {"providerID": f"aws:///us-east-1a/i-{number}"},
        "status": {"allocatable": gpus, "conditions": [{"type": "Ready", "status": "True"}]},
    }


def pod(uid: str, namespace: str, on: int, gpus: int, metadata: Json | None = None) -> Json:
    """One that runs."""
    asks = {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": str(gpus)}
    bound = {"type": "PodScheduled", "status": "True", "lastTransitionTime": at(90)}
    return {
        "metadata": object_of(uid, uid, namespace, **(metadata or {})),
        "spec": {"nodeName": f"node-{on}", "containers": [{"resources": {"requests": asks}}]},
        "status": {"phase": "Running", "conditions": [bound]},
    }


def place(job: int) -> int:
    """The node that a job's two workers of two GPUs are on, with another job's."""
    return job // 2


def held(job: int) -> Held:
    """What one of its workers holds."""
    kind = place(job) % len(MODELS)
    where = Machine(
        f"node-{place(job)}", f"pool-{kind}", MODELS[kind], MACHINES[kind], "us-east-1", "", "Spot"
    )
    return Held(where, Fraction(2), Fraction(15), "node annotation")


def worker(job: int, index: int) -> Json:
    """A worker's pod."""
    namespace = f"team-{job % NAMESPACES}"
    more = {
        "labels": {
            meta.JOB_UID_LABEL: f"job-{job}",
            meta.JOB_LABEL: f"digits-{job}",
            "batch.kubernetes.io/job-completion-index": str(index),
        },
        "annotations": {
            meta.PRICE_ANNOTATION: str(Fraction(10 + place(job) % len(MODELS), 4)),
            meta.HELD_ANNOTATION: held_text(held(job)),
        },
    }
    return pod(f"pod-{job}-{index}", namespace, place(job), 2, more)


def training_job(number: int) -> Json:
    """One that runs, of which all is known that can be."""
    kind = place(number) % len(MODELS)
    parts = {Part.USEFUL: "6.1", Part.CHECKPOINT: "0.2", Part.GANG_WAIT: "0.1", Part.OTHER: "0.3"}
    interrupted = number % 3 == 0
    if interrupted:
        parts |= {Part.REWORK: "0.5", Part.RECOVERY: "0.2"}
    fractions = ("compute", "communication", "dataWait")
    status = {
        "state": "Running",
        "workers": "2/2",
        "startTime": at(89),
        "progress": {"percentage": number % 100, "step": number, "totalSteps": 10_000},
        "placement": {
            "accelerator": MODELS[kind], "capacityType": "Spot", "pool": f"pool-{kind}",
        },
        "cost": {
            "total": "7.4", "ratePerHour": "5.5", "forecast": "11.3", "parts": parts,
            "onDemandEquivalent": "9.1", "netSpotSavings": "1.7",
        },
        "goodput": {"restarts": 2, "interruptions": 2} if interrupted else {},
        "profile": {
            "bound": "Compute", "stepSeconds": "0.0417",
            **{f"{name}Fraction": "0.333" for name in fractions},
            "device": {"source": "DCGM", "busyFraction": "0.81"},
        },
        "conditions": [
            {"type": "Placed", "status": "True", "reason": "GangPlaced",
             "lastTransitionTime": at(90)},
        ],
    }  # fmt: skip
    spec = {
        "model": {"factory": "qm_trainer.zoo:mlp"},
        "dataset": {"uri": "builtin://digits"},
        "trainer": {"workers": WORKERS, "resourcesPerWorker": {"gpus": 2}},
    }
    labels = {meta.QUEUE_LABEL: f"queue-{number % 20}"}
    namespace = f"team-{number % NAMESPACES}"
    metadata = object_of(f"job-{number}", f"digits-{number}", namespace, labels=labels)
    return {"metadata": metadata, "spec": spec, "status": status}


def odd_job(number: int) -> Json:
    """One that waits, and has run where nobody knows the price."""
    document = training_job(number)
    placed = {"type": "Placed", "status": "False", "reason": "NoCapacity"}
    document["metadata"] = object_of(f"odd-{number}", f"odd-{number}", "team-0")
    document["status"] = {
        "state": "Waiting",
        "cost": {"unpricedSeconds": 60},
        "conditions": [{**placed, "lastTransitionTime": at(30)}],
    }
    return document


def fill(view: ClusterView, jobs: int, *, odd_ones: bool) -> None:
    """Put the cluster into the caches."""
    if odd_ones:
        view.training_jobs.put(odd_job(0))
    view.use_prices(shipped.lists())
    for kind in range(len(MODELS)):
        spec = {"selector": {"matchLabels": {"pool": f"pool-{kind}"}}}
        named = object_of(f"pool-{kind}", f"pool-{kind}")
        view.compute_pools.put({"metadata": named, "spec": spec})
    for number in range(-(-jobs // 2)):
        view.nodes.put(node(number))
        for daemon in range(3):
            view.pods.put(pod(f"daemon-{daemon}-{number}", f"system-{daemon}", number, 0))
    for number in range(jobs):
        view.training_jobs.put(training_job(number))
        for index in range(WORKERS):
            view.pods.put(worker(number, index))
    for number in range(20):
        usage = [{"accelerator": model, "gpus": 50} for model in MODELS]
        view.compute_queues.put(
            {
                "metadata": object_of(f"queue-{number}", f"queue-{number}"),
                "spec": {},
                "status": {"pending": 1, "admitted": 49, "fairShare": "0.5", "usage": usage},
            }
        )
    for number in range(NAMESPACES):
        spent = {"amount": "900", "spent": "148", "forecast": "600", "commitment": "700"}
        view.all_budgets.put(
            {
                "metadata": object_of(f"budget-{number}", "month", f"team-{number}"),
                "spec": {"amount": "900"},
                "status": {**spent, "jobs": 20},
            }
        )


def entries(jobs: int) -> Iterator[Entry]:
    """What all jobs, other pods and nobody held for an hour of yesterday."""
    began = NOW - timedelta(days=1)
    hour = timedelta(hours=1)
    for job in range(jobs):
        machine = held(job).machine
        owner = Owner(Kind.JOB, f"team-{job % NAMESPACES}", f"digits-{job}", f"job-{job}")
        for number, part in enumerate(Part):
            yield Entry(
                f"pod-{job}-0/{number}", owner, machine, part, began, began + hour, hour / 7,
                Fraction(2), Fraction(3), Fraction(4),
            )  # fmt: skip
    for kind in range(len(MODELS)):
        machine = held(2 * kind).machine
        others = [Owner(Kind.IDLE), *(Owner(Kind.SYSTEM, f"system-{n}") for n in range(3))]
        for owner in others:
            id_ = f"node/{kind}/{owner.kind}/{owner.namespace}"
            yield Entry(
                id_, owner, machine, None, began, began + hour, hour, Fraction(1), Fraction(1)
            )


def count_something(telemetry: PrometheusTelemetry) -> None:
    """Every counter and histogram, with the labels that it can have."""
    pods = "/api/v1/namespaces/team/pods/x"
    telemetry.placed(3.0)
    telemetry.recovered(42.0)
    telemetry.decided(Placed((), "because"), 0.01)
    several: tuple[tuple[Callable[..., None], Iterable[tuple[Any, ...]]], ...] = (
        (telemetry.decided, ((Waiting(refusal, "full"), 0.01) for refusal in Refusal)),
        (telemetry.preempted, (("Priority",), ("Reclaim",))),
        (telemetry.resized, (("grows",), ("shrinks",), ("moves",))),
        (telemetry.reclaimed, ((f"pool-{n}", model, SIGN) for n, model in enumerate(MODELS))),
        (telemetry.reconciled, (("ok", 0.01), ("error", 0.01))),
        (telemetry.wrote, ((verb, pods) for verb in ("POST", "PATCH", "DELETE"))),
        (telemetry.failed, ((status,) for status in (None, 404, 409, 422, 429, 500))),
        (telemetry.reported, ((status,) for status in (204, 400, 401, 403, 429, 503))),
        (telemetry.prices_read, (("read",), ("failed",))),
    )
    for told, calls in several:
        for arguments in calls:
            told(*arguments)


async def staged(jobs: int, folder: Path, *, odd_ones: bool = False) -> Stage:
    """An operator's metrics with so many jobs [count], and perhaps one that waits."""
    clock, chosen = Clock(), Settings()
    view = ClusterView(touched=lambda _: None, room=lambda: None)
    fill(view, jobs, odd_ones=odd_ones)
    ledger = SqlLedger(f"sqlite:///{folder}/ledger.db", clock)
    await ledger.record(list(entries(jobs)))
    telemetry = PrometheusTelemetry()
    count_something(telemetry)
    occupancy = ClusterOccupancy(view, clock)
    sources = Sources(view, occupancy, ledger, clock, lambda _: WORKERS, chosen.max_job_series)
    registered.register(telemetry.registry, sources, lambda: True)
    watches, up = Watches(clock), {}
    for resource in ("nodes", "pods", "jobs", "namespaces", "trainingjobs", "computepools",
                     "computequeues", "budgets"):  # fmt: skip
        watches.heard(resource)
        up[resource] = True
    telemetry.registry.register(ProcessCollector(lambda: True, lambda: 0, watches, lambda: up))
    return Stage(telemetry, view, ledger)


def series(text: bytes) -> Counter[str]:
    """How many series each metric has; those of a histogram by their own names."""
    lines = (line for line in text.decode().splitlines() if line and not line.startswith("#"))
    return Counter(line.split("{", 1)[0].split(" ", 1)[0] for line in lines)


async def measure(jobs: int) -> Mapping[str, str]:
    """Figures by what they are of."""
    with tempfile.TemporaryDirectory() as folder:
        stage = await staged(jobs, Path(folder))
        taken: list[float] = []
        text = b""
        for _ in range(SCRAPES):
            started = time.perf_counter()
            text = stage.telemetry.exposition()
            taken.append(time.perf_counter() - started)
        await stage.ledger.close()
    counts = series(text)
    of_jobs = sum(count for name, count in counts.items() if "_job_" in name)
    return {
        "series": f"{counts.total():,}",
        "of them of single jobs": f"{of_jobs:,}",
        "of them for each job": f"{of_jobs / jobs:.1f}",
        "size of the answer": f"{len(text) / 2**20:.2f} MiB",
        f"time of a scrape, median of {SCRAPES}": f"{statistics.median(taken):.3f} s",
        "time of the slowest scrape": f"{max(taken):.3f} s",
    }


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=JOBS)
    parser.add_argument("--out", type=Path, default=machine.RESULTS / "metrics.md")
    chosen = parser.parse_args()
    figures = asyncio.run(measure(chosen.jobs))
    head = INTRODUCTION.format(jobs=chosen.jobs, commit=machine.commit(), machine=machine.machine())
    lines = [
        "# Metrics", "", head, "", "| what | figure |", "|---|---|",
        *(f"| {what} | {figure} |" for what, figure in figures.items()),
        "", f"The goals are {SERIES:,} series, 5 MB and 0.5 s.",
    ]  # fmt: skip
    chosen.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
