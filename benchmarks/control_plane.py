"""How fast jobs get their places, on a real API server with 500 fake nodes.

    make bench-control-plane          (python -m benchmarks.control_plane)

Three figures, one run: the time from `apply` until all gates of a gang are gone (100 jobs, at a
steady pace and all at once); the time until all pods of 1,000 jobs of 2 workers are bound, beside
kube-scheduler alone with plain Jobs of the same size on the same cluster; and the operator's memory
before and after. Pods are never run: the nodes are kwok's.
"""

import argparse
import asyncio
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, commit, machine
from quartermaster.adapters.kube import ApiError, KubeClient, connect
from quartermaster.errors import ClusterError

Json = dict[str, Any]

JOBS = "/apis/quartermaster.dev/v1alpha1/namespaces/{}/trainingjobs"
PLAIN = "/apis/batch/v1/namespaces/{}/jobs"
PODS = "/api/v1/namespaces/{}/pods"
POOL = "/apis/quartermaster.dev/v1alpha1/computepools"
POOL_NAME = "a-bench"
"""Before all others: a node belongs to the first pool by name that holds it."""
CLAIM = "bench"
CREATORS = 8
IMAGE = "example.invalid/none:1"
FAKE_TAINT = {"key": "kwok.x-k8s.io/node", "operator": "Exists"}


def training_job(name: str) -> Json:
    """A gang of two workers with a GPU each."""
    return {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "TrainingJob",
        "metadata": {"name": name},
        "spec": {
            "trainer": {
                "image": IMAGE,
                "command": ["true"],
                "workers": 2,
                "resourcesPerWorker": {"gpus": 1, "cpu": "1", "memory": "1Gi"},
            },
            "placement": {"pools": [POOL_NAME]},
            "checkpoint": {"uri": f"pvc://{CLAIM}"},
        },
    }


def plain_job(name: str) -> Json:
    """The same pods without an operator: kube-scheduler finds their nodes."""
    amounts = {"cpu": "1", "memory": "1Gi", "nvidia.com/gpu": "1"}
    container = {
        "name": "trainer",
        "image": IMAGE,
        "command": ["true"],
        "resources": {"requests": amounts, "limits": amounts},
        "volumeMounts": [{"name": "artifacts", "mountPath": "/artifacts"}],
    }
    pod = {
        "restartPolicy": "Never",
        "containers": [container],
        "nodeSelector": {"type": "kwok"},
        "tolerations": [FAKE_TAINT],
        "volumes": [{"name": "artifacts", "persistentVolumeClaim": {"claimName": CLAIM}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": 2,
            "parallelism": 2,
            "completionMode": "Indexed",
            "template": {"spec": pod},
        },
    }


@dataclass
class Watched:
    """When each pod of a namespace lost its gate, and when it was bound, by job [s]."""

    ungated: dict[str, dict[str, float]] = field(default_factory=dict)
    bound: dict[str, dict[str, float]] = field(default_factory=dict)

    def see(self, pod: Json, now: float) -> None:
        """Note what is new."""
        name, spec = pod["metadata"]["name"], pod["spec"]
        job = pod["metadata"]["labels"].get("batch.kubernetes.io/job-name", "")
        if not spec.get("schedulingGates"):
            self.ungated.setdefault(job, {}).setdefault(name, now)
        if spec.get("nodeName"):
            self.bound.setdefault(job, {}).setdefault(name, now)

    @property
    def pods_bound(self) -> int:
        """Pods that have a node [count]."""
        return sum(len(pods) for pods in self.bound.values())

    def gangs_ungated(self, size: int) -> dict[str, float]:
        """When each whole gang had lost its gates [s]."""
        return {job: max(t.values()) for job, t in self.ungated.items() if len(t) >= size}


@asynccontextmanager
async def watching(client: KubeClient, namespace: str) -> AsyncIterator[Watched]:
    """Watch a namespace's pods."""
    seen = Watched()

    async def follow() -> None:
        while True:
            with suppress(ClusterError):
                async for event in client.watch(PODS.format(namespace), {}, 600.0):
                    if event["type"] in ("ADDED", "MODIFIED"):
                        seen.see(event["object"], time.monotonic())

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.5)
    try:
        yield seen
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def arena(client: KubeClient, name: str) -> AsyncIterator[str]:
    """A namespace with a bound claim, deleted with all that is in it."""
    await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    claim = {
        "metadata": {"name": CLAIM},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "resources": {"requests": {"storage": "1Mi"}},
        },
    }
    await client.create(f"/api/v1/namespaces/{name}/persistentvolumeclaims", claim)
    try:
        yield name
    finally:
        await clear(client, name)


async def clear(client: KubeClient, namespace: str) -> None:
    """Delete the namespace's jobs one by one, and wait until they and their pods are gone.

    A request for all of them at once takes longer than a request may, and each new one begins anew.
    """
    end = time.monotonic() + 1200
    for path in (JOBS.format(namespace), PLAIN.format(namespace), PODS.format(namespace)):
        while left := (await client.get(path, {"limit": "500"})).get("items"):
            if time.monotonic() > end:
                raise SystemExit(f"{path} is not empty after 1200 s")
            for start in range(0, len(left), CREATORS):
                part = [item["metadata"] for item in left[start : start + CREATORS]]
                going = [f"{path}/{m['name']}" for m in part if "deletionTimestamp" not in m]
                background = {"propagationPolicy": "Background"}
                await asyncio.gather(*(client.delete(one, background) for one in going))
            await asyncio.sleep(1)
    with suppress(ClusterError):
        await client.delete(f"/api/v1/namespaces/{namespace}")


async def create_all(client: KubeClient, path: str, documents: list[Json]) -> None:
    """Create objects over a few connections at once."""
    waiting = asyncio.Queue[Json]()
    for document in documents:
        waiting.put_nowait(document)

    async def work() -> None:
        while not waiting.empty():
            await client.create(path, waiting.get_nowait())

    await asyncio.gather(*(work() for _ in range(CREATORS)))


async def until(wanted: Callable[[], bool], within_s: float, what: Callable[[], str]) -> None:
    """Wait, saying how far it is."""
    began = said = time.monotonic()
    while not wanted():
        now = time.monotonic()
        if now - began > within_s:
            raise SystemExit(f"gave up after {within_s:.0f} s: {what()}")
        if now - said > 5:
            print(f"  [{now - began:5.0f} s] {what()}", flush=True)
            said = now
        await asyncio.sleep(0.05)


async def paced(client: KubeClient, count: int, per_second: float) -> list[float]:
    """Apply jobs at a steady pace; the time of each until its gates are gone [s]."""
    async with (
        arena(client, f"bench-paced-{os.getpid()}") as namespace,
        watching(client, namespace) as seen,
    ):
        applied: dict[str, float] = {}
        for number in range(count):
            name = f"paced-{number:04d}"
            applied[name] = time.monotonic()
            await client.create(JOBS.format(namespace), training_job(name))
            rest = 1 / per_second - (time.monotonic() - applied[name])
            await asyncio.sleep(max(0.0, rest))
        await until(
            lambda: len(seen.gangs_ungated(2)) == count,
            120,
            lambda: f"{len(seen.gangs_ungated(2))} of {count} gangs placed",
        )
        placed = seen.gangs_ungated(2)
        return sorted(placed[name] - applied[name] for name in applied)


async def burst(client: KubeClient, count: int) -> list[float]:
    """Apply jobs all at once; the time from the first apply until each one's gates are gone [s]."""
    async with (
        arena(client, f"bench-burst-{os.getpid()}") as namespace,
        watching(client, namespace) as seen,
    ):
        began = time.monotonic()
        names = [f"burst-{number:04d}" for number in range(count)]
        await create_all(client, JOBS.format(namespace), [training_job(n) for n in names])
        await until(
            lambda: len(seen.gangs_ungated(2)) == count,
            300,
            lambda: f"{len(seen.gangs_ungated(2))} of {count} gangs placed",
        )
        return sorted(t - began for t in seen.gangs_ungated(2).values())


async def started(client: KubeClient, count: int, image: str) -> list[float]:
    """Apply jobs one after the other on real nodes; the time until both containers run [s]."""
    times: list[float] = []
    async with arena(client, f"bench-started-{os.getpid()}-{count}") as namespace:
        for number in range(count):
            document = training_job(f"started-{number}")
            trainer = document["spec"]["trainer"]
            trainer |= {"image": image, "command": ["sleep", "1"]}
            trainer["resourcesPerWorker"] = {"gpus": 0, "cpu": "10m", "memory": "32Mi"}
            document["spec"]["placement"] = {"pools": ["aws-us-east-1"]}
            began = time.monotonic()
            await client.create(JOBS.format(namespace), document)
            while not await both_ran(client, namespace, document["metadata"]["name"]):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(0.05)
            times.append(time.monotonic() - began)
            await asyncio.sleep(2)
    return sorted(times)


async def both_ran(client: KubeClient, namespace: str, job: str) -> bool:
    """Whether both containers of a job run, or have run."""
    query = {"labelSelector": f"quartermaster.dev/job-name={job}"}
    pods = (await client.get(PODS.format(namespace), query))["items"]
    states = [s["state"] for p in pods for s in p["status"].get("containerStatuses", [])]
    return sum("running" in state or "terminated" in state for state in states) >= 2


async def bind_all(
    client: KubeClient, kind: str, count: int, at_end: Callable[[], Awaitable[None]]
) -> float:
    """Create jobs of two pods; the time until every pod is bound [s]."""
    path, make = (JOBS, training_job) if kind == "quartermaster" else (PLAIN, plain_job)
    async with (
        arena(client, f"bench-{kind}-{os.getpid()}") as namespace,
        watching(client, namespace) as seen,
    ):
        began = time.monotonic()
        documents = [make(f"job-{number:04d}") for number in range(count)]
        creating = asyncio.create_task(create_all(client, path.format(namespace), documents))
        await until(
            lambda: seen.pods_bound >= 2 * count,
            1200,
            lambda: f"{kind}: {seen.pods_bound} of {2 * count} pods bound",
        )
        took = time.monotonic() - began
        await creating
        await at_end()
        return took


def shell_image() -> str:
    """The small image of the development cluster."""
    state = Path(os.environ.get("QM_STATE") or Path.home() / ".local/state/quartermaster")
    return str(json.loads((state / "images.json").read_text())["busybox"])


def operator_rss_mib() -> float:
    """Resident memory of the operator's process on this machine [MiB]; 0 where it is not here."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            command = (process / "cmdline").read_text().split("\0")
            if command[1:4] == ["-m", "quartermaster", "run"]:
                status = (process / "status").read_text()
                line = next(x for x in status.splitlines() if x.startswith("VmRSS"))
                return int(line.split()[1]) / 1024
    return 0.0


def quantile(values: list[float], share: float) -> float:
    """The smallest value that at least this share does not exceed."""
    return values[min(len(values) - 1, max(0, -(-int(share * len(values) * 1000) // 1000) - 1))]


def row(name: str, values: list[float]) -> str:
    """A table row of a distribution."""
    p50, p99 = quantile(values, 0.5), quantile(values, 0.99)
    return f"| {name} | {p50:.2f} | {p99:.2f} | {values[-1]:.2f} |"


async def main() -> None:
    """Measure, and write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=1000, help="jobs of two pods to bind")
    parser.add_argument("--pairs", type=int, default=2, help="pairs of runs to compare")
    parser.add_argument("--image", default=shell_image(), help="an image with `sleep`")
    options = parser.parse_args()
    api = await connect(os.environ["KUBECONFIG"])
    client = KubeClient(api, lambda: True, lambda *_: None)
    nodes = await client.get("/api/v1/nodes", {"labelSelector": "type=kwok"})
    count = len(nodes["items"])
    if not count:
        raise SystemExit("no fake nodes: make cluster-nodes N=500")
    await make_pool(client)
    try:
        await measure(client, count, options)
    finally:
        await client.delete(f"{POOL}/{POOL_NAME}")
        await api.close()  # type: ignore[no-untyped-call]


async def measure(client: KubeClient, count: int, options: argparse.Namespace) -> None:
    """All figures, one after the other."""
    idle = operator_rss_mib()
    print(f"{count} fake nodes, operator {idle:.0f} MiB", flush=True)
    await started(client, 1, options.image)  # a new operator may still wait for the lease
    begun = await started(client, 10, options.image)
    print(row("10 jobs on real nodes", begun), flush=True)
    steady = await paced(client, 100, 2.0)
    print(row("100 jobs, 2 a second", steady), flush=True)
    rush = await burst(client, 100)
    print(row("100 jobs at once", rush), flush=True)
    full: list[float] = []

    async def weigh() -> None:
        full.append(operator_rss_mib())

    async def nothing() -> None:
        return None

    ours, theirs = [], []
    for pair in range(options.pairs):
        ours.append(await bind_all(client, "quartermaster", options.jobs, weigh))
        theirs.append(await bind_all(client, "plain", options.jobs, nothing))
        print(f"pair {pair + 1}: {ours[-1]:.0f} s with, {theirs[-1]:.0f} s without", flush=True)
    pairs = list(zip(ours, theirs, strict=True))
    write(count, options.jobs, [idle, max(full)], [begun, steady, rush], pairs)


async def make_pool(client: KubeClient) -> None:
    """A pool over the fake nodes, with a price for each model's GPUs."""
    pool = {
        "apiVersion": "quartermaster.dev/v1alpha1",
        "kind": "ComputePool",
        "metadata": {"name": POOL_NAME},
        "spec": {
            "nodeSelector": {"type": "kwok"},
            "tolerations": [{"key": FAKE_TAINT["key"]}],
            "prices": [
                {"capacityType": "Spot", "usdPerGpuHour": "1"},
                {"usdPerGpuHour": "2"},
            ],
        },
    }
    with suppress(ApiError):
        await client.create(POOL, pool)


def write(
    nodes: int,
    jobs: int,
    memory: list[float],
    waits: list[list[float]],
    pairs: list[tuple[float, float]],
) -> None:
    """The document."""
    ratios = sorted(a / b for a, b in pairs)
    lines = [
        "# Control plane: from apply to a place",
        "",
        "Command: `make cluster-nodes N=500 && make bench-control-plane`. Real etcd, API server,",
        "controller manager and scheduler; the nodes and their kubelets are kwok's.",
        "",
        f"Commit {commit()}; {machine()}; {nodes} fake nodes of 8 GPUs.",
        "Everything, the client that measures included, shares the processors.",
        "",
        "## Apply until all gates of the gang are gone",
        "",
        "| 100 jobs of 2 workers | p50 [s] | p99 [s] | slowest [s] |",
        "|---|---|---|---|",
        row("2 applied a second", waits[1]),
        row("all at once, from the first apply", waits[2]),
        "",
        "## Apply until both containers run, on the two real nodes",
        "",
        "| 10 jobs of 2 workers, one after the other | p50 [s] | p99 [s] | slowest [s] |",
        "|---|---|---|---|",
        row("a small image that the nodes have", waits[0]),
        "",
        f"## {jobs} jobs of 2 workers until all pods are bound",
        "",
        "| pair | quartermaster [s] | kube-scheduler with plain Jobs [s] | ratio |",
        "|---|---|---|---|",
        *(f"| {n} | {a:.1f} | {b:.1f} | {a / b:.2f} |" for n, (a, b) in enumerate(pairs, 1)),
        "",
        f"Median ratio {statistics.median(ratios):.2f}, from {ratios[0]:.2f} to {ratios[-1]:.2f}.",
        "A plain Job has no gang, no price and no service; the ratio is what those cost.",
        "",
        "## Memory of the operator",
        "",
        f"{memory[0]:.0f} MiB resident before the first job,",
        f"{memory[1]:.0f} MiB with {jobs} jobs and {2 * jobs} pods.",
        "",
    ]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "control_plane.md").write_text("\n".join(lines))


if __name__ == "__main__":
    asyncio.run(main())
