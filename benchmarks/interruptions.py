"""What an interruption costs a real training, on the development cluster.

    make bench-interruptions          (python -m benchmarks.interruptions)

One job of the built-in trainer, twice in one session: left alone, and interrupted twenty times, by
turns by the sign that a spot node is taken away, and by an eviction. How many steps were lost is
what the run itself says: after which step it saved when it was told to go, and after which step its
next life went on. Nothing else may run on the cluster.
"""

import argparse
import asyncio
import os
import re
import statistics
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubernetes.aio.client.api.core_v1_api import CoreV1Api

from benchmarks.machine import RESULTS, commit, machine
from quartermaster.adapters.kube import MERGE_PATCH, ApiError, KubeClient, connect
from quartermaster.errors import ClusterError
from tests.support.stage import digits_job

Json = dict[str, Any]

JOBS = "/apis/quartermaster.dev/v1alpha1/namespaces/{}/trainingjobs"
PODS = "/api/v1/namespaces/{}/pods"
NODE = "/api/v1/nodes/{}"
NOTICE = "aws-node-termination-handler/spot-itn"
STEPPING_S = 3.0
"""So long a life steps at least before it is interrupted [s]."""
PATIENCE_S = 120.0
SAVED = re.compile(r"state saved after step (\d+) of (\d+)")
RESUMED = re.compile(r"resuming after step (\d+)")
TARGET = 0.95
"""Of the goodput of a run that nobody interrupts."""


def training_job(name: str, epochs: int) -> Json:
    """A small convolutional network on handwritten digits, on one GPU's node."""
    checkpoint = {"size": "1Gi", "periodSeconds": 15}
    job = digits_job(name, epochs, checkpoint=checkpoint, failurePolicy={"maxRestarts": 100})
    job["spec"]["trainer"]["workers"] = 1
    return job


@dataclass
class Interruption:
    """One of them."""

    kind: str
    told: float
    """When the sign was set or the eviction asked for [s since 1970]."""
    ended: float = 0.0
    """When the container ended."""
    stepped: float = 0.0
    """When the next life made its first step."""
    saved: int = 0
    """The step after which the state was saved."""
    resumed: int = 0
    """The step after which the next life went on."""

    @property
    def lost(self) -> int:
        """Steps that were made and count for nothing [count]."""
        return self.saved - self.resumed


@dataclass
class Run:
    """A job's life, from its first step on."""

    name: str
    steps: int = 0
    seconds: float = 0.0
    """From the first step to the end."""
    interruptions: list[Interruption] = field(default_factory=list)
    goodput: Json = field(default_factory=dict)
    """What the job's status says."""
    microseconds: Json = field(default_factory=dict)
    """What pod time went into, as the job's status says [us]."""


class Bench:
    """The cluster as the measurement sees it."""

    def __init__(self, client: KubeClient, core: CoreV1Api, namespace: str) -> None:
        self._client = client
        self._core = core
        self._namespace = namespace

    async def run(self, name: str, epochs: int, interruptions: int) -> Run:
        """Run a job to its end; that many times it is interrupted while it steps."""
        await self._client.create(JOBS.format(self._namespace), training_job(name, epochs))
        run = Run(name)
        began = await self._stepping(name, after=0.0)
        for number in range(interruptions):
            run.interruptions.append(await self._interrupt(name, ("reclaim", "evict")[number % 2]))
            say(f"{number + 1}: {told(run.interruptions[-1])}")
        status = await self._wait(name, lambda s: s.get("state") == "Complete", 900, "complete")
        run.seconds = seconds(status["completionTime"]) - began
        run.steps, run.goodput = status["progress"]["step"], status["goodput"]
        run.microseconds = status["cost"]["exact"]["microseconds"]
        await self._client.delete(f"{JOBS.format(self._namespace)}/{name}")
        return run

    async def _interrupt(self, name: str, kind: str) -> Interruption:
        stepped = await self._stepping(name, after=0.0)
        await asyncio.sleep(max(0.0, stepped + STEPPING_S - time.time()))
        pod = await self._living(name)
        node, key = pod["spec"]["nodeName"], pod["metadata"]["name"]
        it = Interruption(kind, time.time())
        ending = asyncio.create_task(self._end_of(key))
        if kind == "reclaim":
            await self._taint(node, {"key": NOTICE, "value": "1", "effect": "NoSchedule"})
        else:
            body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": key}}
            await self._client.create(f"{PODS.format(self._namespace)}/{key}/eviction", body)
        try:
            it.ended, it.saved = await asyncio.wait_for(ending, PATIENCE_S)
            it.stepped = await self._stepping(name, after=it.ended)
        finally:
            if kind == "reclaim":
                await self._taint(node, None)
        it.resumed = await self._resumed(name)
        return it

    async def _stepping(self, name: str, after: float) -> float:
        """When the life that runs made its first step, once it has [s since 1970]."""

        def since(status: Json) -> float | None:
            last: Json = (status.get("stretches") or [{}])[-1]
            if "stepped" not in last or "broken" in last:
                return None
            stepped = seconds(last["stepped"])
            return stepped if stepped > after else None

        status = await self._wait(
            name, lambda s: since(s) is not None, PATIENCE_S, "stepping (again)"
        )
        found = since(status)
        assert found is not None  # noqa: S101 - that was waited for
        return found

    async def _wait(
        self, name: str, wanted: Callable[[Json], bool], within_s: float, what: str
    ) -> Json:
        end = time.monotonic() + within_s
        while True:
            found = await self._client.get(f"{JOBS.format(self._namespace)}/{name}")
            status: Json = dict(found.get("status") or {})
            if wanted(status):
                return status
            if time.monotonic() > end:
                state, progress = status.get("state"), status.get("progress")
                raise SystemExit(f"{name} is not {what} after {within_s:.0f} s: {state} {progress}")
            await asyncio.sleep(0.3)

    async def _pods(self, name: str) -> list[Json]:
        query = {"labelSelector": f"quartermaster.dev/job-name={name}"}
        found = await self._client.get(PODS.format(self._namespace), query)
        return list(found["items"])

    async def _living(self, name: str) -> Json:
        for pod in await self._pods(name):
            if (
                pod["status"].get("phase") == "Running"
                and "deletionTimestamp" not in pod["metadata"]
            ):
                return pod
        raise SystemExit(f"{name} steps, and has no pod that runs")

    async def _end_of(self, pod: str) -> tuple[float, int]:
        """When a pod's container ended, and after which step it saved: seen before the pod goes."""
        query = {"fieldSelector": f"metadata.name={pod}"}
        while True:
            with suppress(ClusterError):
                async for event in self._client.watch(PODS.format(self._namespace), query, 60.0):
                    for each in (event["object"].get("status") or {}).get("containerStatuses", []):
                        ended = (each.get("state") or {}).get("terminated") or {}
                        words = SAVED.search(str(ended.get("message", "")))
                        if words:
                            return seconds(ended["finishedAt"]), int(words[1])

    async def _resumed(self, name: str) -> int:
        """After which step the life that runs went on, as its log says."""
        pod = (await self._living(name))["metadata"]["name"]
        log = await self._core.read_namespaced_pod_log(pod, self._namespace)
        words = RESUMED.search(log)
        return int(words[1]) if words else 0

    async def _taint(self, node: str, taint: Json | None) -> None:
        """Set the sign, or take it away; other taints stay."""
        found = await self._client.get(NODE.format(node))
        others = [it for it in found["spec"].get("taints") or [] if it["key"] != NOTICE]
        body = {"spec": {"taints": [*others, taint] if taint else others}}
        await self._client.patch(NODE.format(node), body, MERGE_PATCH)


def seconds(text: str) -> float:
    """A metav1 time [s since 1970]."""
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def say(text: str) -> None:
    """Tell how far it is."""
    print(text, flush=True)


def told(it: Interruption) -> str:
    """One interruption in a line."""
    gone, back = it.ended - it.told, it.stepped - it.told
    return f"{it.kind}: gone after {gone:.1f} s, steps again after {back:.1f} s, lost {it.lost}"


async def in_namespace(client: KubeClient, work: Callable[[str], Awaitable[None]]) -> None:
    """Work in a namespace of its own, which goes afterwards."""
    name = f"bench-interruptions-{os.getpid()}"
    await client.create("/api/v1/namespaces", {"metadata": {"name": name}})
    try:
        await work(name)
    finally:
        with suppress(ApiError):
            await client.delete(f"/api/v1/namespaces/{name}")


async def main() -> None:
    """Measure, and write the document."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--interruptions", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=150, help="of the job")
    options = parser.parse_args()
    api = await connect(os.environ["KUBECONFIG"])
    client = KubeClient(api, lambda: True, lambda *_: None)

    async def work(namespace: str) -> None:
        bench = Bench(client, CoreV1Api(api), namespace)
        alone = await bench.run("alone", options.epochs, 0)
        say(f"alone: {alone.steps} steps in {alone.seconds:.0f} s")
        disturbed = await bench.run("disturbed", options.epochs, options.interruptions)
        say(f"disturbed: {disturbed.steps} steps in {disturbed.seconds:.0f} s")
        if alone.steps != disturbed.steps:
            raise SystemExit(f"{disturbed.steps} steps are not the {alone.steps} of the other run")
        (RESULTS / "interruptions.md").write_text(document(alone, disturbed))

    try:
        await in_namespace(client, work)
    finally:
        await api.close()  # type: ignore[no-untyped-call]


INTRODUCTION = """\
# What an interruption costs a training

Command: `make bench-interruptions`. A residual network on handwritten digits by the built-in
trainer, one worker, on the development cluster: the same job twice in one session. Interrupted by
turns by a spot node's reclaim sign, upon which the job moves to the other node, and by an eviction,
each 3 s or more after steps went on. Checkpoints every 15 s beside those.
"""
REMARK = """\
Most of the time is starting again: a container, PyTorch, the data. After an eviction that begins
later, which fits the ten seconds that Kubernetes' Job controller waits before it replaces a failed
pod; a job that moves is suspended and resumed, and does not wait. Nothing here says how long a
start takes with a large image that a node does not have, or with a large checkpoint. A node that is
gone without a sign is not in it: it loses the steps since the last checkpoint. Kubernetes tells
ends in whole seconds, rounded down.
"""


def document(alone: Run, disturbed: Run) -> str:
    """The figures."""
    hits = disturbed.interruptions
    each = (disturbed.seconds - alone.seconds) / len(hits)
    goodput, hourly = alone.seconds / disturbed.seconds, 3600 / (3600 + each)
    lines = [
        f"Commit {commit()}; {machine()}, shared with the whole cluster.",
        "GPUs are pretended: the training runs on the processors.",
        "",
        "| | undisturbed | interrupted |",
        "|---|---|---|",
        f"| interruptions | 0 | {len(hits)} |",
        f"| steps that count | {alone.steps} | {disturbed.steps} |",
        f"| first step to the end [s] | {alone.seconds:.0f} | {disturbed.seconds:.0f} |",
        *(
            f"| pod time that was {part} [s] | {_went(alone, part)} | {_went(disturbed, part)} |"
            for part in ("Useful", "Checkpoint", "Rework", "Recovery", "Other")
        ),
        f"| `goodput.interruptions` | {_hits(alone)} | {_hits(disturbed)} |",
        "",
        "| of an interruption | median | most |",
        "|---|---|---|",
        _row("steps lost", [float(it.lost) for it in hits], 0),
        _row("reclaim: sign until the worker has saved and ended [s]", _gone(hits, "reclaim")),
        _row("reclaim: sign until the next step [s]", _back(hits, "reclaim")),
        _row("eviction until the worker has saved and ended [s]", _gone(hits, "evict")),
        _row("eviction until the next step [s]", _back(hits, "evict")),
        "",
        f"Goodput beside the undisturbed run: {_percent(goodput, 0)} with an interruption every",
        f"{disturbed.seconds / len(hits):.0f} s; each took {each:.1f} s of the run's time.",
        f"So {_percent(TARGET, 0)} are kept where interruptions are",
        f"{each * TARGET / (1 - TARGET):.0f} s or more apart; with one an hour it would be",
        f"{_percent(hourly, 1)}.",
    ]
    return "\n".join([INTRODUCTION, *lines, "", REMARK])


def _percent(share: float, digits: int) -> str:
    return f"{100 * share:.{digits}f} %"


def _went(run: Run, part: str) -> str:
    return f"{run.microseconds.get(part, 0) / 10**6:.0f}"


def _hits(run: Run) -> int:
    return int(run.goodput.get("interruptions", 0))


def _gone(hits: list[Interruption], kind: str) -> list[float]:
    return [it.ended - it.told for it in hits if it.kind == kind]


def _back(hits: list[Interruption], kind: str) -> list[float]:
    return [it.stepped - it.told for it in hits if it.kind == kind]


def _row(name: str, values: list[float], digits: int = 1) -> str:
    return f"| {name} | {statistics.median(values):.{digits}f} | {max(values):.{digits}f} |"


if __name__ == "__main__":
    asyncio.run(main())
