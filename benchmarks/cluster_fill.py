"""How long until a whole cluster is filled: 4,000 jobs of one GPU, and one gang of 512.

    make bench-cluster-fill          (python -m benchmarks.cluster_fill)

On a real API server with 500 fake nodes of eight GPUs. Each is measured from the first `apply`
until the last pod is bound, beside kube-scheduler alone with plain Jobs of the same pods on the
same cluster in the same run. The same two loads are in KAI Scheduler's published scale test
(docs/scale-tests/example-results.json at commit d5bc503a: 397.8 s and 48.7 s on machines of its
own, where the gang has one pod a node). Pods are never run: the nodes are kwok's.
"""

import argparse
import asyncio
import os
import time
from dataclasses import dataclass

from benchmarks.control_plane import (
    JOBS,
    PLAIN,
    Json,
    arena,
    create_all,
    make_pool,
    operator_rss_mib,
    plain_job,
    training_job,
    until,
    watching,
)
from benchmarks.machine import RESULTS, commit, machine
from quartermaster.adapters.kube import KubeClient, connect

PUBLISHED = {"jobs": 397.8, "gang": 48.7}
"""KAI Scheduler's, for 4,000 jobs of one GPU and for a gang of 512 on 500 nodes [s]."""
GIVE_UP_S = 1800.0


@dataclass(frozen=True)
class Load:
    """What is applied."""

    name: str
    jobs: int
    workers: int
    """Of each job [count]."""

    def ours(self) -> list[Json]:
        """TrainingJobs."""
        return [self._sized(training_job(f"job-{number:04d}")) for number in range(self.jobs)]

    def plain(self) -> list[Json]:
        """Jobs of the same pods."""
        documents = [plain_job(f"job-{number:04d}") for number in range(self.jobs)]
        for document in documents:
            document["spec"] |= {"completions": self.workers, "parallelism": self.workers}
        return documents

    def _sized(self, document: Json) -> Json:
        document["spec"]["trainer"]["workers"] = self.workers
        return document


async def fill(client: KubeClient, load: Load, kind: str) -> float:
    """Apply a load; the time until its last pod is bound [s]."""
    path, documents = (JOBS, load.ours()) if kind == "ours" else (PLAIN, load.plain())
    pods = load.jobs * load.workers
    async with (
        arena(client, f"bench-{load.name}-{kind}-{os.getpid()}") as namespace,
        watching(client, namespace) as seen,
    ):
        began = time.monotonic()
        creating = asyncio.create_task(create_all(client, path.format(namespace), documents))
        await until(
            lambda: seen.pods_bound >= pods,
            GIVE_UP_S,
            lambda: f"{load.name}, {kind}: {seen.pods_bound} of {pods} pods bound",
        )
        took = time.monotonic() - began
        await creating
        memory = f"operator {operator_rss_mib():.0f} MiB"
        print(f"{load.name}, {kind}: {took:.1f} s; {memory}", flush=True)
        return took


def table(loads: list[Load], took: dict[tuple[str, str], float]) -> str:
    """The rows of the document."""
    rows = []
    for load in loads:
        ours, plain = took[load.name, "ours"], took[load.name, "plain"]
        what = f"{load.jobs} x {load.workers}" if load.jobs > 1 else f"a gang of {load.workers}"
        published = PUBLISHED.get(load.name)
        told = "" if published is None else f"{published:.1f}"
        rows.append(f"| {what} | {ours:.1f} | {plain:.1f} | {ours / plain:.2f} | {told} |")
    return "\n".join(rows)


async def main() -> None:
    """Measure, and write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--jobs", type=int, default=4000, help="jobs of one GPU")
    parser.add_argument("--gang", type=int, default=512, help="workers of the gang")
    options = parser.parse_args()
    api = await connect(os.environ["KUBECONFIG"])
    client = KubeClient(api, lambda: True, lambda *_: None)
    count = len((await client.get("/api/v1/nodes", {"labelSelector": "type=kwok"}))["items"])
    if not count:
        raise SystemExit("no fake nodes: make cluster-nodes N=500")
    await make_pool(client)
    loads = [Load("gang", 1, options.gang), Load("jobs", options.jobs, 1)]
    took = {}
    for load in loads:
        for kind in ("ours", "plain"):
            took[load.name, kind] = await fill(client, load, kind)
    text = f"""# Filling a cluster

Command: `make cluster-nodes N={count} && make bench-cluster-fill`. Real etcd, API server,
controller manager and scheduler; the nodes and their kubelets are kwok's.

Commit {commit()}; {machine()}; {count} fake nodes of 8 GPUs.
Everything, the client that measures included, shares the processors.

| all bound after [s] | quartermaster | kube-scheduler, plain Jobs | ratio | KAI, published |
|---|---|---|---|---|
{table(loads, took)}

A plain Job has no gang, no price, no place by topology, no books. KAI's figures are of its own
machines and pods without Jobs' controller; they are a floor that was set, not a comparison.
"""
    (RESULTS / "cluster_fill.md").write_text(text)
    print(text)
    await api.close()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    asyncio.run(main())
